"""P11: a NaN or an infinity spoils its own matrix, wholly and quietly, and no other."""

from __future__ import annotations

import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from bounds import VALUE, assert_close, stored_eps, unit
from matrix_cases import named

import pinvx

CASE = named("tall, deficient")
GOOD = 2  # the place of the finite matrix in the batch

REAL = {"nan": np.nan, "+inf": np.inf, "-inf": -np.inf}
COMPLEX = REAL | {"nan+inf j": complex(np.nan, np.inf), "1+nan j": complex(1.0, np.nan)}


def values(dtype):
    return list((COMPLEX if dtype.startswith("complex") else REAL).values())


def poisoned(case, dtype, *, everywhere=False):
    """A batch with every bad value in its first matrices, and the matrix of the case last."""
    bad = values(dtype)
    a = np.stack([case.a] * (len(bad) + 1)).astype(dtype)
    for i, value in enumerate(bad):
        a[i, i % case.m, i % case.n] = value
        if everywhere:
            a[i] = value
    return a


@pytest.mark.parametrize("method", ["auto", "svd"])
@pytest.mark.parametrize("everywhere", [False, True])
def test_pinv(lib, dtype, method, everywhere):
    a = poisoned(CASE, dtype, everywhere=everywhere)
    x, rank = pinvx.pinv(lib.array(a, dtype), return_rank=True, method=method)
    x, rank = lib.numpy(x), lib.numpy(rank)
    assert np.isnan(x[:-1]).all()
    assert not rank[:-1].any()
    assert rank[-1] == CASE.rank
    assert_close(x[-1], CASE.x, VALUE * unit(CASE.a.shape, dtype, CASE.kappa))


def test_pinv_of_one_matrix(lib, dtype):
    for a in poisoned(CASE, dtype)[:-1]:
        x, rank = pinvx.pinv(lib.array(a, dtype), return_rank=True)
        assert np.isnan(lib.numpy(x)).all()
        assert int(rank) == 0


def test_pinv_with_any_tolerance(lib, dtype):
    a = lib.array(poisoned(CASE, dtype)[0], dtype)
    for options in ({"rtol": 0.0}, {"rtol": 2.0}, {"atol": 1e3}, {"rtol": float("inf")}):
        x, rank = pinvx.pinv(a, return_rank=True, **options)
        assert np.isnan(lib.numpy(x)).all(), options
        assert int(rank) == 0, options


def test_pinv_hermitian(lib, dtype):
    a = np.stack([np.diag(np.arange(1.0, 6.0))] * (len(values(dtype)) + 1)).astype(dtype)
    for i, value in enumerate(values(dtype)):
        a[i, 4, i % 4] = value
    x, rank = pinvx.pinv(lib.array(a, dtype), hermitian=True, return_rank=True)
    x, rank = lib.numpy(x), lib.numpy(rank)
    assert np.isnan(x[:-1]).all()
    np.testing.assert_array_equal(rank, [0] * (len(a) - 1) + [5])
    expected = np.diag(1 / np.arange(1.0, 6.0))
    assert_close(x[-1], expected, VALUE * unit((5, 5), dtype, 5.0))


@pytest.mark.parametrize("method", ["auto", "svd"])
def test_lstsq_with_a_bad_matrix(lib, dtype, method):
    a, b = poisoned(CASE, dtype), CASE.b()
    fit = pinvx.lstsq(
        lib.array(a, dtype), lib.array(b, dtype), method=method, singular_values=method == "svd"
    )
    assert np.isnan(lib.numpy(fit.x)[:-1]).all()
    assert np.isnan(lib.numpy(fit.residuals)[:-1]).all()
    np.testing.assert_array_equal(lib.numpy(fit.rank), [0] * (len(a) - 1) + [CASE.rank])
    x = CASE.x @ b
    tolerance = 4 * VALUE * unit(CASE.a.shape, dtype, CASE.kappa**2)
    assert_close(lib.numpy(fit.x)[-1], x, tolerance)
    assert np.isfinite(lib.numpy(fit.residuals)[-1]).all()
    if fit.s is not None:
        assert np.isnan(lib.numpy(fit.s)[:-1]).all()
        assert np.isfinite(lib.numpy(fit.s)[-1]).all()


def test_lstsq_with_a_bad_column(lib, dtype):
    """The columns of b are problems of their own."""
    for value in values(dtype):
        b = CASE.b(3).astype(dtype)
        b[2, 1] = value
        a = lib.array(CASE.a, dtype)
        clean, fit = (pinvx.lstsq(a, lib.array(v, dtype)) for v in (CASE.b(3), b))
        assert np.isnan(lib.numpy(fit.x)[:, 1]).all()
        assert np.isnan(lib.numpy(fit.residuals)[1])
        for got, expected in zip(fit[:2], clean[:2], strict=True):
            got, expected = (lib.numpy(v)[..., [0, 2]] for v in (got, expected))
            assert_close(got, expected, VALUE * unit(CASE.a.shape, dtype, CASE.kappa))
        assert int(fit.rank) == CASE.rank


def test_lstsq_without_a_matrix_worth_the_name(lib, dtype):
    """0·∞ is NaN: a bad b is not hidden by A = 0."""
    b = lib.array([np.inf, 1.0], dtype)
    fit = pinvx.lstsq(lib.array(np.zeros((2, 2)), dtype), b)
    assert np.isnan(lib.numpy(fit.x)).all()
    assert np.isnan(lib.numpy(fit.residuals)).all()


def test_an_infinite_b_is_no_infinite_x(lib, dtype):
    """Whether ∞ + ∞ − ∞ appears depends on signs and summation order: NaN always, then."""
    for value in values(dtype):
        fit = pinvx.lstsq(lib.array(np.ones((2, 1)), dtype), lib.array([value, 1.0], dtype))
        assert np.isnan(lib.numpy(fit.x)).all()
        assert np.isnan(lib.numpy(fit.residuals)).all()
        assert int(fit.rank) == 1


def test_derivatives(lib, dtype):
    a = lib.array(poisoned(CASE, dtype), dtype)
    n = len(values(dtype))
    g = lib.array(np.ones((n + 1, CASE.n, CASE.m)), dtype)
    da = lib.array(np.ones((n + 1, CASE.m, CASE.n)), dtype)
    for x in (pinvx.pinv_vjp(a, g), pinvx.pinv_jvp(a, da)):
        assert np.isnan(lib.numpy(x)[:-1]).all()
        assert np.isfinite(lib.numpy(x)[-1]).all()


def test_penrose_residuals(lib, dtype):
    a = lib.array(poisoned(CASE, dtype), dtype)
    for residual in pinvx.penrose_residuals(a, pinvx.pinv(a)):
        assert np.isnan(lib.numpy(residual)[:-1]).all()
        assert lib.numpy(residual)[-1] <= VALUE * unit(CASE.a.shape, dtype, CASE.kappa)


def test_half_types(lib, half):
    a = np.stack([np.eye(3)] * 2)
    a[0, 1, 2] = np.inf
    x, rank = pinvx.pinv(lib.array(a, half), return_rank=True)
    assert np.isnan(lib.numpy(x)[0]).all()
    allowed = VALUE * unit((3, 3), "float32", 1.0) + stored_eps(half)
    assert_close(lib.numpy(x)[1], np.eye(3), allowed)
    np.testing.assert_array_equal(lib.numpy(rank), [0, 3])


@pytest.mark.parametrize("name", ["numpy", "torch", "array_api_strict", "jax"])
def test_everything_returns_and_says_nothing(name):
    """LAPACK does not return from some infinities, so this is a process with a time limit."""
    pytest.importorskip(name)
    script = Path(__file__).parent / "nonfinite_calls.py"
    done = subprocess.run(
        [sys.executable, script, name], capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == 0, done.stderr
    # Neither pinvx nor LAPACK prints anything.
    assert done.stdout == "all returned\n"
    assert not done.stderr


def test_the_cotangent_of_b_is_spoilt_by_a_bad_matrix(lib, dtype):
    """It sums over the matrices that share b."""
    a = poisoned(CASE, dtype)
    g = np.ones((len(a), CASE.n, 2)).astype(dtype)
    one = lib.array(CASE.b(), dtype)
    _, shared = pinvx.lstsq_vjp(lib.array(a, dtype), one, lib.array(g, dtype))
    assert np.isnan(lib.numpy(shared)).all()
    each = lib.array(np.stack([CASE.b()] * len(a)), dtype)
    _, b_bar = pinvx.lstsq_vjp(lib.array(a, dtype), each, lib.array(g, dtype))
    assert np.isnan(lib.numpy(b_bar)[:-1]).all()
    assert np.isfinite(lib.numpy(b_bar)[-1]).all()
    for bad, g_one in zip(a[:-1], g, strict=False):
        _, b_bar = pinvx.lstsq_vjp(lib.array(bad, dtype), one, lib.array(g_one, dtype))
        assert np.isnan(lib.numpy(b_bar)).all()


def test_derivatives_by_pytorch():
    """They equal the closed forms: NaN where the matrix is not finite, and not 0."""
    torch = pytest.importorskip("torch")
    a = torch.from_numpy(poisoned(CASE, "float64")).requires_grad_()
    b = torch.from_numpy(CASE.b()).requires_grad_()
    fit = pinvx.lstsq(a, b)
    (of_x,) = torch.autograd.grad(pinvx.pinv(a)[-1].sum(), a)
    of_a, of_b = torch.autograd.grad(fit.x.sum() + fit.residuals.sum(), (a, b))
    moved = torch.func.jvp(pinvx.pinv, (a.detach(),), (torch.ones_like(a),))[1]
    for found in (of_x, of_a, moved):
        assert torch.isnan(found[:-1]).all()
        assert torch.isfinite(found[-1]).all()
    assert torch.isnan(of_b).all()


def test_derivatives_by_jax():
    jax = pytest.importorskip("jax")
    a, b = poisoned(CASE, "float64"), CASE.b()
    of_x = jax.grad(lambda a: pinvx.pinv(a).sum())(a)
    of_a, of_b = jax.grad(lambda a, b: pinvx.lstsq(a, b).x.sum(), argnums=(0, 1))(a, b)
    _, moved = jax.jvp(pinvx.pinv, (a,), (np.ones_like(a),))
    for found in (of_x, of_a, moved):
        assert np.isnan(found[:-1]).all()
        assert np.isfinite(found[-1]).all()
    assert np.isnan(of_b).all()


TINY = np.finfo(np.float32).tiny


@pytest.mark.parametrize("columns", [0, 1, 2])
@pytest.mark.parametrize("shape", [(50, 20), (20, 20), (3, 50, 20), (3, 2)], ids=str)
def test_no_finite_value_raises_or_warns(lib, dtype, shape, columns, capfd):
    if lib.library == "jax" and (len(shape) > 2 or columns == 2):
        pytest.skip("each shape takes long to compile")
    rng = np.random.default_rng(0)
    values = [np.ones(shape), rng.standard_normal(shape) * 1e-30, np.zeros(shape)]
    values.append(np.full(shape, np.finfo(np.float32).max / 4))
    values.append(np.where(rng.random(shape) < 0.5, TINY, 1.0))
    arrays = [lib.array(a, dtype) for a in values]
    b = lib.array(np.ones((*shape[:-1], columns)), dtype)
    with np.errstate(all="raise"), warnings.catch_warnings():
        warnings.simplefilter("error")
        for a in arrays:
            pinvx.pinv(a)
            pinvx.pinv(a, method="svd")
            pinvx.lstsq(a, b)
            pinvx.lstsq(a, b, singular_values=True)
            pinvx.lstsq_vjp(a, b, pinvx.lstsq(a, b).x)
            pinvx.pinv_vjp(a, pinvx.pinv(a))
    printed = capfd.readouterr()
    assert not printed.out + printed.err
