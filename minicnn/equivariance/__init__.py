"""What a convolution is: shifts, impulses, and a verifier that takes any operator on images and says what it is."""

from .black_box import OperatorError
from .derivation import derivation
from .impulse import ImpulseResponse, impulse_response
from .invariance import consistency, invariance_map
from .layers import EquivarianceError, check_equivariance, layer_reports
from .report import Report
from .signals import dirac, shift
from .verify import verify_convolution
from .witness import Witness

__all__ = ["EquivarianceError", "ImpulseResponse", "OperatorError", "Report", "Witness", "check_equivariance",
           "consistency", "derivation", "dirac", "impulse_response", "invariance_map", "layer_reports", "shift",
           "verify_convolution"]
