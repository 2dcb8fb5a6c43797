"""Check gradients against finite differences, and say why where they differ."""

from .adjoint import adjoint_test
from .cases import catalogue, run_catalogue
from .check import gradcheck
from .samples import safe_inputs
from .subject import GradcheckError, GradcheckWarning
from .user import check_user_function

__all__ = ["GradcheckError", "GradcheckWarning", "adjoint_test", "catalogue", "check_user_function", "gradcheck",
           "run_catalogue", "safe_inputs"]
