"""P13: derivatives in O(p·K) memory, for NumPy's arrays."""

from __future__ import annotations

import numpy as np
import pytest

import pinvx


@pytest.mark.parametrize("name", ["pinv_vjp", "pinv_jvp", "lstsq_vjp", "penrose_residuals"])
@pytest.mark.parametrize("wide", [False, True], ids=["tall", "wide"])
def test_nothing_of_the_long_side_squared_in_numpy(name, wide):
    """A square of the long side would be 20 GB here, and nobody has to wait for it."""
    a = np.random.default_rng(0).standard_normal((50_000, 2))
    a = a.T.copy() if wide else a
    b = np.ones(a.shape[0])
    {
        "pinv_vjp": lambda: pinvx.pinv_vjp(a, a.T, x=a.T),
        "pinv_jvp": lambda: pinvx.pinv_jvp(a, a, x=a.T),
        "lstsq_vjp": lambda: pinvx.lstsq_vjp(a, b, np.ones(a.shape[1])),
        "penrose_residuals": lambda: pinvx.penrose_residuals(a, a.T),
    }[name]()
