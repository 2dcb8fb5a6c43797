"""Shifts, impulse responses, and a verifier: it proves or refutes that an operator on images is a convolution."""

from .impulse import ImpulseResponse, impulse_response
from .layerwise import EquivarianceError, check_equivariance, layer_reports
from .operator import OperatorError
from .proof import derivation
from .report import Report
from .signals import dirac, shift
from .verifier import verify_convolution
from .witness import Witness

__all__ = ["EquivarianceError", "ImpulseResponse", "OperatorError", "Report", "Witness", "check_equivariance",
           "derivation", "dirac", "impulse_response", "layer_reports", "shift", "verify_convolution"]
