"""Compare a file with a published checksum."""

from __future__ import annotations

import hashlib
from pathlib import Path

from ..idx import REPLACE, DataError, opened


def check_md5(path: Path, expected: str) -> None:
    """Raise DataError if the file is not the one with this MD5 sum. MD5 finds damage; it does not stop a forger."""
    with opened(path) as content:
        found = hashlib.md5(content.file.read(), usedforsecurity=False).hexdigest()
    if found != expected:
        raise DataError(f"{path}: not the official file, or damaged: MD5 {found}, expected {expected}. {REPLACE}")
