"""Verbs of the adapters whose implementations differ: a certificate would refuse what is wrong in
one, and something slower would follow."""

from types import SimpleNamespace

import array_api_compat
import numpy as np
import pytest
from bounds import assert_close, unit

from pinvx import Adapter
from pinvx._dispatch import adapter_of


def normal(rng, shape, dtype):
    x = rng.standard_normal(shape)
    return x + 1j * rng.standard_normal(shape) if dtype.startswith("complex") else x


# Whether the adjoint is written down, whether the rows are divided into blocks of one height, and
# whether the columns are divided.
@pytest.mark.parametrize(
    "shape", [(30, 20), (16384, 4), (16389, 4), (2, 16384, 3), (300, 257)], ids=str
)
def test_inner_products_of_columns(lib, dtype, shape):
    x, y = (normal(np.random.default_rng(seed), shape, dtype).astype(dtype) for seed in (0, 1))
    here, there = lib.array(x, dtype), lib.array(y, dtype)
    adapter = adapter_of(here, "", "")
    bound = unit(shape[-2:], dtype, 1.0)
    assert_close(lib.numpy(adapter.gramian(here)), x.conj().mT @ x, bound)
    products = lib.numpy(adapter.gramian(here, there))
    # Beside the norms of the factors: the products of random columns are small.
    scale = np.linalg.norm(x, 2, axis=(-2, -1)) * np.linalg.norm(y, 2, axis=(-2, -1))
    error = np.linalg.norm(products - x.conj().mT @ y, axis=(-2, -1))
    assert (error <= bound * scale).all()


@pytest.mark.parametrize(
    "shape", [(1,), (25,), (49,), (2, 9), (3, 17), (2, 2, 20), (40, 5), (2, 20, 11)], ids=str
)
def test_inverses_of_triangular_matrices(lib, dtype, shape):
    n = shape[-1]
    x = normal(np.random.default_rng(n), (*shape, n), dtype)
    # Diagonally dominant, so that the condition is small; and nothing above the diagonal is zero by
    # accident of the arithmetic.
    lower = (np.tril(x, -1) / n + np.eye(n) * (1.0 + np.arange(n) / n)).astype(dtype)
    here = lib.array(lower, dtype)
    inverse = lib.numpy(adapter_of(here, "", "").inv_lower(here))
    assert inverse.dtype == lower.dtype
    eye = np.broadcast_to(np.eye(n), lower.shape)
    assert_close(inverse @ lower, eye, unit((n, n), dtype, np.linalg.cond(lower).max()))


@pytest.mark.parametrize("batch", [(), (600,)], ids=str)
def test_what_has_no_cholesky_factor(lib, dtype, batch):
    """At a large scale, where what a failure leaves behind has the norm of a good factor."""
    n, scale = 6, 2.0**60
    x = normal(np.random.default_rng(0), (*batch, n, n), dtype)
    good = x @ x.conj().mT + np.eye(n)
    bad = good - 2.0 * np.linalg.eigvalsh(good)[..., -1, None, None] * np.diag([0, 0, 0, 1, 0, 0])
    adapter = adapter_of(lib.array(np.eye(n), dtype), "", "")

    def factor(g):
        a = lib.array((g * scale).astype(dtype), dtype)
        r = adapter.run(lambda lib, _, a: (lib.cholesky(a),), None, a)[0]
        return np.tril(lib.numpy(r))

    r = factor(good)
    error = np.linalg.norm(r @ r.conj().mT - good * scale, axis=(-2, -1))
    assert (error <= unit((n, n), dtype, 1.0) * np.linalg.norm(good * scale, axis=(-2, -1))).all()
    assert np.isnan(factor(bad)).any(axis=(-2, -1)).all()
    if batch:
        mixed = np.where(np.arange(batch[0])[:, None, None] % 2 == 0, good, bad)
        assert np.isnan(factor(mixed)).any(axis=(-2, -1))[1::2].all()


def test_a_factor_that_was_given_up_is_none():
    """A library may return how far it had got, with the pivot at which it gave up."""
    xp = array_api_compat.array_namespace(np.empty(0))
    given_up = np.asarray([np.diag([1.0, 2.0]), np.diag([1.0, -2.0]), np.diag([0.0, 1.0])])
    linalg = SimpleNamespace(**{**vars(xp.linalg), "cholesky": lambda _: given_up})
    adapter = Adapter(SimpleNamespace(**{**vars(xp), "linalg": linalg}))
    factors = adapter.cholesky(np.empty_like(given_up))
    assert np.isnan(factors).all(axis=(-2, -1)).tolist() == [False, True, True]


def test_a_device_without_double_precision():
    torch = pytest.importorskip("torch")
    adapter = adapter_of(torch.empty(0, device="cpu"), "", "")
    here, there = (
        SimpleNamespace(dtype=torch.float32, device=SimpleNamespace(type=name))
        for name in ("cuda", "mps")
    )
    assert adapter.double(here) == torch.float64
    assert adapter.double(there) is None


@pytest.mark.parametrize("name", ["float32", "float64", "complex64", "complex128"])
@pytest.mark.parametrize("shape", [(5,), (25,), (4, 3), (2, 3, 21)], ids=str)
def test_triangles_of_small_tensors_are_inverted(shape, name):
    """Where NumPy makes the products; a certificate would refuse what is wrong, and cost time."""
    pytest.importorskip("torch")
    from pinvx_backends import _torch_host

    n = shape[-1]
    x = np.random.default_rng(n).standard_normal((*shape, n))
    # Diagonally dominant, so that the condition is small.
    lower = (np.tril(x, -1) / n + np.eye(n)).astype(name)
    inverse = _torch_host._HOST.inv_lower(lower)
    assert inverse.dtype == lower.dtype
    assert_close(
        inverse @ lower,
        np.broadcast_to(np.eye(n), lower.shape),
        unit((n, n), name, np.linalg.cond(lower).max()),
    )
