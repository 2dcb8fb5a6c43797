"""The directory of a run: its files, and the lock that keeps a second training out of it."""

from __future__ import annotations

import contextlib
import errno
import os
import threading
from collections.abc import Iterator
from pathlib import Path

try:
    import fcntl
except ImportError:                               # Windows: there is no lock
    fcntl = None  # type: ignore[assignment]

from ..errors import FileError
from ..files import check_destination, followed, takes_files
from ..files.temporary import NAME, sweep
from ..models import PRETRAINED

LAST, BEST, HISTORY = "last.safetensors", "best.safetensors", "history.jsonl"

_held: dict[tuple[int, int], tuple[int, int]] = {}      # (device, inode) of a directory: the thread that claimed it


def weights_file(given: str | Path | None = None) -> Path:
    """The file of weights. `given` is a file, or the directory of a run, which means its best weights.

    Without `given` it is the file in the package.

    >>> weights_file("runs/a.safetensors").name, weights_file().name
    ('a.safetensors', 'lenet.safetensors')
    """
    path = Path(str(PRETRAINED) if given is None else given)
    return path / BEST if os.path.isdir(path) else path


def check_writable(path: Path) -> None:
    """Raise FileError if the directory cannot be made, or no file can be made in it."""
    target = followed(path)
    above = next((one for one in (target, *target.parents) if one.exists()), target)
    if not above.is_dir():
        raise FileError(f"{path} cannot be made: {above} is not a directory; give another directory")
    if not os.access(above, os.W_OK | os.X_OK) or not takes_files(above):
        raise FileError(f"{path} cannot be made: {above} is not a writable directory" if above != target else
                        f"{path} is not a writable directory; give another directory")


def check_empty(path: Path) -> None:
    """Raise FileError if a directory is not empty. The temporary files of a killed process do not count."""
    if followed(path).is_file():
        raise FileError(f"{path} is a file; give the name of a new directory")
    if path.exists() and not path.is_dir():
        raise FileError(f"{path} is a device or a pipe; give the name of a new directory")
    if path.exists() and any(not NAME.fullmatch(file.name) for file in path.iterdir()):
        raise FileError(f"{path} exists and is not empty: choose another directory")


@contextlib.contextmanager
def claimed(path: str | os.PathLike) -> Iterator[Path]:
    """Context manager: the directory of a run, for this thread alone. It is made if it does not exist.

    The operating system holds the lock and gives it back however the process ends. Temporary files that a killed
    process left are removed. If the block fails before it writes a file, a directory that was made for it is removed.
    The same thread may claim a directory again inside of the block.

    Raises
    ------
    FileError
        The directory cannot be made or written to, or another training writes into it.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with claimed(folder + "/run") as run, claimed(folder + "/run"):
    ...         _ = (run / "history.jsonl").write_text("")
    ...     os.listdir(folder + "/run")
    ['history.jsonl']
    """
    path = Path(path)
    made: list[Path] = []
    try:
        with _locked(path, made):
            for name in (LAST, BEST, HISTORY):
                check_destination(path / name)
            yield path
    except BaseException:
        with contextlib.suppress(OSError):        # a directory is not empty
            for folder in made:
                folder.rmdir()
        raise


@contextlib.contextmanager
def claimed_new(path: Path, numbered: bool = False) -> Iterator[Path]:
    """Context manager: the directory of a new run, as by `claimed`.

    If `numbered`, it is the first of path, path-2, path-3, ... that does not exist. Otherwise `path` must be empty.

    Raises
    ------
    FileError
        As by `claimed`, or the directory is not empty.
    """
    for number in range(1, 1_000_000 if numbered else 2):
        out = path if number == 1 else path.with_name(f"{path.name}-{number}")
        with contextlib.ExitStack() as stack:
            try:
                if numbered and out.exists():
                    continue
                stack.enter_context(claimed(out))
                check_empty(out)                  # now, because another process may just have ended here
            except FileError:
                if numbered and out.exists():     # another process was faster
                    continue
                raise
            yield out
            return
    raise FileError(f"{path}: a million runs have this name; give another one")


@contextlib.contextmanager
def _locked(path: Path, made: list[Path]) -> Iterator[None]:
    """Make the directory, add what was made to `made`, lock it and sweep it."""
    while True:
        _make(path, made)
        descriptor = _open(path)
        try:
            key, owner = _key(os.stat(path) if os.name == "nt" else os.fstat(descriptor)), _thread()
            again = _held.get(key) == owner
            if not again:
                _lock(descriptor, path)
                if not _is_still(path, key):      # it was removed before it was locked
                    continue
                _held[key] = owner
                sweep(path)
            try:
                yield
            finally:
                if not again:
                    del _held[key]
            return
        finally:
            os.close(descriptor)                  # gives the lock back


def _make(path, made):
    check_writable(path)
    target = followed(path)                       # a link may lead to a directory that does not exist yet
    missing = [folder for folder in (target, *target.parents) if not folder.exists()]
    try:
        target.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FileError(f"{path} cannot be made: {error.strerror}; give another directory") from error
    made.extend(folder for folder in missing if folder not in made)


def _open(path):
    try:
        return os.open(path, os.O_RDONLY)
    except OSError as error:                      # Windows opens no directory
        if os.name != "nt":
            raise FileError(f"{path} cannot be opened: {error.strerror}; give another directory") from error
        return os.open(os.devnull, os.O_RDONLY)


def _lock(descriptor, path):
    if fcntl is None:
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:                      # some file systems have no locks: the run goes on without one
        if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
            raise FileError(f"{path}: another training writes into this directory now: wait for its end, or give "
                            "another directory") from error


def _thread():
    """The calling thread. A forked child has another process, and does not own what its parent claimed."""
    return os.getpid(), threading.get_ident()


def _key(status):
    return status.st_dev, status.st_ino


def _is_still(path, key):
    try:
        return os.name == "nt" or _key(os.stat(path)) == key
    except OSError:
        return False
