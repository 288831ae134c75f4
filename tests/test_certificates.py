"""What each certificate refuses, and what the estimates see."""

from __future__ import annotations

import numpy as np
import pytest
from bounds import VALUE, eps_of, norm
from climbing import accepted, lacking, problem, spectrum
from test_methods import exact

from pinvx._dispatch import adapter_of
from pinvx._methods._cholesky_qr import times_inverse
from pinvx._methods._estimate import SAFETY, spread, vectors
from pinvx._methods._inverse import inverts
from pinvx._methods._minimum_norm import solution
from pinvx._methods._normal_equations import corrected
from pinvx._methods._tsqr import tsqr_svd
from pinvx._problem import none_below

RTOL = 1e-14
NUMPY = adapter_of(np.ones(1), "", "")


@pytest.fixture(autouse=True)
def quiet():
    with np.errstate(all="ignore"):
        yield


# Vectors that show the size of a matrix.


@pytest.mark.parametrize("n", [160, 1024])
def test_no_two_columns_hide_from_the_vectors(n):
    """Neither their sum nor their difference, whatever the signs: by every pair."""
    v = spread(NUMPY, n, np.ones(1))
    assert abs(np.mean(v**2) - 1.0) < 0.1
    sizes = np.abs(v)
    hidden = 0
    for i in range(n - 1):
        seen = np.sqrt(np.mean((sizes[i] - sizes[i + 1 :]) ** 2, axis=-1) / 2.0)
        assert seen.min() > 1.0 / 40.0
        hidden += np.sum(seen < 1.0 / SAFETY)
    assert hidden <= 5


def test_the_signs_of_the_vectors_follow_from_the_digits_of_the_matrix():
    a = spectrum(200, 200, 10.0)
    first, again = (vectors(problem(a), a, norm(a)) for _ in range(2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, vectors(problem(a), a * (1.0 + 1e-7), norm(a)))
    signs = first / spread(NUMPY, 200, a)
    assert np.array_equal(np.abs(signs), np.ones_like(signs))
    assert np.all(np.abs(signs.sum(axis=0)) < 80)
    zero = np.zeros((200, 200))
    assert np.isfinite(vectors(problem(zero), zero, 0.0)).all()


# Inverses.


@pytest.mark.parametrize("n", [8, 140])  # measured whole, and by vectors
def test_an_inverse_that_is_none_is_refused(n):
    a, smallest = spectrum(n, n, 30.0), 1.0 / 30.0
    w, default = np.linalg.inv(a), n * eps_of("float64")

    def holds(w, rtol=default, atol=0.0):
        return bool(inverts(problem(a, rtol=rtol, atol=atol), w, norm(w)))

    assert holds(w)
    assert not holds(w * (1 + 1e-9))
    assert not holds(w * np.nan)
    assert not holds(np.zeros_like(w))
    bent = w.copy()
    bent[-1, -1] += 1e-6 * abs(w).max()
    assert not holds(bent)
    # A cutoff at the smallest singular value, relative and absolute: no proof, no acceptance.
    assert not holds(w, rtol=smallest)
    assert not holds(w, rtol=0.0, atol=smallest)


@pytest.mark.parametrize("n", [40, 120])
def test_elimination_proves_that_no_singular_value_is_below_the_cutoff(n):
    b = np.ones((n, 1))

    def holds(a, rtol=RTOL, atol=0.0, b=b):
        return accepted("elimination", a, b, rtol=rtol, atol=atol)

    assert holds(spectrum(n, n, 1e6))
    assert not holds(spectrum(n, n, 1e6), rtol=2e-6)
    assert not holds(spectrum(n, n, 1e6), rtol=0.9e-6), "too near to tell"
    assert not holds(spectrum(n, n, 1e6), rtol=0.0, atol=0.9e-6)
    assert not holds(spectrum(n, n, 1e15))
    assert not holds(np.ones((n, n)))
    assert not holds(np.zeros((n, n)))


def test_elimination_that_loses_by_growth_is_refused():
    """Wilkinson's matrix, whose pivots double in every column, is well conditioned."""
    n = 50
    a = np.eye(n) - np.tril(np.ones((n, n)), -1)
    a[:, -1] = 1.0
    b = a @ np.random.default_rng(0).standard_normal((n, 1))
    assert not accepted("elimination", a, b, rtol=RTOL)
    # What was proposed is wrong indeed: the test is about something.
    assert norm(a @ np.linalg.solve(a, b) - b) > 1e-6 * norm(b)


# Normal equations.


@pytest.mark.parametrize(("m", "n"), [(20, 8), (300, 60)], ids=str)
def test_normal_equations_are_left_to_well_conditioned_matrices(m, n):
    a, smallest = spectrum(m, n, 3.0), 1.0 / 3.0
    assert accepted("normal_equations", a)
    assert not accepted("normal_equations", a, rtol=smallest)
    assert not accepted("normal_equations", a, rtol=0.0, atol=smallest)
    assert not accepted("normal_equations", spectrum(m, n, 1e3))


@pytest.mark.parametrize("batch", [(), (3,)], ids=str)
@pytest.mark.parametrize("kappa", [1.0, 10.0, 30.0, 100.0, 1e3, 1e6])
def test_pivots_bound_the_condition_from_below(kappa, batch):
    a = spectrum(300, 60, kappa)
    p = problem(np.broadcast_to(a, (*batch, 300, 60)).copy())
    assert np.shape(p.least_condition) == batch
    assert np.all(p.least_condition <= kappa * (1.0 + 1e-6))
    assert np.all(p.least_condition >= kappa / (3600.0 if batch else 60.0))
    nothing = problem(np.zeros((*batch, 300, 60)))
    assert none_below(NUMPY, nothing.least_condition, np.inf)  # how LAPACK fails
    assert nothing.beyond_gram


@pytest.mark.parametrize(("m", "n"), [(60, 25), (400, 90)], ids=str)
def test_the_number_of_corrections_follows_the_condition(m, n):
    needed = {}
    for kappa in (1e1, 1e5, 1e6, 2e7, 1e8, 1e10):
        proposal = corrected(problem(spectrum(m, n, kappa), np.ones((m, 1)), rtol=RTOL))
        needed[kappa] = proposal.answer().steps if proposal.accepted else None
    assert needed == {1e1: 1, 1e5: 2, 1e6: 2, 2e7: None, 1e8: None, 1e10: None}
    steps = set()
    for kappa in np.geomspace(1e6, 2e7, 12):
        proposal = corrected(problem(spectrum(m, n, kappa), np.ones((m, 1)), rtol=RTOL))
        steps |= {proposal.answer().steps} if proposal.accepted else set()
    assert steps == {2, 3}


@pytest.mark.parametrize("name", ["corrected", "cholesky_qr"])
@pytest.mark.parametrize("kappa", [10.0, 1e6])
def test_a_cutoff_within_the_spectrum_is_not_overlooked(kappa, name):
    a, b = spectrum(60, 25, kappa), np.ones((60, 1))
    assert accepted(name, a, b, rtol=RTOL)
    for near in (2.0 / kappa, 0.9 / kappa):
        assert not accepted(name, a, b, rtol=near)
        assert not accepted(name, a, b, rtol=0.0, atol=near)


@pytest.mark.parametrize("name", ["corrected", "cholesky_qr"])
def test_a_basis_that_is_not_orthonormal_is_refused(name):
    """R of another matrix: what is measured is A itself, not what was computed from it."""
    from pinvx._plan import METHODS

    a, b = spectrum(60, 25, 1e5), np.ones((60, 1))

    def holds(r_inverse, c=a):
        p = problem(a, b, rtol=RTOL)
        p.r_inverse, p.c = r_inverse, c
        return NUMPY.all(METHODS[name].method(p).accepted)

    r_inverse = problem(a).r_inverse
    assert holds(r_inverse)
    for factor in (np.nan, 0.5, 1e9, 1e30, 1e140):
        assert not holds(factor * r_inverse)
    assert not holds(r_inverse, c=a + 0.1 * spectrum(60, 25, 10.0, seed=1))


@pytest.mark.parametrize("wide", [False, True])
@pytest.mark.parametrize("kappa", [1e4, 1e6, 1e7])
def test_corrections_reach_what_the_decomposition_reaches(kappa, wide):
    from pinvx._factor import apply

    c = spectrum(60, 25, kappa)
    a = c.T if wide else c
    b = np.random.default_rng(1).standard_normal((a.shape[0], 2))
    # Consistent, so that the condition number enters once.
    b = b if wide else a @ np.linalg.pinv(a) @ b
    x = np.linalg.lstsq(a, b, rcond=None)[0]
    t = problem(c).r_inverse
    w, z = (None, t) if wide else (t, None)
    error = [norm(apply(NUMPY, a, b, w, z, steps) - x) / norm(x) for steps in range(4)]
    assert error[3] <= VALUE * 60 * eps_of("float64") * kappa
    assert error[0] > 10 * error[1], "the first of them corrects most"


def test_no_more_factors_are_left_out_than_rounding_hides(lib, dtype):
    eps = eps_of(dtype)
    x, v = np.eye(6, dtype=dtype), np.random.default_rng(0).standard_normal((2, 6, 1))
    adapter = adapter_of(lib.array(x, dtype), "test", "a")
    for size in (0.0, 1e-17, 1e-12, *np.geomspace(1e-9, 1e-2, 29)):
        e = v @ v.mT / (v.mT @ v)  # of rank one: its powers are as large as its norm allows
        e = (e * np.asarray([size, 1e-3 * size])[:, None, None]).astype(dtype)
        expected = np.linalg.inv(np.eye(6) + e)
        for part, known in ((0, float(norm(e[0]))), (slice(None), None)):  # one, and a batch
            found = times_inverse(
                adapter, lib.array(x, dtype), lib.array(e[part], dtype), known, eps
            )
            error = np.linalg.norm(lib.numpy(found) - expected[part], axis=(-2, -1))
            assert np.all(error <= 4.0 * (6 * eps + size**8)), size


# Rank-deficient matrices.


def gap(m, n, rank, left=0.0):
    """A matrix with σ = 1 … 0.5, and `left` in place of zeros."""
    rng = np.random.default_rng(0)
    u, v = (np.linalg.qr(rng.standard_normal((k, n)))[0] for k in (m, n))
    return u * np.r_[np.linspace(1.0, 0.5, rank), np.full(n - rank, left)] @ v.T


@pytest.mark.parametrize(("m", "n"), [(20, 8), (300, 60), (200, 140)], ids=str)
def test_subspace_iteration_is_for_a_rank_beyond_doubt(m, n):
    def holds(a, **options):
        return accepted("subspace", a, **options)

    a, rank = gap(m, n, n // 2), n // 2
    assert holds(a)
    assert holds(a, rtol=0.05)
    assert holds(a, rtol=0.0, atol=0.05)
    # A cutoff at the smallest singular value, or at the rest.
    assert not holds(a, rtol=0.5)
    assert not holds(a, rtol=0.0, atol=0.5)
    assert not holds(a, rtol=0.0)
    # Singular values that AᴴA does not show, however small the cutoff is.
    for left in (1e-9, 1e-12, 4 * m * eps_of("float64")):
        assert not holds(gap(m, n, rank, left=left))
        assert not holds(gap(m, n, rank, left=left), rtol=0.1)
    assert not holds(np.zeros((m, n)))


@pytest.mark.parametrize("batch", [(), (6,)], ids=str)
@pytest.mark.parametrize(("kappa", "room"), [(2.0**20, True), (2.0**27, False)])
def test_what_squares_in_double_precision_do_not_show(lib, single, batch, kappa, room):
    """σ_N² beside what rounding may do to it: 2δ ≤ σ² and no more is proved."""
    if lib.library == "jax":
        pytest.skip("its programs have no such method")
    powers = np.linspace(0.0, -np.log2(kappa), 4).round()
    a = lib.array(exact(batch, powers, single), single)
    assert accepted("double_cholesky", a, rtol=0.0) == room
    assert accepted("double_eigenvectors", a, rtol=0.0) == room
    # The cutoff decides where something is dropped: of 1 and 1/κ one counts.
    half = 2.0 / kappa
    assert accepted("double_eigenvectors", a, rtol=half) == room
    assert not accepted("double_cholesky", a, rtol=half)
    assert not accepted("double_cholesky", a, rtol=0.0, atol=8.0 * half)


# The library's own least squares.


@pytest.mark.parametrize("shape", [(5, 3), (4, 6, 3)], ids=str)
def test_a_rank_that_does_not_follow_from_the_singular_values_is_not_believed(shape, monkeypatch):
    a, b = lacking(shape, "float64")
    assert solution(NUMPY, a, b, RTOL, 0.0) is not None
    solve = NUMPY.minimum_norm

    def one_more(a, b, rtol):
        x, squares, rank, s = solve(a, b, rtol)
        rank = np.array(rank)
        rank.flat[-1] += 1
        return x, squares, rank, s

    monkeypatch.setattr(NUMPY, "minimum_norm", one_more)
    assert solution(NUMPY, a, b, RTOL, 0.0) is None


@pytest.mark.parametrize("shape", [(5, 3), (4, 6, 3)], ids=str)
def test_what_the_library_s_own_least_squares_is_not_asked_for(shape):
    a, b = lacking(shape, "float64")
    assert solution(NUMPY, a, b, RTOL, 0.0) is not None
    assert solution(NUMPY, a, b, 0.0, 0.0) is None, "LAPACK puts eps in its place"
    assert solution(NUMPY, a, b, 1.0, 0.0) is None, "likewise"
    assert solution(NUMPY, a, b, RTOL, 1e-3) is None
    assert solution(NUMPY, a, b, np.full(shape[:-2], RTOL), 0.0) is None
    assert solution(NUMPY, a, b[..., :0], RTOL, 0.0) is None, "LAPACK prints a complaint"


def test_blocks_of_rows_give_the_same_decomposition():
    rng = np.random.default_rng(0)
    a = rng.standard_normal((3, 24, 5)) + 1j * rng.standard_normal((3, 24, 5))
    u, s, vh = tsqr_svd(NUMPY, a, 4)
    expected = np.linalg.svd(a, compute_uv=False)
    accuracy = 8 * 24 * eps_of("float64")
    np.testing.assert_allclose(s, expected, rtol=0, atol=accuracy * expected.max())
    np.testing.assert_allclose(u * s[:, None, :] @ vh, a, rtol=0, atol=accuracy * expected.max())
    gram = np.conj(u.swapaxes(-1, -2)) @ u
    np.testing.assert_allclose(gram, np.broadcast_to(np.eye(5), gram.shape), rtol=0, atol=accuracy)
