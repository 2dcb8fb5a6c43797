"""The machine code of kernels for any processor, without running it.

    python -m tests.conv.kernels.machine_code AVX2

numba compiles the kernels of `direct` and `winograd` as for the target. llvmlite turns numba's LLVM code into the
target's machine code. The result on stdout is JSON: for each kernel that adds products, the `count` of its innermost
loops.
"""

import dis
import json
import os
import platform
import re
import sys
from types import SimpleNamespace

PROCESSORS = {                                          # LLVM's triple and name, numba's NUMBA_CPU_FEATURES
    "AVX-512": ("x86_64-unknown-linux-gnu", "x86-64-v4", "+avx512f,+avx512vl,+avx512dq,+avx512bw,+avx2,+fma"),
    "AVX2": ("x86_64-unknown-linux-gnu", "x86-64-v3", "+avx2,+fma"),
    "NEON": ("aarch64-unknown-linux-gnu", "neoverse-n1", "+neon"),
}
MULTIPLY_ADD = re.compile(r"(vfn?m(add|sub)\w+|fml[as]|v?mul[ps][sd])\b")
STACK = re.compile(r"\(%rsp|\[sp\b")
VECTOR = re.compile(r"%[xyz]mm\d|\b[qvds]\d+\b")
CALCULATE = re.compile(r"(v?(add|sub|mul|max|min|cvt)\w*[ps][sd]|vfn?m\w+|f\w+)\b")
JUMP = re.compile(r"(?:j\w+|b(?:\.\w+)?|cbn?z\s+\w+,|tbn?z\s+\w+,\s*#\d+,)\s+(\.?[\w.$]+)$")
GEOMETRIES = [                                          # input (N, C, H, W), weight (K, C / G, kh, kw), options
    ((64, 1, 28, 28), (20, 1, 5, 5), {}),
    ((64, 20, 24, 24), (40, 20, 5, 5), {}),
    ((64, 40, 20, 20), (40, 40, 5, 5), {}),
    ((64, 40, 16, 16), (5, 40, 5, 5), {}),
    ((1, 40, 16, 16), (5, 40, 5, 5), {}),
    ((16, 64, 28, 28), (64, 64, 3, 3), {"padding": 1}),
    ((3, 64, 14, 14), (130, 64, 1, 1), {"stride": 2}),
    ((4, 32, 14, 14), (32, 1, 3, 3), {"groups": 32, "padding": 1}),
    ((16, 32, 14, 14), (32, 1, 3, 3), {"groups": 32, "padding": 1}),
    ((16, 3, 14, 14), (3, 1, 5, 5), {"groups": 3, "stride": 2}),
    ((16, 3, 14, 14), (3, 1, 7, 7), {"groups": 3}),
    ((16, 3, 14, 14), (3, 1, 1, 1), {"groups": 3}),
    ((1, 24, 7, 7), (48, 6, 3, 3), {"groups": 4, "padding": 1}),
    ((2, 3, 30, 30), (7, 3, 7, 7), {"stride": 2, "padding": 3}),
    ((2, 2, 9, 9), (2, 2, 3, 3), {}),
    ((2, 7, 9, 9), (3, 7, 3, 3), {}),
]


def innermost_loops(code):
    """The lines of each innermost loop of assembler code: from a label to the jump back to this label."""
    lines = [line.partition("#")[0].strip() if "%" in line else line.strip() for line in code.splitlines()]
    labels = {line.split(":")[0]: at for at, line in enumerate(lines) if re.match(r"\.?[\w.$]+:", line)}
    jumps = [(labels[found[1]], at) for at, line in enumerate(lines)
             if (found := JUMP.match(line)) and labels.get(found[1], at) < at]
    for start, end in jumps:
        if not any((start, end) != other and start <= other[0] and other[1] <= end for other in jumps):
            yield lines[start:end + 1]


def count(loop):
    """(multiply-adds, vectors in the stack, addresses in the stack) of a loop; no multiply-adds if it adds no products.

    A loop adds products if at least half of its arithmetic with vectors is multiply-adds. Loops that convert sums to
    float64 have some multiply-adds of the loop within them, which the compiler moved.
    """
    products = sum(bool(MULTIPLY_ADD.match(line)) for line in loop)
    arithmetic = sum(bool(CALCULATE.match(line)) for line in loop)
    stack = [bool(VECTOR.search(line)) for line in loop if STACK.search(line)]
    return products if 2 * products >= arithmetic else 0, sum(stack), len(stack) - sum(stack)


def adds_products(function):
    """Whether a kernel, or a function that is inlined into it, adds products of tiles."""
    used = {one.argval for one in dis.get_instructions(function) if one.opname == "LOAD_GLOBAL"}
    inlined = (function.__globals__.get(name) for name in used)
    return bool(used & {"add_outer", "add_products", "add_products_at", "add_vectors_at"}) or any(
        adds_products(one.py_func) for one in inlined if hasattr(one, "py_func"))


def record(machine):
    """Let `compile.compiled` return kernels that do nothing. Returns the dict {name: machine code} that it fills.

    It holds the kernels that add products.
    """
    from numba.core.codegen import CPUCodeLibrary

    from minicnn.conv.kernels import compile
    from minicnn.conv.runtime import kernel_cache
    found, texts, finalize = {}, [], CPUCodeLibrary._finalize_final_module

    def keep_text(library):                             # before LLVM makes the code of this machine of it
        texts.append(str(library._final_module))
        finalize(library)

    def without_cache(signature, kernel, block=False):
        name, function = kernel.__qualname__, kernel_cache._function(signature, kernel, block, {"nogil": True})
        if adds_products(kernel) and name not in found:
            texts.clear()
            kernel_cache._compile(function, signature)
            found[name] = "\n".join(map(machine, texts))
        return SimpleNamespace(address=0) if block else lambda *arguments: None

    CPUCodeLibrary._finalize_final_module = keep_text
    compile.compile_or_load = without_cache
    return found


def main(name):
    import llvmlite.binding as llvm
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    from minicnn.conv.runtime import target
    triple, processor, _ = PROCESSORS[name]
    wanted = target.target_of(triple, processor)
    target.target = lambda: wanted                      # before the kernels read it

    import numpy as np

    from minicnn.conv import Geometry, algorithms
    machine = llvm.Target.from_triple(triple).create_target_machine(cpu=processor, opt=3)

    def machine_code(text):
        text = re.sub("target (triple|datalayout) = .*", "", text)
        # numba's counters of references come in a form of x86; no kernel's loop has one
        text = re.sub(r"(?:tail )?call i8 @llvm\.x86\.atomic\S*\(.*\)", "add i8 0, 0", text)
        module = llvm.parse_assembly(text)
        module.triple = triple
        return machine.emit_assembly(module)

    found = record(machine_code)
    for dtype in ("float32", "float64"):
        for shape, weight_shape, options in GEOMETRIES:
            g = Geometry.of(shape, weight_shape, dtype=dtype, **options)
            x, weight, bias, grad = (np.zeros(s, dtype) for s in (g.in_shape, g.weight_shape, g.out_channels,
                                                                  g.out_shape))
            for algorithm in (algorithms()[one] for one in ("direct", "winograd")):
                if algorithm.unsupported(g) is None:
                    _, saved = algorithm.forward(x, weight, bias, g, True)
                    algorithm.backward(grad, saved, (True, True, True))
    loops = {kernel: [count(loop) for loop in innermost_loops(code)] for kernel, code in found.items()}
    json.dump({"target": wanted.name, "registers": wanted.registers, "loops": loops}, sys.stdout)


def environment(name):
    """The environment in which numba optimises for the target, where it has the architecture of this machine."""
    triple, processor, features = PROCESSORS[name]
    same = triple.startswith(platform.machine())
    return {**os.environ, **({"NUMBA_CPU_NAME": processor, "NUMBA_CPU_FEATURES": features} if same else {})}


if __name__ == "__main__":
    main(sys.argv[1])
