"""P16 and P17: what a pseudoinverse does with products, transposes, blocks and limits."""

from __future__ import annotations

import exact
import flint
import numpy as np
import pytest
from bounds import VALUE, assert_close, eps_of, norm, unit
from hypothesis import given, settings
from hypothesis import strategies as st
from matrix_cases import CASES, Case, fitting, named

import pinvx

METHODS = ("auto", "svd")


def cutoff(case, dtype):
    """A relative cutoff midway, on a logarithmic scale, between rounding errors and 1/κ."""
    return float(np.sqrt(max(case.a.shape) * eps_of(dtype) / case.kappa))


def pinv(lib, a, dtype, **options):
    return lib.numpy(pinvx.pinv(lib.array(a, dtype), **options))


def rotation(n, *, is_complex, seed):
    """A unitary matrix, rounded."""
    rng = np.random.default_rng([n, seed])
    a = rng.standard_normal((n, n)) + is_complex * 1j * rng.standard_normal((n, n))
    q = np.linalg.qr(a)[0]
    return q if is_complex else q.real


# Each identity is (left, right, how often κ enters): f is the pseudoinverse with a safe cutoff.
IDENTITIES = {
    "(A⁺)⁺ = A": lambda a, f: (f(f(a)), a, 2),
    "(Aᴴ)⁺ = (A⁺)ᴴ": lambda a, f: (f(a.conj().T), f(a).conj().T, 1),
    "(Aᵀ)⁺ = (A⁺)ᵀ": lambda a, f: (f(a.T), f(a).T, 1),
    "conj(A)⁺ = conj(A⁺)": lambda a, f: (f(a.conj()), f(a).conj(), 1),
    "(−3A)⁺ = −A⁺/3": lambda a, f: (f(-3 * a), f(a) / -3, 1),
    "A⁺ = (AᴴA)⁺Aᴴ": lambda a, f: (f(a), f(a.conj().T @ a) @ a.conj().T, 2),
    "A⁺ = Aᴴ(AAᴴ)⁺": lambda a, f: (f(a), a.conj().T @ f(a @ a.conj().T), 2),
    "(AᴴA)⁺ = A⁺A⁺ᴴ": lambda a, f: (f(a.conj().T @ a), f(a) @ f(a).conj().T, 2),
    "(A A⁺)⁺ = A A⁺": lambda a, f: (f(a @ f(a)), a @ f(a), 1),
    "[A; A]⁺ = [A⁺, A⁺]/2": lambda a, f: (f(np.vstack([a, a])), np.hstack([f(a)] * 2) / 2, 1),
    "[A, 0]⁺ = [A⁺; 0]": lambda a, f: (
        f(np.hstack([a, 0 * a])),
        np.vstack([f(a), 0 * f(a)]),
        1,
    ),
    "A with rows and columns reversed": lambda a, f: (f(a[::-1, ::-1]), f(a)[::-1, ::-1], 1),
}


@pytest.mark.parametrize("name", IDENTITIES)
def test_identity(lib, dtype, name):
    for case in lib.some([c for c in fitting(dtype) if max(c.m, c.n) <= 7]):
        rtol = cutoff(case, dtype) ** 2 if "AᴴA" in name or "AAᴴ" in name else cutoff(case, dtype)

        def f(a, rtol=rtol):
            # A zero matrix that rounding did not leave zero has no relative scale.
            atol = 1e-3 if case.rank == 0 else 0.0  # noqa: B023 — called at once
            return pinv(lib, a, dtype, rtol=rtol, atol=atol)

        left, right, order = IDENTITIES[name](case.a, f)
        tolerance = 4 * VALUE * unit((2 * case.m, 2 * case.n), dtype, case.kappa**order)
        assert_close(left, right, tolerance, what=f"{name} for {case} in {dtype}")


def test_unitary_factors_come_out(lib, dtype):
    for case in lib.some([c for c in fitting(dtype) if max(c.m, c.n) <= 7]):
        is_complex = dtype.startswith("complex")
        u = rotation(case.m, is_complex=is_complex, seed=1)
        v = rotation(case.n, is_complex=is_complex, seed=2)
        left = pinv(lib, u @ case.a @ v, dtype, rtol=cutoff(case, dtype))
        right = v.conj().T @ case.x @ u.conj().T
        # U, V and the products are rounded: a few more p·eps on A.
        assert_close(left, right, 2 * VALUE * unit(case.a.shape, dtype, case.kappa), what=str(case))


def test_kronecker_product(lib, dtype):
    for one, two in lib.some(
        [("tall, deficient", "a row"), ("rank one", "wide"), ("zero", "tall")]
    ):
        a, b = named(one), named(two)
        left = pinv(lib, np.kron(a.a, b.a), dtype, rtol=cutoff(a, dtype) * cutoff(b, dtype))
        kappa = a.kappa * b.kappa
        tolerance = VALUE * unit((a.m * b.m, a.n * b.n), dtype, kappa)
        assert_close(left, np.kron(a.x, b.x), tolerance, what=f"{one} ⊗ {two}")


def test_block_diagonal(lib, dtype):
    one, two = named("tall, deficient"), named("wide")
    a, x = np.zeros((10, 11)), np.zeros((11, 10))
    a[:7, :4], a[7:, 4:] = one.a, two.a
    x[:4, :7], x[4:, 7:] = one.x, two.x
    s = [np.linalg.svd(c.a, compute_uv=False)[: c.rank] for c in (one, two)]
    kappa = max(s[0][0], s[1][0]) / min(s[0][-1], s[1][-1])
    assert_close(pinv(lib, a, dtype), x, VALUE * unit(a.shape, dtype, kappa))


def test_zero_is_exactly_zero(lib, dtype):
    for shape in ((3, 2), (2, 3), (2, 2), (2, 4, 3)):
        x, rank = pinvx.pinv(lib.array(np.zeros(shape), dtype), return_rank=True)
        assert not lib.numpy(x).any()
        assert not lib.numpy(rank).any()
        assert tuple(x.shape) == (*shape[:-2], shape[-1], shape[-2])


def test_rank_one(lib, dtype):
    """A⁺ = Aᴴ/‖A‖_F²."""
    rng = np.random.default_rng(0)
    for m, n in lib.some([(4, 3), (1, 5), (3, 6), (5, 1)]):
        u, v = rng.integers(1, 5, (m, 1)), rng.integers(1, 5, (1, n))
        a = (u @ v).astype(dtype)
        x = pinv(lib, a, dtype)
        expected = (u @ v).T / np.sum((u @ v) ** 2)
        assert_close(x, expected, VALUE * unit(a.shape, dtype, 1.0))


def test_permutations_and_isometries(lib, dtype):
    """The pseudoinverse of an isometry is its adjoint, of a permutation its transpose."""
    p = np.eye(5)[[3, 0, 4, 1, 2]]
    assert_close(pinv(lib, p, dtype), p.T, VALUE * unit((5, 5), dtype, 1.0))
    q = rotation(7, is_complex=dtype.startswith("complex"), seed=0)[:, :3]
    assert_close(pinv(lib, q, dtype), q.conj().T, VALUE * unit((7, 3), dtype, 1.0))


@pytest.mark.parametrize("exponent", [10, 20, 40])
def test_the_limit_of_regularization(lib, dtype, exponent):
    """‖(AᴴA + λI)⁻¹Aᴴ − A⁺‖₂ = max σ⁻¹·λ/(σ² + λ) ≤ λ·‖A⁺‖₂³, the left side being exact."""
    for case in lib.some([c for c in fitting(dtype) if c.rank > 0 and max(c.m, c.n) <= 7]):
        lam = flint.fmpq(1, 2**exponent)
        a = exact.rational(case.a)
        ah = a.transpose()
        identity = flint.fmpq_mat(a.ncols(), a.ncols(), [0] * a.ncols() ** 2)
        for i in range(a.ncols()):
            identity[i, i] = lam
        regularized = exact.rounded((ah * a + identity).inv() * ah)
        size = np.linalg.norm(case.x, 2)
        rounding = VALUE * unit(case.a.shape, dtype, case.kappa) * norm(case.x)
        difference = np.linalg.norm(pinv(lib, case.a, dtype) - regularized, 2)
        assert difference <= 2.0**-exponent * size**3 + rounding, case


def test_penrose_conditions(lib, dtype):
    """And `penrose_residuals` says the same as the definition, in float64."""
    for case in lib.some(fitting(dtype)):
        a = lib.array(case.a, dtype)
        x = pinvx.pinv(a)
        xn = lib.numpy(x).astype("complex128" if dtype.startswith("complex") else "float64")
        tolerance = VALUE * unit(case.a.shape, dtype, case.kappa)
        p, q = case.a @ xn, xn @ case.a
        one = lambda value: max(value, 1e-300)  # noqa: E731 — zero over zero is zero
        definition = (
            norm(p @ case.a - case.a) / one(norm(case.a)),
            norm(q @ xn - xn) / one(norm(xn)),
            norm(p - p.conj().T) / max(1.0, norm(p)),
            norm(q - q.conj().T) / max(1.0, norm(q)),
        )
        for residual, value in zip(pinvx.penrose_residuals(a, x), definition, strict=True):
            assert 0.0 <= float(residual) <= tolerance, case
            assert abs(float(residual) - value) <= tolerance, case


WRONG = {
    "A": lambda case: case.a.conj().T / norm(case.a) ** 2,
    "twice A⁺": lambda case: 2 * case.x,
    "A⁺ with one entry off": lambda case: case.x + np.eye(case.n, case.m) / 7,
    "zero": lambda case: 0 * case.x,
}


@pytest.mark.parametrize("name", WRONG)
@pytest.mark.parametrize("case", [c for c in CASES if c.rank > 1], ids=str)
def test_penrose_residuals_of_something_else(case, name):
    """Each residual equals its definition where it is not small, tall and wide, batched too."""
    a, x = case.a, WRONG[name](case)
    p, q = a @ x, x @ a
    expected = (
        norm(p @ a - a) / norm(a),
        norm(q @ x - x) / max(norm(x), 1e-300),
        norm(p - p.conj().T) / max(1.0, norm(p)),
        norm(q - q.conj().T) / max(1.0, norm(q)),
    )
    got = pinvx.penrose_residuals(np.stack([a, a]), np.stack([x, x]))
    for value, e in zip(got, expected, strict=True):
        np.testing.assert_allclose(value, [e, e], rtol=1e-9, atol=1e-9)
    assert max(expected) > 1e-3


@settings(max_examples=80, deadline=None)
@given(
    m=st.integers(1, 8),
    n=st.integers(1, 8),
    rank=st.integers(0, 8),
    is_complex=st.booleans(),
    seed=st.integers(0, 2**31),
    method=st.sampled_from(METHODS),
)
def test_any_exact_matrix(m, n, rank, is_complex, seed, method):
    """Random sizes, ranks and entries against rational arithmetic."""
    case = Case("random", m, n, min(m, n, rank), is_complex=is_complex, seed=seed)
    dtype = str(case.a.dtype)
    x, rank = pinvx.pinv(case.a, return_rank=True, method=method)
    assert int(rank) == case.rank
    assert_close(x, case.x, VALUE * unit((m, n), dtype, case.kappa))


def test_items_of_a_batch_of_many_ranks(lib, dtype):
    """P17: matrices of every rank, condition and scale in one batch are what they are alone."""
    found = [Case("", 5, 4, r, is_complex=dtype.startswith("complex"), seed=r) for r in range(5)]
    scales = [2.0**k for k in (-40, 0, 10, 40, -3)]
    a = np.stack([c.a * s for c, s in zip(found, scales, strict=True)])
    for method in METHODS:
        x, rank = pinvx.pinv(lib.array(a, dtype), return_rank=True, method=method)
        np.testing.assert_array_equal(lib.numpy(rank), [c.rank for c in found])
        fit = pinvx.lstsq(lib.array(a, dtype), lib.array(np.ones((5, 1)), dtype), method=method)
        for i, (case, scale) in enumerate(zip(found, scales, strict=True)):
            tolerance = VALUE * unit((5, 4), dtype, case.kappa)
            assert_close(lib.numpy(x)[i], case.x / scale, tolerance, what=f"rank {case.rank}")
            expected = case.x @ np.ones((5, 1)) / scale
            allowed = 4 * VALUE * unit((5, 4), dtype, case.kappa**2)
            size = norm(case.x) * np.sqrt(5) / scale
            assert_close(lib.numpy(fit.x)[i], expected, allowed, scale=size)
