"""IDX files for tests."""

import struct

import numpy as np

TYPES = {"uint8": 0x08, "int8": 0x09, "int16": 0x0B, "int32": 0x0C, "float32": 0x0D, "float64": 0x0E}


def idx_bytes(array):
    """The content of the IDX file of an array: for uint8, images (n, height, width) or labels (n,)."""
    header = struct.pack(f">4B{array.ndim}I", 0, 0, TYPES[array.dtype.name], array.ndim, *array.shape)
    return header + np.ascontiguousarray(array, array.dtype.newbyteorder(">")).tobytes()
