"""The HTML file: the markup, the style, the scripts and the numbers of an `Exploration` in one text.

The sources lie in the folder `page/`; the comment at the top of `page/data.js` describes them.
"""

from __future__ import annotations

import base64
import json
import math
import re
import zlib
from importlib.resources import files
from typing import Any

import numpy as np

from ..data import Rules
from ..errors import InputError
from .canvas import CANVAS, DIGIT
from .exploration import CENTRE, DIRAC, Exploration
from .pictures import Pictures
from .scene import PATHS, path
from .texts import Texts

MAX_PAGE_BYTES = 3_000_000
SCRIPTS = ("data", "live", "sources", "views", "stage", "frame", "drawing/pen",
           "drawing/pictures", "controls", "operators", "laws", "show/play", "show/slide", "show/link", "show/gif",
           "show/zip", "show/snapshot", "show/save", "show/keys", "show/point", "enlarge/enlarge", "show/lecture",
           "show/svg", "show/figure")                                                       # in this order
STYLES = ("page", "enlarge/enlarge", "show/lecture", "show/print")
PANELS = ("maps", "equal", "pool", "impulse", "pixel", "kernel")      # tabs: the names in `page/panels/` and of texts


def build(found: Exploration, source: str, own: Pictures | None = None,
          network: str | None = None, language: str = "en") -> str:
    """The page as text. It needs no other file and no network.

    The arrays stand in it one after the other, floats first, little-endian, compressed as a zlib stream, in base64. A
    block of JSON before them says where each array begins.

    Parameters
    ----------
    found : Exploration
    source : str
        A few words on the origin of the weights. The page shows this text.
    own : Pictures, optional
        What was explored, if it is not MNIST's digits.
    network : str, optional
        What the network is, in a few words. By default it is the LeNet of minicnn.
    language : {"en", "de", "fr"}
        Of the page. `source` and `network` stand in it as they are given.

    Raises
    ------
    InputError
        The page would have more than 3 MB, or there is no such language.

    Examples
    --------
    >>> from minicnn.moving_digit import explore
    >>> from minicnn.models import lenet
    >>> model = lenet(pretrained=True, algorithm="direct")
    >>> text = build(explore(model, np.zeros((1, 28, 28), np.uint8), [0], [0]), "an example")
    >>> meta, arrays = embedded(text)
    >>> meta["source"], arrays["pool"].shape
    ('an example', (1, 121, 5, 11, 11))
    """
    arrays: dict[str, dict[str, Any]] = {}
    parts, begin = [], 0
    for name, array in sorted(found.arrays.items(), key=lambda item: -item[1].itemsize):
        little = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
        arrays[name] = {"type": array.dtype.name, "shape": list(array.shape), "begin": begin}
        parts.append(little.tobytes())
        begin += little.nbytes
    noun, rules = ("digit", Rules()) if own is None else (own.noun, own.rules)
    texts = Texts(language, noun)
    texts = Texts(language, noun, last=f"conv{len(found.reach)}", Convolutions=_convolutions(texts, found.reach))
    names = list(own.class_names or ()) if own is not None else [str(k) for k in range(found.arrays["logits"].shape[2])]
    meta = {"source": source, "classes": names, "own": own and own.data, "parameters": found.parameters,
            "canvas": CANVAS, "digit": DIGIT, "centre": CENTRE, "dirac": DIRAC,
            "digits": [{"label": label, "index": index} for label, index in zip(found.labels, found.indices,
                                                                               strict=True)],
            "layers": [{"name": f"conv{k + 1}", "sees": sees, "channels": channels, "of": count}
                       for k, (sees, channels, count) in enumerate(zip(found.reach, found.channels, found.counts,
                                                                       strict=True))],
            "pool_sees": found.reach[-1] + 1, "name": network or texts("page.lenet"),
            "scales": found.scales, "compared": found.compared, "arrays": arrays, "network": found.layers,
            "paths": {name: path(name).tolist() for name in PATHS}, "rules": {"mean": rules.mean, "std": rules.std}}
    page = _part("page.html")
    for mark, text in (("tabs", _tabs()), ("panels", _panels()), ("player", _part("show/player.html")),
                       ("enlarged", _part("enlarge/enlarge.html"))):
        page = page.replace("{{" + mark + "}}", text)
    page = texts.markup(page)
    for mark, text in (("language", language), ("css", "".join(_part(f"{name}.css") for name in STYLES)),
                       ("engine", _part("engine.js") + _part("answers.js")), ("say", _part("texts/say.js")),
                       ("js", _scripts()), ("texts", _json(texts.table)), ("meta", _json(meta)),
                       ("blob", base64.b64encode(zlib.compress(b"".join(parts), 9)).decode())):
        page = page.replace("{{" + mark + "}}", text)
    if len(page.encode()) > MAX_PAGE_BYTES:
        raise InputError(f"the page would have {len(page.encode()) / 1e6:.1f} MB, more than "
                         f"{MAX_PAGE_BYTES / 1e6:.0f} MB: name fewer than {len(found.labels)} {noun}s")
    return page


def embedded(text: str) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Read the numbers in a page.

    Returns
    -------
    meta : dict
        The block of JSON: the digits, the layers with their channels, the scales, and the beginnings of the arrays.
    arrays : dict of ndarray
        As in `Exploration.arrays`.

    Raises
    ------
    InputError
        The text is not a page that `build` made.
    """
    found = [re.findall(rf'<script type="[^"]*" id="{name}">(.*?)</script>', text, re.DOTALL)
             for name in ("meta", "blob")]
    if not all(found):
        raise InputError("embedded: this text is not a page of minicnn explore: it contains no data")
    meta, raw = json.loads(found[0][0]), zlib.decompress(base64.b64decode(found[1][0]))
    arrays = {}
    for name, one in meta["arrays"].items():
        dtype = np.dtype(one["type"]).newbyteorder("<")
        arrays[name] = np.frombuffer(raw, dtype, math.prod(one["shape"]), one["begin"]).reshape(one["shape"])
    return meta, arrays


def _json(value):
    """JSON that may stand in a script element, and in which nothing looks like a mark."""
    return json.dumps(value).replace("<", "\\u003c").replace("{{", "{\\u007b")


def _convolutions(texts, reach):
    """The subject and the verb of the page's first sentence.

    >>> _convolutions(Texts("en"), [5, 9, 13, 17]), _convolutions(Texts("de"), [3])
    ('Four 5×5 convolutions look', 'Eine Faltung (3×3) sieht')
    """
    kernels = {after - before + 1 for before, after in zip([1, *reach], reach, strict=False)}
    size = texts("page.size", side=f"{reach[0]}×{reach[0]}") if len(kernels) == 1 else ""
    if len(reach) == 1:
        return texts("page.convolution", size=size)
    words = dict(enumerate(texts("page.counts").split(), 2))
    return texts("page.convolutions", count=words.get(len(reach), f"{len(reach)}"), size=size)


def _tabs():
    """The buttons of the panels."""
    return "\n".join(f'      <button type="button" role="tab" id="tab-{name}" aria-controls="{name}">{{{{tab.{name}}}}}'
                     "</button>" for name in PANELS)


def _panels():
    """The markup of the panels."""
    return "\n".join(f'    <div role="tabpanel" id="{name}" aria-labelledby="tab-{name}" hidden>\n'
                     f'{_part(f"panels/{name}.html")}    </div>' for name in PANELS)


def _scripts():
    """One text. Each panel stands in a block, so that two panels may use one name for two things."""
    panels = [f"{{\n{_part(f'panels/{name}.js')}}}\n" for name in PANELS]
    return "\n".join([*(_part(f"{name}.js") for name in SCRIPTS), *panels, _part("start.js")])


def _part(name):
    return (files("minicnn.moving_digit") / "page" / name).read_text(encoding="utf-8")
