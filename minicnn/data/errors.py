"""The errors that data can cause."""

from ..errors import InputError


class DataError(InputError):
    """Data that cannot be used: missing, truncated, corrupt, or not what it says it is.

    The message names the file, what was found, what was expected, and what to do.
    """


class UnavailableError(DataError):
    """The data is neither at hand nor to be had: no file here, and no mirror answered."""
