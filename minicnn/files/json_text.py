"""Values as JSON that every reader accepts."""

from __future__ import annotations

import json
import logging
import math
from typing import Any


def as_json(result: Any, warn: bool = True) -> str:
    """One line of JSON. NaN and the infinities become null, because JSON does not have them.

    Parameters
    ----------
    result : values that JSON has, and floats
    warn : bool
        Whether numbers that become null are logged.

    Examples
    --------
    >>> as_json({"loss": float("nan"), "errors": (1.5,)}, warn=False)
    '{"loss": null, "errors": [1.5]}'
    """
    lost = []

    def finite(value, place):
        if isinstance(value, dict):
            return {key: finite(one, f"{place}.{key}") for key, one in value.items()}
        if isinstance(value, (list, tuple)):
            return [finite(one, f"{place}[{i}]") for i, one in enumerate(value)]
        if isinstance(value, float) and not math.isfinite(value):
            lost.append(f"{place.lstrip('.') or 'the value'} is {value}")
            return None
        return value
    text = json.dumps(finite(result, ""), allow_nan=False)
    if lost and warn:
        more = f", and {len(lost) - 3} more" if len(lost) > 3 else ""
        logging.getLogger("minicnn").warning(f"minicnn: {', '.join(lost[:3])}{more}: written as null, because JSON has "
                                             "neither NaN nor infinity")
    return text
