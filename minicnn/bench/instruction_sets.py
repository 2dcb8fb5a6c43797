"""Hold every competitor to one instruction set, so that one machine measures more than one kind of processor.

Each library chooses its machine code when it is imported, and each reads another environment variable for it. The
variables stand in the environment of a worker before the worker imports anything. What a library took is its own
report: `libraries.Library.instructions`, and for NumPy's BLAS the architecture that threadpoolctl reads.
"""

from __future__ import annotations

import platform

import numpy as np

from ..checks import one_of
from ..errors import InputError

NATIVE, AVX2 = "native", "avx2"
NAMES = (NATIVE, AVX2)
X86 = ("x86_64", "amd64")                         # platform.machine(), in lower case
# NUMBA_CPU_NAME alone is not enough: numba then still takes the features of the machine. Code that a library generates
# with a C++ compiler (PyTorch compiled) has its own variable, and so have MKL in PyTorch and oneDNN in PyTorch and
# TensorFlow. TensorFlow's Eigen reads none; its wheels are built for processors without AVX-512.
HELD = {"NUMBA_CPU_NAME": "haswell", "NUMBA_CPU_FEATURES": "+avx2,+fma", "ONEDNN_MAX_CPU_ISA": "AVX2",
        "ATEN_CPU_CAPABILITY": "avx2", "MKL_ENABLE_INSTRUCTIONS": "AVX2", "TORCHINDUCTOR_CPP_MARCH": "haswell",
        "OPENBLAS_CORETYPE": "Haswell"}
XLA_FLAG = "--xla_cpu_max_isa=AVX2"


def check(name: str) -> str:
    """The name, if this processor can be held to that instruction set.

    Raises
    ------
    InputError
        An unknown name, or AVX2 on a processor without it.
    """
    one_of("instructions", name, NAMES)
    if name == NATIVE:
        return name
    machine = platform.machine()
    if machine.lower() not in X86:
        raise InputError(f"AVX2 is an instruction set of x86 processors, and this one is {machine}: leave the choice "
                         f"of instructions out, or choose {NATIVE}")
    known = _features()
    if not {"AVX2", "X86_V3"} & known:
        raise InputError("this processor has no AVX2, so nothing can be held to it: leave the choice of instructions "
                         f"out, or choose {NATIVE}")
    return name


def variables(name: str) -> dict[str, str]:
    """The environment variables that hold every library to an instruction set. XLA_FLAGS is only the flag to append.

    >>> variables("native")
    {}
    """
    if name == NATIVE:
        return {}
    wide = sorted(feature for feature in _features() if feature.startswith(("AVX512", "X86_V4")))
    off = {"NPY_DISABLE_CPU_FEATURES": " ".join(wide)} if wide else {}       # NumPy warns of features that it lacks
    return {**HELD, **off, "XLA_FLAGS": XLA_FLAG}


def _features():
    """The instruction sets that NumPy has code for and that this processor has, under NumPy's names."""
    found = np.show_config(mode="dicts")["SIMD Extensions"]
    return {*found["baseline"], *found["found"]}
