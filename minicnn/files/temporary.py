"""Temporary files beside the file that they will replace.

The writer holds a lock on the temporary file. The lock ends with the process, whatever ends it. Therefore a temporary
file without a lock is left over from a process that was killed, and the next writer in its directory removes it.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

try:
    import fcntl
except ImportError:                               # Windows: no locks, and leftovers stay
    fcntl = None                                  # type: ignore[assignment]

NAME = re.compile(r"\.minicnn-[0-9a-f]{16}(\.\w{1,15})?")


@contextlib.contextmanager
def temporary_beside(target: Path, folder: bool = False) -> Iterator[Path]:
    """Context manager: a locked, empty, temporary file or directory beside `target`.

    At the end it is removed if it is still there, also after Ctrl-C. Before it is made, the leftovers of killed
    processes in its directory are swept. It has the ending of `target`.
    """
    sweep(target.parent)
    temporary, lock = _locked(target, folder)
    try:
        yield temporary
    finally:
        if folder:
            shutil.rmtree(temporary, ignore_errors=True)
        else:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)
        os.close(lock)


def _locked(target, folder):
    """(path, descriptor) of a new temporary file or directory with a lock on it, if the file system has locks."""
    suffix = "" if folder or not NAME.fullmatch(f".minicnn-{'0' * 16}{target.suffix}") else target.suffix
    while True:
        temporary = target.with_name(f".minicnn-{secrets.token_hex(8)}{suffix}")
        if folder:
            temporary.mkdir()
            lock = os.open(temporary, os.O_RDONLY)
        else:
            lock = os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666)          # O_EXCL follows no link
        if _lock(lock) is not False and temporary.exists():
            return temporary, lock
        os.close(lock)                            # another process has swept it before the lock: make another one


def _lock(descriptor):
    """Lock an open file. Returns False if a process holds the lock, and None if there are no locks here."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except (OSError, AttributeError):
        return None
    return True


def sweep(folder: Path) -> None:
    """Remove the temporary files and directories in `folder` that this user's killed processes have left there.

    Nothing else is touched: no link, no file of another user, no file that is locked because somebody writes to it.
    """
    if fcntl is None:
        return
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if not NAME.fullmatch(entry.name):
                continue
            with contextlib.suppress(OSError):
                found = entry.stat(follow_symlinks=False)
                if stat.S_ISLNK(found.st_mode) or found.st_uid != os.geteuid():
                    continue
                is_folder = stat.S_ISDIR(found.st_mode)
                descriptor = os.open(entry.path, (os.O_RDONLY if is_folder else os.O_WRONLY) | os.O_NONBLOCK)
                try:
                    if _lock(descriptor):
                        (shutil.rmtree if is_folder else os.unlink)(entry.path)
                finally:
                    os.close(descriptor)
