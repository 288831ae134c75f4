"""The right implementation as a target."""

import right
import right_derivatives
from pinvx_conformance import Target
from pinvx_conformance._libraries import library


def right_target(**changes):
    """Return `right` as a target, its functions and claims replaced where asked for."""
    parts = {
        "name": "right",
        "library": library("numpy"),
        "pinv": right.pinv,
        "lstsq": right.lstsq,
        "closed_forms": right_derivatives.CLOSED_FORMS,
    }
    return Target(**(parts | changes))
