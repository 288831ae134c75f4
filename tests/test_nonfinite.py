"""P11 and P20: every function returns, whatever the values are, and says nothing."""

from __future__ import annotations

import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from matrix_cases import named

import pinvx

CASE = named("tall, deficient")


def poisoned(case, dtype):
    """A batch with a bad value in each of the first matrices, and the matrix of the case last."""
    bad = [np.nan, np.inf, -np.inf]
    if dtype.startswith("complex"):
        bad += [complex(np.nan, np.inf), complex(1.0, np.nan)]
    a = np.stack([case.a] * (len(bad) + 1)).astype(dtype)
    for i, value in enumerate(bad):
        a[i, i % case.m, i % case.n] = value
    return a


def test_lstsq_without_a_matrix_worth_the_name(lib, dtype):
    """0·∞ is NaN: a bad b is not hidden by A = 0."""
    b = lib.array([np.inf, 1.0], dtype)
    fit = pinvx.lstsq(lib.array(np.zeros((2, 2)), dtype), b)
    assert np.isnan(lib.numpy(fit.x)).all()
    assert np.isnan(lib.numpy(fit.residuals)).all()


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
