"""A function of PyTorch or JAX as a `Target`: its own library differentiates it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..errors import raised_in
from ..tensor import Tensor
from .target import GradcheckError, Target, nothing_to_check


class ForeignFunction(Target):
    """A function, a Module or a custom rule of another library, called in float64 where it can be, else in float32.

    Parameters
    ----------
    adapter : module
        From `minicnn.adapters.gradients.differentiator`.
    func : callable
    inputs : sequence
        Tensors with requires_grad, floating-point arrays of NumPy or JAX, and pytrees of JAX are checked.
    """

    def __init__(self, adapter: Any, func: Any, inputs: Sequence[Any]):
        checked = [i for i, value in enumerate(inputs) if _is_checked(adapter, value)]
        given = [value.data if isinstance(value, Tensor) else value for value in inputs]
        self.adapter, self.func = adapter, func
        self.adapted = adapter.Differentiated(func, given, checked, "float64")
        if not self.adapted.names:
            raise nothing_to_check()
        super().__init__(list(zip(self.adapted.names, self.adapted.arrays, strict=True)))
        self._choose_dtype(func, given, checked)

    def _choose_dtype(self, func, given, checked):
        """Call the function once. If it fails in float64, or returns float32, it is called in float32 from now on."""
        problem: Exception | None = None
        with np.errstate(all="ignore"):
            try:
                outputs = self.adapted.forward(self.points)
                if not any(out.dtype == np.float32 for out in outputs):
                    return
                why = "it returns float32 for inputs of float64"
            except GradcheckError:
                raise
            except Exception as error:
                first = (str(error).splitlines() or [""])[0]
                problem, why = error, f"in float64 it raised {type(error).__name__}: {first}"
            narrow = self.adapter.Differentiated(func, given, checked, "float32")
            try:
                narrow.forward(self.points)
            except Exception:
                if problem is None:
                    raise
                raise problem from None
        self.adapted, self.dtype, self.why_float32 = narrow, np.dtype(np.float32), why[:200]

    def float32_note(self) -> str:
        return super().float32_note() if self.dtype == np.float64 else (
            f"gradcheck: the function works only in float32 ({self.why_float32}): it is checked with steps of 4e-3 and "
            "to 1 %. To check it closely, let it work in the dtype of its inputs.")

    def outputs(self, points: list[np.ndarray]) -> list[np.ndarray]:
        return self.adapted.forward(points)

    def gradients(self, points: list[np.ndarray], cotangents: list[np.ndarray]) -> list[np.ndarray | None]:
        found = self.adapted.backward(points, cotangents)
        self.constant_outputs = self.adapted.constant_outputs
        if self.adapted.hidden_changes:
            raise GradcheckError(f"gradcheck: the function changed input {self.adapted.hidden_changes[0]} in place "
                                 "without telling autograd: call ctx.mark_dirty on it and return it, or work on a "
                                 "copy.")
        return found

    def freeze(self) -> None:
        self.adapted.freeze()

    def why_random(self) -> str:
        return self.adapter.why_random(self.func)

    def check_variants(self, rng: np.random.Generator, noise: float) -> None:
        """Call backward in the other ways in which its library may call it. `noise` is the rounding error."""
        cotangents = [rng.normal(size=shape) for shape in self.out_shapes]
        for variant in self.adapted.variants(self.points, cotangents):
            expected = self.gradients(self.points, variant.cotangents)
            try:
                with np.errstate(all="ignore"), self.adapted.mode():
                    found = variant.compute()
            except Exception as error:
                raise GradcheckError(f"gradcheck: backward raised {type(error).__name__} {variant.says}: {error}"
                                     f"{raised_in(error)}; {variant.advice}.") from error
            if found is not None:
                self._compare_outputs(variant, found[0])
                self._compare(variant, expected, found[1], noise)

    def _compare_outputs(self, variant, found):
        right = self.adapted.forward(self.points) if found else []
        for k, (one, other) in enumerate(zip(right, found or (), strict=True)):
            if not np.allclose(other.detach().cpu().numpy(), one, rtol=1e-5, atol=1e-8 * np.abs(one).max(initial=0)):
                raise GradcheckError(f"gradcheck: the function returns another output {k} {variant.says}; "
                                     f"{variant.advice}.")

    def _compare(self, variant, expected, found, noise):
        precision = 1e-8 if self.dtype == np.float64 else 1e-3
        for name, point, right, other in zip(self.names, self.points, expected, found, strict=True):
            if other is False:                              # this way does not give this gradient
                continue
            right, other = (np.zeros(point.shape) if one is None else one for one in (right, other))
            allowed = precision * np.abs(right).max(initial=0) + noise
            if other.shape != right.shape or not (np.abs(other - right) <= allowed).all():
                at = np.unravel_index(np.argmax(np.nan_to_num(np.abs(other - right), nan=np.inf)), point.shape)
                place = tuple(int(n) for n in at)
                raise GradcheckError(
                    f"gradcheck: backward gives another gradient of {name} {variant.says}: at its element {place} "
                    f"{other[at]:.10g} in place of {right[at]:.10g}; {variant.advice}.")


def _is_checked(adapter, value):
    """Whether an input is checked. A tensor of PyTorch, like one of minicnn, must require a gradient."""
    if isinstance(value, Tensor):
        return value.requires_grad
    if isinstance(value, np.ndarray):
        return value.dtype.kind == "f"
    return adapter.is_checked(value)
