"""Where the data lives."""

import os
from pathlib import Path

from ..files import cache_dir

ORIGINS = {
    "data_dir": "the directory was named explicitly",
    "MINICNN_DATA": "the directory was named by MINICNN_DATA",
    "cache": "the cache directory of minicnn",
}


def data_place(data_dir=None):
    """Return the one directory in which data is looked for, and what named it.

    An explicit `data_dir` wins, then `MINICNN_DATA`, then the cache directory.

    Parameters
    ----------
    data_dir : str or path-like, optional
        The directory that the caller names.

    Returns
    -------
    directory : pathlib.Path
    origin : {"data_dir", "MINICNN_DATA", "cache"}

    Examples
    --------
    >>> directory, origin = data_place("digits")
    >>> directory.name, origin
    ('digits', 'data_dir')
    """
    if data_dir is not None:
        return Path(data_dir).expanduser(), "data_dir"
    if os.environ.get("MINICNN_DATA"):
        return Path(os.environ["MINICNN_DATA"]).expanduser(), "MINICNN_DATA"
    return cache_dir(), "cache"
