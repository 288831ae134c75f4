"""`lstsq` without derivatives: every certified way is taken where it should be, and no further."""

from __future__ import annotations

import numpy as np
import pytest
from bounds import VALUE, assert_close, eps_of, norm

import pinvx
from pinvx import Adapter
from pinvx._dispatch import adapter_of
from pinvx._factor import _least_squares
from pinvx._factor._elimination import EXACT, elimination
from pinvx._factor._minimum_norm import minimum_norm
from pinvx._factor._seminormal import corrected, few_are_enough, one_is_enough

RTOL = 1e-14


def spectrum(m, n, kappa, *batch, seed=0):
    """Matrices with singular values from 1 down to 1/κ, spaced evenly in the logarithm."""
    rng = np.random.default_rng(seed)
    k = min(m, n)
    u = np.linalg.qr(rng.standard_normal((*batch, m, k)))[0]
    v = np.linalg.qr(rng.standard_normal((*batch, n, k)))[0]
    return u * np.geomspace(1.0, 1.0 / kappa, k) @ v.mT


def gram(lib, c):
    """CᴴC and R⁻¹, as the solver makes them."""
    g = c.mT @ c
    return g, lib.inv_lower(lib.cholesky(g)).mT


@pytest.fixture
def numpy_adapter():
    adapter = adapter_of(np.ones(1), "", "")
    with adapter.quiet():
        yield adapter


@pytest.fixture
def factorized(monkeypatch):
    """The shapes that no solver without factors was certified for."""
    shapes = []

    def recorded(function):
        def wrapper(lib, p, *rest):
            shapes.append(tuple(p.a.shape))
            return function(lib, p, *rest)

        return wrapper

    for name in ("_factored", "_own"):
        monkeypatch.setattr(_least_squares, name, recorded(getattr(_least_squares, name)))
    for adapter in (Adapter, *Adapter.__subclasses__()):
        monkeypatch.setattr(adapter, "small", 1)
    return shapes


@pytest.mark.parametrize("kappa", [1e1, 1e6])
@pytest.mark.parametrize(
    "shape", [(5, 5), (40, 40), (60, 25), (25, 60), (3, 40, 40), (3, 60, 25)], ids=str
)
def test_full_rank_needs_no_factors(lib, shape, kappa, factorized):
    if lib.library == "jax":
        pytest.skip("compiled code contains every way, and runs one")
    a = spectrum(*shape[-2:], kappa, *shape[:-2])
    b = np.random.default_rng(1).standard_normal((*shape[:-1], 2))
    fit = pinvx.lstsq(lib.array(a), lib.array(b))
    assert factorized == []
    x = np.linalg.pinv(a) @ b
    # Wedin, with a residual as long as b: the reference is no better than the result.
    allowed = VALUE * max(shape[-2:]) * eps_of(a.dtype) * kappa * (norm(x) + kappa * norm(b))
    assert_close(lib.numpy(fit.x), x, 2 * allowed, scale=1.0)
    assert_close(lib.numpy(fit.residuals), norm_squares(b - a @ x), allowed, scale=1.0)


def norm_squares(r):
    return np.sum(np.abs(r) ** 2, axis=-2)


def test_what_is_refused_in_a_batch_is_factorized_alone(lib, factorized):
    if lib.library == "jax":
        pytest.skip("compiled code has no part of a batch whose size depends on values")
    for shape in ((40, 40), (60, 25), (25, 60)):
        a = spectrum(*shape, 10.0, 7)
        a[2] = a[2] @ np.diag(np.arange(shape[1]) > 3)
        b = np.random.default_rng(1).standard_normal((7, shape[0], 2))
        fit = pinvx.lstsq(lib.array(a), lib.array(b))
        k = min(shape)
        ranks = [np.linalg.matrix_rank(x) for x in a]
        assert lib.numpy(fit.rank).tolist() == ranks
        assert ranks.count(k) >= 6
        assert_close(lib.numpy(fit.x), np.linalg.pinv(a, rtol=1e-12) @ b, 1e-9, scale=1.0)
    if lib.library != "array_api_strict":  # whose solver raises for the whole batch
        assert {s[0] for s in factorized} <= {1}, "one matrix of seven"


@pytest.mark.parametrize("n", [EXACT, 40], ids=["inverse", "probes"])
def test_elimination_proves_that_no_singular_value_is_below_the_cutoff(n, numpy_adapter):
    b = np.ones((n, 1))

    def accepted(a, rtol=RTOL, atol=0.0):
        return elimination(numpy_adapter, a, b, rtol, atol)[2]

    assert accepted(spectrum(n, n, 1e6))
    assert not accepted(spectrum(n, n, 1e6), rtol=2e-6)
    assert not accepted(spectrum(n, n, 1e6), rtol=0.9e-6), "too near to tell"
    assert not accepted(spectrum(n, n, 1e6), rtol=0.0, atol=0.9e-6)
    assert not accepted(spectrum(n, n, 1e15))
    assert not accepted(np.ones((n, n)))
    assert not accepted(np.full((n, n), np.nan))
    assert not accepted(spectrum(n, n, 10.0) * 1e200), "squares overflow"
    assert elimination(numpy_adapter, np.eye(n), np.full((n, 1), np.nan), RTOL, 0.0)[2] is not True


def test_an_inverse_solves_as_well_as_elimination(numpy_adapter):
    """Where x is small beside ‖A⁻¹‖‖b‖, one product with the inverse is not enough."""
    a = spectrum(EXACT, EXACT, 1e8)
    x = np.ones((EXACT, 1))
    found, _, accepted, _ = elimination(numpy_adapter, a, a @ x, RTOL, 0.0)
    assert accepted
    assert_close(found, x, VALUE * EXACT * eps_of(a.dtype) * 1e8 * norm(x), scale=1.0)


def test_elimination_that_loses_by_growth_is_refused(numpy_adapter):
    """Wilkinson's matrix, whose pivots double in every column, is well conditioned."""
    n = 50
    a = np.eye(n) - np.tril(np.ones((n, n)), -1)
    a[:, -1] = 1.0
    b = a @ np.random.default_rng(0).standard_normal((n, 1))
    x, _, accepted, hopeless = elimination(numpy_adapter, a, b, RTOL, 0.0)
    assert not accepted
    assert not hopeless
    # What was proposed is wrong indeed: the test is about something.
    assert norm(a @ x - b) > 1e-6 * norm(b)
    assert_close(pinvx.lstsq(a, b).x, np.linalg.pinv(a) @ b, 1e-10, scale=1.0)


@pytest.mark.parametrize(("m", "n"), [(60, 25), (400, 90)], ids=str)
def test_the_number_of_corrections_follows_the_condition(m, n, numpy_adapter):
    needed = {}
    for kappa in (1e1, 1e5, 1e6, 6e7, 1e8, 1e10):
        a = spectrum(m, n, kappa)
        g, t = gram(numpy_adapter, a)
        two, three = few_are_enough(numpy_adapter, a, g, t, RTOL, 0.0)
        one = one_is_enough(numpy_adapter, a, g, t, RTOL, 0.0)
        needed[kappa] = (bool(one), bool(two), bool(three))
    assert needed == {
        1e1: (True, True, True),
        1e5: (False, True, True),
        1e6: (False, True, True),
        6e7: (False, False, False),  # between 3e6 and this rounding decides
        1e8: (False, False, False),
        1e10: (False, False, False),
    }


@pytest.mark.parametrize("shape", [(60, 25), (25, 60)], ids=str)
def test_as_many_corrections_are_made_as_are_certified(shape, numpy_adapter, monkeypatch):
    made = []

    def recorded(lib, c, b, t, wide, steps):
        made.append(steps)
        return corrected(lib, c, b, t, wide, steps)

    monkeypatch.setattr(_least_squares, "corrected", recorded)
    expected = []
    # What is measured is rounding: for some κ in the last decade three are enough and two are not,
    # but for which the library decides.
    for kappa in (10.0, 1e6, *np.geomspace(3e6, 3e7, 24)):
        a = spectrum(*shape, kappa)
        pinvx.lstsq(a, np.ones((shape[0], 1)), rtol=RTOL)
        c = a if shape[0] > shape[1] else a.mT
        g = numpy_adapter.gramian(c)
        problem = c, g, numpy_adapter.inv_lower(numpy_adapter.cholesky(g)).mT, RTOL, 0.0
        enough = [one_is_enough(numpy_adapter, *problem), *few_are_enough(numpy_adapter, *problem)]
        expected += [enough.index(True) + 1] if True in enough else []
    assert made == expected
    assert set(made) == {1, 2, 3}


@pytest.mark.parametrize("kappa", [10.0, 1e6])
def test_a_cutoff_within_the_spectrum_is_not_overlooked(kappa, numpy_adapter):
    a = spectrum(60, 25, kappa)
    g, t = gram(numpy_adapter, a)
    above, near = 2.0 / kappa, 0.9 / kappa
    for tolerances in ((above, 0.0), (near, 0.0), (0.0, above), (0.0, near)):
        assert not one_is_enough(numpy_adapter, a, g, t, *tolerances)
        assert not any(few_are_enough(numpy_adapter, a, g, t, *tolerances))


def test_a_basis_of_no_use_at_all_is_refused_without_a_word(numpy_adapter):
    a = spectrum(60, 25, 10.0)
    g, t = gram(numpy_adapter, a)
    for factor in (1e30, 1e60, 1e140, 1e200):
        assert not one_is_enough(numpy_adapter, a, g, factor * t, RTOL, 0.0)
        assert not any(few_are_enough(numpy_adapter, a, g, factor * t, RTOL, 0.0))
    for scale in (1e-40, 1e-60, 1e-70, 1e-80, 1e-100):  # of which ‖AᴴA‖_F is zero at last
        g, t = gram(numpy_adapter, scale * a)
        for accepts in (one_is_enough, few_are_enough):
            assert not np.any(accepts(numpy_adapter, scale * a, g, t, 0.2, 0.0)), scale


def test_a_basis_that_is_not_orthonormal_is_refused(numpy_adapter):
    """R of another matrix: what the vectors see is A itself, not what was computed from it."""
    a = spectrum(60, 25, 10.0)
    g, t = gram(numpy_adapter, a)
    assert all(few_are_enough(numpy_adapter, a, g, t, RTOL, 0.0))
    assert not any(few_are_enough(numpy_adapter, a, g, 0.5 * t, RTOL, 0.0))
    shifted = a + 0.1 * spectrum(60, 25, 10.0, seed=1)
    assert not any(few_are_enough(numpy_adapter, shifted, g, t, RTOL, 0.0))


@pytest.mark.parametrize("wide", [False, True])
@pytest.mark.parametrize("kappa", [1e4, 1e6, 1e7])
def test_corrections_reach_what_the_decomposition_reaches(kappa, wide, numpy_adapter):
    a = spectrum(60, 25, kappa)
    b = np.random.default_rng(1).standard_normal((25 if wide else 60, 2))
    _, t = gram(numpy_adapter, a)
    system = a.T if wide else a
    # Consistent, so that the condition number enters once.
    b = b if wide else a @ np.linalg.pinv(a) @ b
    x = np.linalg.lstsq(system, b, rcond=None)[0]
    error = [
        norm(corrected(numpy_adapter, a, b, t, wide, steps) - x) / norm(x) for steps in range(4)
    ]
    limit = VALUE * 60 * eps_of(a.dtype) * kappa
    assert error[3] <= limit
    assert error[0] > 10 * error[1], "the first of them corrects most"


LACKING = [(3, 3), (5, 3), (3, 5), (16, 16), (60, 25), (25, 60), (300, 300), (4, 6, 3), (4, 9, 9)]


@pytest.mark.parametrize("dtype", ["float32", "float64", "complex128"])
@pytest.mark.parametrize("shape", LACKING, ids=str)
def test_the_library_s_own_least_squares_is_what_the_decomposition_gives(
    shape, dtype, numpy_adapter, monkeypatch
):
    a, b = lacking(shape, dtype)
    taken = []

    def recorded(*arguments):
        taken.append(minimum_norm(*arguments))
        return taken[-1]

    monkeypatch.setattr(_least_squares, "minimum_norm", recorded)
    fit, svd = pinvx.lstsq(a, b), pinvx.lstsq(a, b, method="svd")
    assert taken, "this is not what was asked for"
    assert all(x is not None for x in taken)
    assert np.array_equal(fit.rank, svd.rank)
    assert fit.rank.dtype == svd.rank.dtype
    assert fit.x.dtype == svd.x.dtype
    allowed = VALUE * max(shape[-2:]) * eps_of(a.dtype) * 1e3
    assert_close(fit.x, svd.x, allowed)
    assert_close(fit.residuals, svd.residuals, allowed, scale=float(np.max(norm_squares(b))))


def lacking(shape, dtype):
    """A of half the rank, and b that it does not reach."""
    rng = np.random.default_rng(3)
    k = max(1, min(shape[-2:]) // 2)
    a = spectrum(shape[-2], k, 10.0, *shape[:-2]) @ spectrum(k, shape[-1], 10.0, *shape[:-2])
    b = rng.standard_normal((*shape[:-1], 2))
    if dtype == "complex128":
        a, b = a * (1 + 2j), b * (1 - 1j)
    return a.astype(dtype), b.astype(dtype)


@pytest.mark.parametrize("shape", [(5, 3), (4, 6, 3)], ids=str)
def test_a_rank_that_does_not_follow_from_the_singular_values_is_not_believed(
    shape, numpy_adapter, monkeypatch
):
    a, b = lacking(shape, "float64")
    truth = minimum_norm(numpy_adapter, a, b, RTOL, 0.0)
    assert truth is not None
    solve = numpy_adapter.minimum_norm

    def one_more(a, b, rtol):
        x, squares, rank, s = solve(a, b, rtol)
        rank = np.array(rank)
        rank.flat[-1] += 1
        return x, squares, rank, s

    monkeypatch.setattr(numpy_adapter, "minimum_norm", one_more)
    assert minimum_norm(numpy_adapter, a, b, RTOL, 0.0) is None
    assert np.array_equal(pinvx.lstsq(a, b).rank, truth[2])


@pytest.mark.parametrize("shape", [(5, 3), (4, 6, 3)], ids=str)
def test_what_the_library_s_own_least_squares_is_not_asked_for(shape, numpy_adapter):
    a, b = lacking(shape, "float64")

    def solved(a, rtol=RTOL, atol=0.0):
        return minimum_norm(numpy_adapter, a, b, rtol, atol) is not None

    assert solved(a)
    assert not solved(a, rtol=0.0), "LAPACK puts eps in its place"
    assert not solved(a, rtol=1.0), "likewise"
    assert not solved(a, atol=1e-3)
    assert not solved(a, rtol=np.full(shape[:-2], RTOL))
    assert not solved(0.0 * a)
    for scale in (1e-200, 1e200, np.nan, np.inf):
        odd = a.copy()
        odd.reshape(-1, *a.shape[-2:])[-1] *= scale
        assert not solved(odd), scale
