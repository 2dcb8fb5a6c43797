"""Files: the cache directory, checks of a destination before long work, atomic writing, and opening for reading."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import stat
from collections.abc import Iterator
from pathlib import Path

from ..errors import FileError, InputError
from .reading import as_path, open_to_read
from .temporary import temporary_beside

__all__ = ["as_path", "cache_dir", "check_destination", "check_new_directory", "followed", "new_directory",
           "open_to_read", "replacing", "takes_files", "write_atomically"]

HINTS = {                           # for each error number of the operating system
    errno.ENOSPC: "the disk is full; free some space",
    errno.EDQUOT: "the disk quota is used up; free some space",
    errno.ENOENT: "its directory does not exist; create it first",
    errno.ENOTDIR: "a part of the path is a file, not a directory; choose another path",
    errno.EACCES: "no permission; choose another place or change the permissions",
    errno.EPERM: "no permission; choose another place or change the permissions",
    errno.EROFS: "the file system is read-only; choose another directory",
    errno.EISDIR: "it is a directory; give the name of a file in it",
    errno.ENOTEMPTY: "it exists and is not empty; give the name of a new directory",
    errno.ELOOP: "its links lead in a circle; give the name of a file",
    errno.ENAMETOOLONG: "the name is too long; choose a shorter one",
}


def cache_dir() -> Path:
    """The directory for files that minicnn can download or make again: data and compiled kernels.

    It is `MINICNN_HOME`, else `$XDG_CACHE_HOME/minicnn`, else `~/.cache/minicnn`. This function does not create it. A
    relative `XDG_CACHE_HOME` is ignored, as the XDG specification demands.

    Raises
    ------
    FileError
        None of them is set, and there is no home directory.

    Examples
    --------
    >>> cache_dir().is_absolute()
    True
    """
    home = os.environ.get("MINICNN_HOME")
    if home:
        return Path(os.path.expanduser(home)).absolute()
    xdg = Path(os.environ.get("XDG_CACHE_HOME", ""))
    cache = xdg if xdg.is_absolute() else Path(os.path.expanduser("~/.cache"))
    if not cache.is_absolute():                   # no HOME, and no such user
        raise FileError("there is no home directory for the cache: set MINICNN_HOME to a directory")
    return cache / "minicnn"


def check_destination(path: str | os.PathLike, endings: tuple[str, ...] = ()) -> Path:
    """Check before long work that a file can be written. The errors are those that `replacing` would raise later.

    Parameters
    ----------
    path : path
        A file that is to be written. Its directory must exist.
    endings : tuple of str
        The endings that the name may have, as in (".png", ".pdf"). Without `endings`, every name is allowed.

    Returns
    -------
    Path

    Raises
    ------
    InputError
        The name has another ending.
    FileError
        The file cannot be written.

    Examples
    --------
    >>> check_destination("digit.bmp", (".png", ".svg"))
    Traceback (most recent call last):
        ...
    minicnn.InputError: digit.bmp: the name must end in .png or .svg
    """
    path = as_path(path)
    if endings and path.suffix.lower() not in endings:
        raise InputError(f"{path}: the name must end in {' or '.join(endings)}")
    target = _target(path)
    _check_parent(path, target)
    return path


def check_new_directory(path: str | os.PathLike) -> Path:
    """Check before long work that a directory can be made. The errors are those that `new_directory` would raise.

    Parameters
    ----------
    path : path
        A directory that does not exist or is empty, or a link to one. Its parent directory must exist.

    Returns
    -------
    Path

    Raises
    ------
    FileError
        The directory cannot be made, or it is not empty.
    """
    _new_directory(path)
    return Path(path)


def takes_files(folder: Path) -> bool:
    """Whether a file can be made in the directory. A file is made there and removed, because permissions may mislead.

    >>> takes_files(Path("/no such directory"))
    False
    """
    probe = Path(folder) / f".minicnn-{secrets.token_hex(8)}"
    try:
        os.close(os.open(probe, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
        probe.unlink(missing_ok=True)                               # another process may have swept it
    except OSError as error:
        return error.errno in (errno.ENOSPC, errno.EDQUOT)          # a full disk may have space later
    return True


@contextlib.contextmanager
def replacing(path: str | os.PathLike) -> Iterator[Path]:
    """Context manager: the path of a temporary file, which is renamed to `path` at the end of the block.

    The caller writes to the temporary file. At any moment `path` is either the old file or the whole new file. The new
    file has the mode of the old one, and its owner and group if the process may set them. If `path` is a symbolic link,
    its target is replaced, and the link stays. Another name of the same file (a hard link) keeps the old content. A
    device, a pipe, or a file that the process may not write is refused. The temporary file has the ending of `path` and
    a name that nobody can predict. Several processes may write to one path at once: each writes a whole file, and the
    last one stays.

    Parameters
    ----------
    path : path

    Yields
    ------
    Path
        The temporary file. It exists and is empty.

    Raises
    ------
    FileError
        The file could not be written. The temporary file is removed, and `path` is unchanged.

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
    with _whole_or_not(path), temporary_beside(target) as temporary:
        if target.exists():
            if not _permitted(target, os.W_OK):
                raise _error(path, errno.EACCES)
            _copy_mode(target, temporary)
        yield temporary
        descriptor = os.open(temporary, os.O_WRONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        os.replace(temporary, target)


@contextlib.contextmanager
def new_directory(path: str | os.PathLike) -> Iterator[Path]:
    """Context manager: the path of a temporary directory, which is renamed to `path` at the end of the block.

    Parameters
    ----------
    path : path
        As for `check_new_directory`.

    Yields
    ------
    Path
        The temporary directory. It is empty.

    Raises
    ------
    FileError
        The directory could not be made or written to. The temporary directory is removed, and `path` is unchanged.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with new_directory(folder + "/frames") as temporary:
    ...         _ = (temporary / "0.txt").write_text("first")
    ...     os.listdir(folder), os.listdir(folder + "/frames")
    (['frames'], ['0.txt'])
    """
    target = _new_directory(path)
    with _whole_or_not(path), temporary_beside(target, folder=True) as temporary:
        if target.exists():
            _copy_mode(target, temporary)
        yield temporary
        os.replace(temporary, target)             # fails if the directory is not empty


def write_atomically(path: str | os.PathLike, data: bytes) -> None:
    """Write `data` to the file `path` as `replacing` does.

    Raises
    ------
    FileError
        The file could not be written. `path` is unchanged.
    """
    with replacing(path) as temporary, open(temporary, "wb") as file:
        file.write(data)


@contextlib.contextmanager
def _whole_or_not(path):
    """Turn an OSError into a FileError about `path`."""
    try:
        yield
    except FileError:
        raise
    except OSError as error:
        raise _error(path, error.errno, error) from error


def _target(path):
    """The file that is written: `path`, or the target of a link. Raises FileError if it is not a regular file."""
    target = followed(path)
    if target.is_dir():
        raise _error(path, errno.EISDIR)
    if target.exists() and not target.is_file():
        raise FileError(f"{path} is not a regular file but a device, a pipe or a socket; give the name of a file")
    return target


def _new_directory(path):
    """The directory that is made: `path`, or the target of a link. Raises FileError as `check_new_directory`."""
    target = followed(path)
    if target.is_dir():
        if any(target.iterdir()):
            raise _error(path, errno.ENOTEMPTY)
    elif target.exists():
        raise FileError(f"{path} is a file; give the name of a new directory")
    _check_parent(path, target)
    return target


def followed(path: str | os.PathLike) -> Path:
    """The absolute path without links. Raises FileError if the links lead in a circle, or the path is impossible."""
    try:
        target = Path(os.path.realpath(as_path(path)))
    except FileNotFoundError as error:
        raise FileError(f"{path} could not be written: the current directory does not exist any more; change to "
                        "another one") from error
    except ValueError as error:                   # a null byte
        raise FileError(f"{os.fspath(path)!r} could not be written: {error}") from error
    try:
        os.stat(target)
    except (FileNotFoundError, NotADirectoryError):
        pass
    except OSError as error:                      # a circle of links, a name that is too long, no permission
        raise _error(path, error.errno, error) from error
    return target


def _check_parent(path, target):
    """Raise FileError if `target` cannot be made in its directory, or exists and cannot be written."""
    if not target.parent.is_dir():
        raise _error(path, errno.ENOTDIR if any(parent.is_file() for parent in target.parents) else errno.ENOENT)
    if not _permitted(target.parent, os.W_OK | os.X_OK) or target.exists() and not _permitted(target, os.W_OK):
        raise _error(path, errno.EACCES)
    if not takes_files(target.parent):
        raise FileError(f"{path} could not be written: no file can be made in {target.parent}; choose another "
                        "directory")


def _copy_mode(old, new):
    """Give `new` the owner and the group of `old`, if permitted, and then its mode."""
    found = old.stat()
    for owner in ((found.st_uid, -1), (-1, found.st_gid)):
        with contextlib.suppress(OSError, AttributeError):          # Windows has no owners
            os.chown(new, *owner)
    os.chmod(new, stat.S_IMODE(found.st_mode))


def _permitted(path, mode):
    return os.access(path, mode, effective_ids=os.access in os.supports_effective_ids)


def _error(path, number, error=None):
    hint = HINTS.get(number) or str(getattr(error, "strerror", None) or error)
    return FileError(f"{path} could not be written: {hint}. An existing file is unchanged.")
