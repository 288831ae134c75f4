"""A decomposition that does not converge costs one matrix at most, and mostly none."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from bounds import VALUE, assert_close, eps_of

import pinvx
from pinvx._decompositions import eigh, svd
from pinvx._dispatch import adapter_of


class Stubborn:
    """A library's decomposition that fails for the matrices that `fails` picks out."""

    def __init__(self, monkeypatch, lib, name, fails, how):
        self.lib, self.calls = lib, 0
        own = getattr(lib, name)

        def decompose(x):
            self.calls += 1
            matrices = np.reshape(np.asarray(x), (-1, *x.shape[-2:]))
            bad = np.asarray([fails(m) for m in matrices]).reshape(x.shape[:-2])
            if how == "raises" and bad.any():
                raise np.linalg.LinAlgError("did not converge")
            found = [np.array(each) for each in own(x)]
            values = found[1 if name == "svd" else 0]
            values[bad] = np.nan
            return tuple(found)

        monkeypatch.setattr(lib, name, decompose)


@pytest.fixture
def lib():
    return adapter_of(np.ones(1), "", "")


def is_tall(m):
    return m.shape[0] > m.shape[1]


@pytest.mark.parametrize("how", ["raises", "nan"])
@pytest.mark.parametrize("batch", [(), (3,), (2, 3)], ids=str)
@pytest.mark.parametrize("complex_", [False, True], ids=["real", "complex"])
def test_the_adjoint_takes_the_place(lib, batch, how, complex_, monkeypatch):
    rng = np.random.default_rng(0)
    a = rng.standard_normal((*batch, 7, 4)) + 1j * complex_ * rng.standard_normal((*batch, 7, 4))
    a = a if complex_ else a.real
    expected = pinvx.pinv(a, method="svd")
    stubborn = Stubborn(monkeypatch, lib, "svd", is_tall, how)
    assert_close(pinvx.pinv(a, method="svd"), expected, VALUE * 7 * eps_of("float64") * 100)
    assert stubborn.calls >= 2
    u, s, vh = svd(lib, a)
    assert_close(u * s[..., None, :] @ vh, a, VALUE * 7 * eps_of("float64"))
    fit = pinvx.lstsq(a, a[..., :1], singular_values=True, method="svd")
    assert fit.s.shape == (*batch, 4)


@pytest.mark.parametrize("how", ["raises", "nan"])
@pytest.mark.parametrize("shape", [(7, 4), (4, 7), (5, 5)], ids=str)
def test_the_eigenvectors_of_twice_the_size_take_the_place(lib, shape, how, monkeypatch):
    rng = np.random.default_rng(0)
    a = rng.standard_normal(shape)
    a[:, -1] = a[:, 0]  # eigenvalues ±σ, and some zeros that are no singular values
    expected = np.linalg.pinv(a, rcond=1e-12)
    Stubborn(monkeypatch, lib, "svd", lambda _: True, how)
    x, rank = pinvx.pinv(a, method="svd", return_rank=True)
    assert rank == np.linalg.matrix_rank(a)
    assert_close(x, expected, VALUE * 14 * eps_of("float64") * 100)


@pytest.mark.parametrize("how", ["raises", "nan"])
def test_what_nothing_decomposes_is_one_matrix_of_nan(lib, how, monkeypatch):
    a = np.random.default_rng(0).standard_normal((4, 6, 3))
    marked = 123.0
    a[2, 0, 0] = marked
    expected, _ = pinvx.pinv(a, method="svd", return_rank=True)
    Stubborn(monkeypatch, lib, "svd", lambda m: marked in np.abs(m).round(9), how)
    Stubborn(monkeypatch, lib, "eigh", lambda m: marked in np.abs(m).round(9), how)
    x, rank = pinvx.pinv(a, method="svd", return_rank=True)
    assert rank.tolist() == [3, 3, 0, 3]
    assert np.isnan(x[2]).all()
    assert_close(x[[0, 1, 3]], expected[[0, 1, 3]], VALUE * 6 * eps_of("float64") * 100)


@pytest.mark.parametrize("how", ["raises", "nan"])
def test_eigenvectors_that_do_not_converge(lib, how, monkeypatch):
    a = np.stack([np.diag([1.0, 2.0, 3.0]), np.diag([1.0, 2.0, 77.0])])
    Stubborn(monkeypatch, lib, "eigh", lambda m: m.max() == 77.0, how)
    w, q = eigh(lib, a)
    assert np.isnan(w).any(axis=-1).tolist() == [False, True]
    assert_close(q[0] * w[0] @ q[0].T, a[0], VALUE * 3 * eps_of("float64"))
    x, rank = pinvx.pinv(a, hermitian=True, return_rank=True)
    assert rank.tolist() == [3, 0]
    assert np.isnan(x[1]).all()
    assert_close(x[0], np.diag([1.0, 0.5, 1.0 / 3.0]), VALUE * 3 * eps_of("float64") * 3)


def test_a_compiled_program_takes_another_order():
    jax = pytest.importorskip("jax")
    code = """
import numpy as np, jax, jax.numpy as jnp, pinvx
from pinvx._dispatch import adapter_of

def svd(x):
    u, s, vh = jnp.linalg.svd(x, full_matrices=False)
    return u, jnp.where((x[..., 0, 0] == 77.0)[..., None], jnp.nan, s), vh

def formula(x):
    return pinvx.pinv(x, method="svd")

adapter_of(jnp.ones(1), "", "").svd = svd
a = np.random.default_rng(0).standard_normal((3, 7, 4)).astype("float32")
a[1, 0, 0] = 77.0
for x in (a, a[1]):
    for f in (formula, jax.jit(formula)):
        error = np.abs(np.asarray(f(jnp.asarray(x))) - np.linalg.pinv(x)).max()
        assert error < 1e-5, error
"""
    del jax
    subprocess.run([sys.executable, "-c", code], check=True)
