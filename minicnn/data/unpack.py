"""Read a file that may be gzipped, piece by piece: what is not asked for is not unpacked."""

from __future__ import annotations

import os
import zlib
from typing import BinaryIO

GZIP = b"\x1f\x8b"                                # the first bytes of every gzip stream
CHUNK = 1 << 16                                   # bytes of the file that are held at once
RATIO = 1032                                      # zlib's technical details: one byte becomes at most so many
MEMBERS = 100_000                                 # of one file. Empty ones would take time and give nothing


class BrokenStreamError(Exception):
    """The gzip stream is damaged or ends too early."""


class Content:
    """The content of an open file, unpacked if it is gzipped. Its first bytes show whether it is.

    Attributes
    ----------
    size : int
        Bytes of the file.
    most : int
        The content has no more bytes than this. If `packed` is false, the content has just so many.
    packed : bool

    Examples
    --------
    >>> import gzip, tempfile
    >>> with tempfile.TemporaryFile() as file:
    ...     _ = file.write(gzip.compress(b"abcdef"))
    ...     _ = file.seek(0)
    ...     content = Content(file)
    ...     content.packed, content.read(4), content.read(4), content.read(4)
    (True, b'abcd', b'ef', b'')
    """

    def __init__(self, file: BinaryIO) -> None:
        self.file, self.size = file, os.fstat(file.fileno()).st_size
        self.packed = file.read(len(GZIP)) == GZIP
        file.seek(0)
        self.most = RATIO * self.size if self.packed else self.size
        self._input, self._stream, self._members = b"", None, 0

    def read(self, count: int) -> bytes:
        """The next `count` bytes, or fewer at the end."""
        pieces, left = [], count
        while left and (piece := self._piece(left)):
            pieces.append(piece)
            left -= len(piece)
        return b"".join(pieces)

    def read_into(self, buffer: memoryview) -> int:
        """Fill the buffer with the next bytes. Returns how many they are; fewer than its size only at the end."""
        done = 0
        while done < len(buffer) and (piece := self._piece(min(len(buffer) - done, 16 * CHUNK))):
            buffer[done:done + len(piece)] = piece
            done += len(piece)
        return done

    def _piece(self, most):
        """At least one and at most `most` bytes; none at the end. BrokenStreamError if the stream is damaged."""
        if not self.packed:
            return self.file.read(most)
        try:
            return self._unpacked(most)
        except zlib.error as error:
            raise BrokenStreamError(str(error)) from error

    def _unpacked(self, most):
        while self._stream is not None or self._next_stream():
            self._input = self._input or self.file.read(CHUNK)
            at_end = not self._input
            piece = self._stream.decompress(self._input, most)
            self._input = self._stream.unconsumed_tail
            if self._stream.eof:
                self._input, self._stream = self._stream.unused_data, None
            if piece:
                return piece
            if at_end and self._stream is not None:
                raise BrokenStreamError("the file ends in the middle of the stream")
        return b""

    def _next_stream(self):
        """Start the next stream, for one may follow another. Returns False at the end of the file."""
        padding = b"\0" * (self._members > 0)
        while not self._input.lstrip(padding) if padding else not self._input:
            self._input = self.file.read(CHUNK)
            if not self._input:
                return False
        self._input = self._input.lstrip(padding) if padding else self._input
        self._members += 1
        if self._members > MEMBERS:
            raise BrokenStreamError(f"more than {MEMBERS:,} streams in one file")
        self._stream = zlib.decompressobj(31)
        return True
