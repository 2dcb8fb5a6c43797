"""Sums stay in registers: the inner loops of all products, in the machine code of three processors."""

import json
import subprocess
import sys

import llvmlite.binding as llvm
import pytest

from tests.conv.kernels.machine_code import MULTIPLY_ADD, PROCESSORS, count, environment, innermost_loops


@pytest.mark.parametrize("name", PROCESSORS)
def test_no_inner_loop_of_products_keeps_vectors_in_the_stack(name):
    """No sum, operand or product. Some loops read an address from the stack: at most one for three multiply-adds."""
    if name == "NEON" and llvm.llvm_version_info < (20,):
        pytest.skip("LLVM before 20 unrolls loops for NEON, and then lacks registers")
    run = subprocess.run([sys.executable, "-W", "ignore", "-m", "tests.conv.kernels.machine_code", name],
                         env=environment(name), capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    found = json.loads(run.stdout)
    assert found["target"] == name
    loops = {kernel: [loop for loop in loops if loop[0]] for kernel, loops in found["loops"].items()}
    assert len(loops) > 10 and all(loops.values())      # every kernel has a loop with multiply-adds
    assert {kernel: spilt for kernel, each in loops.items() if (spilt := [loop for loop in each if loop[1]])} == {}
    assert all(3 * addresses <= products for each in loops.values() for products, _, addresses in each)


def test_a_spill_is_seen():
    code = """
.LBB0_1:
        movq %rax, %rbx
.LBB0_2:
        vmovups (%rdx), %ymm6
        vmovups %ymm6, 32(%rsp)
        vfmadd231ps %ymm7, %ymm6, %ymm2
        jne .LBB0_2
        jmp .LBB0_1
"""
    (loop,) = innermost_loops(code)
    assert loop[0] == ".LBB0_2:" and count(loop) == (1, 1, 0)
    assert not MULTIPLY_ADD.match("vmovups (%rdx), %ymm6")
