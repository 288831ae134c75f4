"""NumPy: `pinv` by the decomposition of LAPACK's gesdd, `lstsq` by gelsd."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np

import pinvx

from ..grid import Shape
from ._contender import Contender, Match, Rivals, single_or_loop


class NumpyContender(Contender):
    """NumPy's own functions, with pinvx's cutoff."""

    name = "numpy"
    distributions = ("numpy",)

    def matches(self) -> Sequence[Match]:
        """Return `pinv` and `lstsq`."""
        return (
            Match("pinv", "forward", "numpy.linalg.pinv", _pinv),
            Match("lstsq", "forward", "numpy.linalg.lstsq", _lstsq),
        )


def _pinv(shape: Shape, cutoff: float) -> Rivals:
    # Without an argument the cutoff is 1e-15; rtol=None means max(M, N)·eps, as it does for pinvx.
    # Single precision is computed in double precision by NumPy, which its errors show.
    return Rivals(partial(np.linalg.pinv, rtol=None), pinvx.pinv)


def _lstsq(shape: Shape, cutoff: float) -> Rivals:
    # rcond=None means the same, but always with the eps of double precision.
    return single_or_loop(shape, partial(np.linalg.lstsq, rcond=cutoff), pinvx.lstsq)
