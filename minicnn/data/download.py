"""Fetching one file over HTTP: it gets its name when it is complete and verified, or is not there."""

import contextlib
import hashlib
import os
import queue
import sys
import threading
from http.client import HTTPException
from urllib.error import HTTPError
from urllib.request import urlopen

from .errors import UnavailableError

TIMEOUT = 20.0  # seconds without an answer, or without a further byte
CHUNK = 1 << 16


class TransferError(Exception):
    """What one mirror did wrong; the next one may do better."""


def fetch(name, mirrors, path, *, size, sha256, connect_timeout=None, notice=None):
    """Download a file from the first mirror that delivers it intact.

    The bytes go to a `.part` file beside `path`, which is renamed only when its size and SHA-256
    are right. Whatever goes wrong, `path` is as it was and no `.part` file stays behind.

    Parameters
    ----------
    name : str
        The file's name on the mirrors.
    mirrors : sequence of str
        Base URLs, ending in "/", in the order in which they are tried.
    path : pathlib.Path
        Where the file goes; its directory is created.
    size : int
        Bytes expected.
    sha256 : str
        Checksum expected, in hexadecimal.
    connect_timeout : float, optional
        Seconds until a mirror must have begun to answer, name look-up included; `TIMEOUT` if not given.
    notice : callable, optional
        Takes a line to show to the user. Without it nothing is shown, no progress bar either.

    Returns
    -------
    str
        The mirror that delivered.

    Raises
    ------
    UnavailableError
        No mirror delivered the file, or it cannot be written.
    """
    failures = []
    for mirror in mirrors:
        url = mirror + name
        try:
            response = _open(url, connect_timeout or TIMEOUT)
            with response, _progress(url, size, notice) as advance:
                _store(_chunks(response, size, advance), path, sha256)
            return mirror
        except TransferError as error:
            failures.append(f"{url}: {error}")
        except OSError as error:
            raise UnavailableError(
                f"{path}: cannot be written: {error.strerror}. Free the disk, or set MINICNN_HOME to another directory."
            ) from error
    raise UnavailableError(
        f"{name} could not be downloaded ({'; '.join(failures)}). Check the network, "
        f"or put the file into {path.parent} yourself."
    )


def _open(url, deadline):
    """Open a URL within `deadline` seconds.

    The time limit of a socket covers neither the name look-up nor the sum over a host's addresses,
    so the call waits in a thread of its own, which is left to itself if it takes too long.
    """
    answer = queue.SimpleQueue()

    def connect():
        try:
            answer.put(urlopen(url, timeout=TIMEOUT))
        except Exception as error:
            answer.put(error)

    threading.Thread(target=connect, daemon=True).start()
    try:
        response = answer.get(timeout=deadline)
    except queue.Empty:
        raise TransferError(f"no answer within {deadline:g} s") from None
    if isinstance(response, HTTPError):
        response.close()
    if isinstance(response, Exception):
        raise TransferError(_reason(response)) from response
    return response


def _chunks(response, size, advance):
    """Yield the body in pieces; `TransferError` unless it has exactly `size` bytes."""
    received = 0
    while received <= size:
        try:
            chunk = response.read1(CHUNK)  # what is there now: the progress bar moves, a stall is noticed
        except (OSError, HTTPException) as error:
            raise TransferError(f"{_reason(error)} after {received} of {size} bytes") from error
        if not chunk:
            break
        received += len(chunk)
        advance(len(chunk))
        yield chunk
    if received != size:
        found = f"{received} bytes" if received < size else "more bytes"
        raise TransferError(f"{found} arrived, expected {size}")


def _store(chunks, path, sha256):
    """Write the chunks to `path`, all of them and verified, or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{os.getpid()}.part")  # two processes do not share it
    digest = hashlib.sha256()
    try:
        with open(part, "wb") as file:
            for chunk in chunks:
                digest.update(chunk)
                file.write(chunk)
            file.flush()
            os.fsync(file.fileno())
        if digest.hexdigest() != sha256:
            raise TransferError(f"SHA-256 {digest.hexdigest()}, expected {sha256}")
        os.replace(part, path)
    finally:
        with contextlib.suppress(OSError):  # not there: renamed, or never made
            part.unlink()


def _reason(error):
    """Say in a few words what an error of urllib, http.client or the socket means."""
    if isinstance(error, HTTPError):
        return str(error)
    return str(getattr(error, "reason", error)) or type(error).__name__


@contextlib.contextmanager
def _progress(url, size, notice):
    """Show the progress on stderr: a bar on a terminal, else one line; yields advance(bytes)."""
    if notice is None or not sys.stderr.isatty():
        if notice is not None:
            notice(f"downloading {url} ({size / 1e6:.1f} MB)")
        yield lambda count: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    columns = TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn()
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(url.rsplit("/", 1)[1], total=size)
        yield lambda count: progress.advance(task, count)
