"""Check gradients against finite differences. Where they differ, the error names the place and the likely cause."""

from .adjoint import adjoint_test
from .check import gradcheck
from .inputs import safe_inputs
from .operations import catalogue, run_catalogue
from .target import GradcheckError, GradcheckWarning, UncheckableError
from .user_function import ShapesError, check_user_function

__all__ = ["GradcheckError", "GradcheckWarning", "ShapesError", "UncheckableError", "adjoint_test", "catalogue",
           "check_user_function", "gradcheck", "run_catalogue", "safe_inputs"]
