"""The speeds of the machine, from which every algorithm predicts its seconds.

The choice of an algorithm decides the last bits of a result, so it must not change from one run to the next. Measured
speeds do change. Therefore nothing is measured on first use: the speeds are those of the target, which are constants
of this file, until somebody measures the machine with `minicnn bench --calibrate` (`conv.calibration`). That command
writes a file beside the kernels, and later processes read the file. A process reads it once: the speeds are the same
until the process ends. They do not depend on the number of threads of the process.
"""

from __future__ import annotations

import functools
import json
import math
import os
import zlib
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from numba.core.registry import cpu_target

from ..errors import InputError
from ..files import write_atomically
from .kernels.compile import FINGERPRINT
from .runtime.kernel_cache import is_writable, kernel_folder
from .runtime.target import Target, target

VARIABLE = "MINICNN_CALIBRATION"
CACHED = 2**18                  # numbers that the cache of one core holds


@dataclass(frozen=True)
class Speeds:
    """What all threads of the machine do together in one second, in float32; and the seconds of a call.

    Attributes
    ----------
    products : float
        Multiply-adds of a compiled loop. Its operands come from the cache.
    matrix : float
        Multiply-adds of a large matrix product of the BLAS library.
    near, far : float
        Numbers that are copied within the cache, and in memory.
    butterflies : float
        The real Fourier transform of n numbers counts as n log2(n) butterflies.
    call : float
        Seconds of the smallest convolution by `im2col`, forward and both gradients: the time of Python and NumPy.
    """

    products: float
    matrix: float
    near: float
    far: float
    butterflies: float
    call: float

    def copy(self, numbers: float) -> float:
        """Seconds of copying so many numbers: the first CACHED numbers within the cache, the others in memory.

        >>> Speeds(1, 1, near=2.0 * CACHED, far=1.0 * CACHED, butterflies=1, call=1).copy(3 * CACHED)
        2.5
        """
        inside = min(numbers, CACHED)
        return inside / self.near + (numbers - inside) / self.far


MEASURED = {            # two cores of an AMD EPYC of the fourth generation; AVX2: the same cores, held to AVX2
    "AVX-512": Speeds(products=80e9, matrix=105e9, near=12e9, far=3.4e9, butterflies=8e9, call=90e-6),
    "AVX2": Speeds(products=70e9, matrix=105e9, near=12e9, far=3.4e9, butterflies=8e9, call=90e-6),
}


def default_speeds(target: Target) -> Speeds:
    """The speeds that a processor is expected to have. Targets that were not measured are derived from AVX2.

    >>> neon, avx2 = Target("NEON", 128, 32, True), Target("AVX2", 256, 16, True)
    >>> default_speeds(neon).products / default_speeds(avx2).products
    0.5
    """
    if target.name in MEASURED:
        return MEASURED[target.name]
    known = MEASURED["AVX2"]
    part = target.vector_bits / 256 * (1 if target.fused else 0.5)
    return Speeds(known.products * part, known.matrix * part, known.near, known.far, known.butterflies, known.call)


@functools.cache
def speeds() -> Speeds:
    """The speeds of this process: those of the file if the machine was calibrated, else `default_speeds`.

    MINICNN_CALIBRATION=off leaves the file alone. A file that is damaged, or was written for another processor or
    another version of the kernels, counts as no file.

    Raises
    ------
    InputError
        MINICNN_CALIBRATION is neither "on" nor "off".
    """
    switch = os.environ.get(VARIABLE, "on")
    if switch not in ("on", "off"):
        raise InputError(f"the environment variable {VARIABLE} must be 'on' or 'off', not {switch!r}")
    return switch == "on" and _read() or default_speeds(target())


def save(measured: Speeds) -> Path:
    """Write the speeds to the file that later processes read. Returns its path.

    Raises
    ------
    FileError
        The file cannot be written.
    """
    path = speeds_file()
    is_writable(path.parent)                            # makes the folder; if that fails, writing tells why
    write_atomically(path, json.dumps({**_machine(), "speeds": asdict(measured)}, indent=1).encode())
    return path


def speeds_file() -> Path:
    """The file of measured speeds. Machines that share a cache directory have files of their own.

    >>> speeds_file().suffix
    '.json'
    """
    return kernel_folder() / f"speeds-{zlib.crc32(json.dumps(_machine()).encode()):08x}.json"


def _machine():
    """What the speeds belong to: the processor as numba compiles for it, and the version of the kernels."""
    triple, cpu, features = cpu_target.target_context.codegen().magic_tuple()
    return {"kernels": FINGERPRINT, "target": target().name, "processor": cpu, "features": features, "system": triple}


def _read():
    """The speeds in the file, or None."""
    try:
        found = json.loads(speeds_file().read_bytes())
        numbers = found.pop("speeds")
        wrong = found != _machine() or numbers.keys() != {field.name for field in fields(Speeds)}
        if wrong or not all(type(n) in (int, float) and 0 < n < math.inf for n in numbers.values()):
            return None
        return Speeds(**numbers)
    except (OSError, ValueError, AttributeError, KeyError, TypeError, RecursionError):  # none, or damaged in some way
        return None
