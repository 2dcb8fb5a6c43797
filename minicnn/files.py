"""Writing files: one check before the work begins, one way to put a whole file in the place of an old one."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import stat
from collections.abc import Iterator
from pathlib import Path

from .errors import FileError, InputError

ADVICE = {
    errno.ENOSPC: "the disk is full; free some space",
    errno.EDQUOT: "the disk quota is used up; free some space",
    errno.ENOENT: "its directory does not exist; create it first",
    errno.EACCES: "no permission; choose another directory",
    errno.EPERM: "no permission; choose another directory",
    errno.EROFS: "the file system is read-only; choose another directory",
    errno.EISDIR: "that is a directory; give the name of a file in it",
}


def check_destination(path: str | os.PathLike, endings: tuple[str, ...] = ()) -> Path:
    """Raise before long work what `replacing` would raise after it, and return the path.

    Parameters
    ----------
    path : path
        A file that is to be written. Its directory must exist.
    endings : tuple of str
        The endings that the name may have, as in (".png", ".pdf"); any where none is given.

    Raises
    ------
    InputError
        Another ending.
    FileError
        Nothing can be written there.

    Examples
    --------
    >>> check_destination("digit.bmp", (".png", ".svg"))
    Traceback (most recent call last):
        ...
    minicnn.InputError: digit.bmp: the name must end in .png or .svg
    """
    path = Path(path)
    if endings and path.suffix.lower() not in endings:
        raise InputError(f"{path}: the name must end in {' or '.join(endings)}")
    target = _target(path)
    if not target.parent.is_dir():
        raise _error(path, errno.ENOENT)
    if not os.access(target.parent, os.W_OK | os.X_OK) or target.exists() and not os.access(target, os.W_OK):
        raise _error(path, errno.EACCES)
    return path


@contextlib.contextmanager
def replacing(path: str | os.PathLike) -> Iterator[Path]:
    """Context manager: a temporary path beside `path`, whose file takes the name when all of it is on the disk.

    At any moment `path` is either what it was or the whole new file. A file that is replaced keeps its mode; a link
    keeps its place and the file that it points to is replaced. What is no regular file is refused.

    Raises
    ------
    FileError
        It could not be written. The temporary file is gone and the old one intact; its __cause__ is the OSError.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with replacing(folder + "/a.txt") as temporary:
    ...         _ = temporary.write_text("whole")
    ...     os.listdir(folder), Path(folder, "a.txt").read_text()
    (['a.txt'], 'whole')
    """
    target = _target(path)
    temporary = target.with_name(f".{secrets.token_hex(8)}{target.suffix}")     # unpredictable: no link waits there
    try:
        os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
        if target.exists():
            os.chmod(temporary, stat.S_IMODE(target.stat().st_mode))
        yield temporary
        with open(temporary, "rb+") as file:
            os.fsync(file.fileno())
        os.replace(temporary, target)
    except OSError as error:
        if isinstance(error, FileError):
            raise
        raise _error(path, error.errno, error) from error
    finally:
        with contextlib.suppress(OSError):        # not there where it took the name; Ctrl-C comes here too
            temporary.unlink(missing_ok=True)


def write_atomically(path: str | os.PathLike, data: bytes) -> None:
    """Write `data` to the file `path` as `replacing` does.

    Raises
    ------
    FileError
        It could not be written. What was there before is as it was.
    """
    with replacing(path) as temporary, open(temporary, "wb") as file:
        file.write(data)


def _target(path):
    """The file that is written: where `path` is a link, what it points to. FileError where it is no regular file."""
    target = Path(path).resolve()
    if target.is_dir():
        raise _error(path, errno.EISDIR)
    if target.exists() and not target.is_file():
        raise FileError(f"{path} is no regular file but a device, a pipe or a socket: give the name of a file")
    return target


def _error(path, number, error=None):
    advice = ADVICE.get(number) or str(getattr(error, "strerror", None) or error)
    return FileError(f"{path} could not be written: {advice}. What was there before is as it was.")
