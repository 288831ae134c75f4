"""`CutoffWarning`: the default cutoff drops more than small singular values, by shape alone."""

from __future__ import annotations

import re
import warnings

import numpy as np
import pytest

import pinvx

LONG = np.ones((83887, 1), "float32")  # 83886·eps is less than 0.01
VECTOR = np.ones(len(LONG), "float32")

CALLS = {
    "pinv": lambda a, **options: pinvx.pinv(a, **options),
    "pinv, wide": lambda a, **options: pinvx.pinv(a.mT, **options),
    "lstsq": lambda a, **options: pinvx.lstsq(a, VECTOR[: len(a)].astype(a.dtype), **options),
    "pinv_vjp": lambda a, **options: pinvx.pinv_vjp(a, a.mT, **options),
    "lstsq_vjp": lambda a, **options: pinvx.lstsq_vjp(
        a, VECTOR[: len(a)].astype(a.dtype), np.ones(1, a.dtype), **options
    ),
}


@pytest.mark.parametrize("name", CALLS)
def test_it_is_given_where_the_default_is_large(name):
    function = name.partition(",")[0]
    with pytest.warns(pinvx.CutoffWarning, match=rf"^{function}: .*Hint: pass rtol") as seen:
        CALLS[name](LONG)
    assert len(seen) == 1
    assert seen[0].filename == __file__


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.filterwarnings("error")
def test_it_is_not_given_where_it_says_nothing_new(name):
    call = CALLS[name]
    call(LONG[1:])  # one row less
    call(LONG.astype("float64"))
    for options in ({"rtol": 1e-6}, {"rcond": 1e-6}, {"atol": 0.0}, {"rtol": 0.5}):
        call(LONG, **options)


def test_half_types_are_computed_in_single_precision():
    with pytest.warns(pinvx.CutoffWarning):
        pinvx.pinv(LONG.astype("float16"))


def test_what_it_is_about():
    """From 2²³ rows on nothing counts, and x is 0 without a tolerance."""
    a = np.ones((2**23, 1), "float32")
    with pytest.warns(pinvx.CutoffWarning):
        fit = pinvx.lstsq(a, 2.0 * a)
    assert fit.rank == 0
    assert fit.x == 0.0
    assert pinvx.lstsq(a, 2.0 * a, rtol=1e-6).rank == 1


def test_jax_gives_it_when_a_program_is_traced():
    jax = pytest.importorskip("jax")
    f = jax.jit(pinvx.pinv)
    with pytest.warns(pinvx.CutoffWarning):
        f.lower(LONG)


@pytest.mark.parametrize("dynamic", [False, True])
def test_torch_gives_it_when_a_program_is_traced(dynamic):
    torch = pytest.importorskip("torch")
    torch._dynamo.reset()
    f = torch.compile(pinvx.pinv, fullgraph=True, dynamic=dynamic, backend="aot_eager")
    with pytest.warns(pinvx.CutoffWarning):
        f(torch.from_numpy(LONG))
    with warnings.catch_warnings():
        warnings.simplefilter("error", pinvx.CutoffWarning)
        f(torch.from_numpy(LONG[:100]))


def test_the_documentation_names_the_limit():
    assert re.search(r"83 887 rows", pinvx.CutoffWarning.__doc__)
