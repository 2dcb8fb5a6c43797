"""Downloads by pooch. It asks the mirrors in turn, verifies a checksum, and writes a file whole or not at all."""

from __future__ import annotations

import contextlib
import tempfile
import threading
from pathlib import Path

from ..errors import FileError
from ..files import write_atomically
from ..progress import SILENT, Progress
from .idx import DataError

TIMEOUT = 20.0                                    # seconds to wait for the first answer, and then for each next byte
AGAIN = 1                                # how often the same mirror is asked again
CHUNK = 1 << 16                                   # bytes between two updates of the progress


class UnavailableError(DataError):
    """The data is not there and cannot be downloaded: minicnn finds no such file, and no mirror delivered it."""


class _TransferError(Exception):
    """A fault of a mirror that pooch does not notice."""


def fetch(mirrors: list[str], path: Path, size: int, sha256: str, *, patience: float | None = None,
          progress: Progress = SILENT) -> str:
    """Download a file from the first mirror that delivers it with the right checksum.

    After an error `path` is unchanged, and no partial file is left.

    Parameters
    ----------
    mirrors : list of str
        URLs that end in "/", in the order in which they are asked. The file's name is appended.
    path : Path
        The place of the file. Its name is the name on the mirrors. Its directory is created.
    size : int
        The expected number of bytes.
    sha256 : str
        The expected checksum, in hexadecimal.
    patience : float, optional
        Ask each mirror only once, and wait for this number of seconds. Default: `AGAIN` and `TIMEOUT`.
    progress : Progress

    Returns
    -------
    str
        The mirror that delivered the file.

    Raises
    ------
    UnavailableError
        No mirror delivered the file, or it cannot be written.
    """
    failures = []
    for mirror in mirrors:
        progress.note(f"downloading {mirror}{path.name} ({size / 1e6:.1f} MB)")
        try:
            content = _content(mirror, path.name, size, sha256, patience, progress)
        except (_TransferError, ValueError, OSError) as error:    # the errors of requests are OSErrors
            failures.append(f"{mirror}{path.name}: {_reason(error)}")
            continue
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(path, content)
        except OSError as error:
            reason = str(error) if isinstance(error, FileError) else f"{path}: cannot be written: {error.strerror}."
            raise UnavailableError(f"{reason} Free the disk, or set MINICNN_HOME to another directory.") from error
        return mirror
    raise UnavailableError(f"{path.name} could not be downloaded ({'; '.join(failures)}). Check the network, or put "
                           f"the file into {path.parent} yourself.")


def _content(mirror, name, size, sha256, patience, progress):
    """The verified bytes of a file on a mirror."""
    import pooch  # here, because it is slow to import and seldom needed

    logger = pooch.get_logger()
    level = logger.level
    logger.setLevel("ERROR")                      # the progress has the same note already
    try:
        with tempfile.TemporaryDirectory(prefix="minicnn-") as folder:
            manager = pooch.create(folder, mirror, registry={name: sha256}, retry_if_failed=0 if patience else AGAIN)
            downloader = pooch.HTTPDownloader(_Bar(name, size, progress), CHUNK, timeout=patience or TIMEOUT)
            _await_answer(manager, name, patience or TIMEOUT)
            return Path(manager.fetch(name, downloader=downloader)).read_bytes()
    finally:
        logger.setLevel(level)


def _await_answer(manager, name, seconds):
    """Raise _TransferError if a mirror does not begin to answer in time.

    The time limit of requests is for each address of a host, and excludes the look-up of its name. Therefore another
    thread asks the mirror. If the thread takes too long, it is left running, and the program does not wait for it.
    """
    import pooch
    answered = threading.Event()

    def ask():
        with contextlib.suppress(Exception):      # the download raises the same error
            manager.is_available(name, pooch.HTTPDownloader(timeout=2 * seconds))
        answered.set()
    threading.Thread(target=ask, daemon=True).start()
    if not answered.wait(seconds):
        raise _TransferError(f"no answer within {seconds:g} s")


class _Bar:
    """The progress bar that pooch calls."""

    def __init__(self, name, size, progress):
        self.name, self.size, self.progress, self.received, self.total = name, size, progress, 0, 0

    def reset(self):
        self.received = 0

    def update(self, count):
        self.received += count                    # pooch counts whole chunks, for the last one too
        if self.received >= self.size + CHUNK:
            raise _TransferError(f"more bytes arrived than the {self.size} that were expected")
        self.progress.update(min(self.received, self.size), self.size, self.name)

    def close(self):
        pass


def _reason(error: BaseException) -> str:
    """The first cause of a failure in a few words, without the errors of urllib3 and requests around it."""
    response = getattr(error, "response", None)
    if response is not None:
        return f"HTTP status {response.status_code} {response.reason}"
    while cause := error.__cause__ or error.__context__:
        error = cause
    return getattr(error, "strerror", None) or str(error)
