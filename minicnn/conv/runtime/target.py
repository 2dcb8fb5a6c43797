"""The processor that kernels are compiled for, as a value: the width and the number of its vector registers.

LLVM knows several hundred processors and features. This file does not repeat that knowledge. It lets LLVM compile a
small loop for the processor that numba compiles for, and looks at the registers in the machine code. So NUMBA_CPU_NAME
and NUMBA_CPU_FEATURES count as they do for every kernel.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass

import llvmlite.binding as llvm
from numba.core.registry import cpu_target

SUMS = 36                       # vectors that the loop keeps: more than any processor has registers
WIDTHS = {"zmm": 512, "ymm": 256, "xmm": 128, "v": 128}        # bits of the registers with these names


@dataclass(frozen=True)
class Target:
    """The vector registers of a processor.

    Attributes
    ----------
    name : {"AVX-512", "AVX2", "AVX", "SSE", "NEON"}
        The instruction set.
    vector_bits : int
        The width of a vector register.
    registers : int
        The number of vector registers.
    fused : bool
        Whether a * b + c is one instruction.
    """

    name: str
    vector_bits: int
    registers: int
    fused: bool

    def lanes(self, bits: int) -> int:
        """The numbers of `bits` bits in a vector.

        >>> Target("AVX2", 256, 16, True).lanes(32)
        8
        """
        return self.vector_bits // bits

    def holds(self, rows: int, columns: int) -> bool:
        """Whether a register block of rows x columns sums stays in registers while products are added to it.

        Besides the sums it needs one row of operands and one broadcast number; without fused multiply-adds it also
        needs the product. One register is spare, because LLVM loads some operands early; on Arm two, because it loads
        operands in pairs.

        >>> avx2 = Target("AVX2", 256, 16, True)
        >>> avx2.holds(6, 2), avx2.holds(4, 3)
        (True, False)
        """
        spare = 2 if self.name == "NEON" else 1
        return rows * columns + columns + 1 + (not self.fused) + spare <= self.registers

    def blocks(self) -> list[tuple[int, int]]:
        """The register blocks (rows, columns) that stay in registers.

        >>> Target("AVX2", 256, 16, True).blocks()[-3:]
        [(11, 1), (12, 1), (13, 1)]
        """
        most = range(1, self.registers)
        return [(rows, columns) for rows in most for columns in most if self.holds(rows, columns)]


@functools.cache
def target() -> Target:
    """The processor that numba compiles kernels for.

    >>> target().vector_bits in (128, 256, 512)
    True
    """
    triple, cpu, features = cpu_target.target_context.codegen().magic_tuple()
    return target_of(triple, cpu, features)


def target_of(triple: str, cpu: str, features: str = "") -> Target:
    """The Target of a processor, as LLVM's triple, name and features describe it.

    LLVM must have been built for this architecture.

    >>> target_of("x86_64-linux-gnu", "haswell")                        # doctest: +SKIP
    Target(name='AVX2', vector_bits=256, registers=16, fused=True)
    """
    machine = llvm.Target.from_triple(triple).create_target_machine(cpu=cpu, features=features, opt=3)
    code = machine.emit_assembly(llvm.parse_assembly(_loop()))
    found = {kind: max(map(int, re.findall(rf"\b{kind}(\d+)", code)), default=-1) + 1 for kind in WIDTHS}
    kind = next(kind for kind in WIDTHS if found[kind] > 0)             # the widest
    fused = "fmadd" in code or "fmla" in code
    name = {"zmm": "AVX-512", "ymm": "AVX2" if fused else "AVX", "xmm": "SSE", "v": "NEON"}[kind]
    return Target(name, WIDTHS[kind], found[kind], fused)


def _loop():
    """LLVM code of a loop that adds products to SUMS vectors of 16 float32."""
    kind = "<16 x float>"
    multiply_add = f"{kind} @llvm.fmuladd.v16f32"
    each = lambda line: "\n".join(line.format(i=i, kind=kind, multiply_add=multiply_add) for i in range(SUMS))
    return f"""
declare {multiply_add}({kind}, {kind}, {kind})
define void @loop({kind}* %p, i64 %n) {{
start:
  %x = load {kind}, {kind}* %p
  br label %again
again:
  %count = phi i64 [0, %start], [%next, %again]
{each("  %s{i} = phi {kind} [zeroinitializer, %start], [%t{i}, %again]")}
{each("  %t{i} = call {multiply_add}({kind} %x, {kind} %s{i}, {kind} %x)")}
  %next = add i64 %count, 1
  %more = icmp slt i64 %next, %n
  br i1 %more, label %again, label %end
end:
{each("  %q{i} = getelementptr {kind}, {kind}* %p, i64 {i}" + chr(10) + "  store {kind} %t{i}, {kind}* %q{i}")}
  ret void
}}"""
