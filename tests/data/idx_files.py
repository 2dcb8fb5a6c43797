"""IDX files for tests."""

import struct


def idx_bytes(array):
    """The content of the IDX file of an array of uint8: images (n, height, width) or labels (n,)."""
    magic = {3: 2051, 1: 2049}[array.ndim]
    return struct.pack(f">{1 + array.ndim}I", magic, *array.shape) + array.tobytes()
