"""Shifts, impulse responses, and a verifier: it proves or refutes that an operator on images is a convolution."""

from ..adapters import as_operator
from ..moved import renamed
from .assertions import ConvolutionError, EquivarianceError, assert_convolution, assert_equivariant
from .impulse import ImpulseResponse, impulse_response
from .layerwise import layer_reports, network_report
from .operator import OperatorError
from .page import save_report
from .proof import derivation
from .report import Report
from .signals import dirac, shift
from .verifier import verify_convolution
from .witness import Witness

__all__ = ["ConvolutionError", "EquivarianceError", "ImpulseResponse", "OperatorError", "Report", "Witness",
           "as_operator", "assert_convolution", "assert_equivariant", "derivation", "dirac", "impulse_response",
           "layer_reports", "network_report", "save_report", "shift", "verify_convolution"]
__getattr__ = renamed(__name__, {"check_equivariance": "assert_equivariant"})
