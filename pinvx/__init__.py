"""Pseudoinverse and least squares on whatever array the user brought."""

from ._adapter import Adapter, Rule, Tracer
from ._closed_form import lstsq_jvp, lstsq_vjp, pinv_jvp, pinv_vjp
from ._dispatch import BackendInfo, backends, register_backend
from ._linalg import LstsqResult, default_rtol, lstsq, pinv, pinverse
from ._penrose import PenroseResiduals, penrose_residuals
from ._tolerance import CutoffWarning

__version__ = "0.1.0"

__all__ = [
    "Adapter",
    "BackendInfo",
    "CutoffWarning",
    "LstsqResult",
    "PenroseResiduals",
    "Rule",
    "Tracer",
    "backends",
    "default_rtol",
    "lstsq",
    "lstsq_jvp",
    "lstsq_vjp",
    "penrose_residuals",
    "pinv",
    "pinv_jvp",
    "pinv_vjp",
    "pinverse",
    "register_backend",
]
