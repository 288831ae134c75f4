"""SciPy: `lstsq` by two drivers of LAPACK.

`scipy.linalg.pinv` is left out: it is the same decomposition as NumPy's.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import scipy.linalg

import pinvx

from ..grid import Shape
from ._contender import Contender, Match, Rivals, single_or_loop


class ScipyContender(Contender):
    """SciPy's least squares on NumPy's arrays, with pinvx's cutoff."""

    name = "scipy"
    distributions = ("scipy",)

    def matches(self) -> Sequence[Match]:
        """Return `lstsq`, by the singular value decomposition and by QR with pivots."""
        return tuple(
            Match("lstsq", "forward", f"scipy.linalg.lstsq {driver}", partial(_lstsq, driver))
            for driver in ("gelsd", "gelsy")
        )


def _lstsq(driver: str, shape: Shape, cutoff: float) -> Rivals:
    # The default cutoff is eps alone, which takes rounding errors for singular values.
    own = partial(scipy.linalg.lstsq, cond=cutoff, lapack_driver=driver)
    # Newer versions take a batch and go through it in a Python loop themselves.
    return single_or_loop(shape, own, pinvx.lstsq)
