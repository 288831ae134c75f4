"""Single precision computed in double: what is taken, what is refused, and how good it is."""

import numpy as np
import pytest
from bounds import VALUE, assert_close, unit

import pinvx
from pinvx._dispatch import adapter_of
from pinvx._factor import _ladder, _least_squares
from pinvx._factor._double import double_cholesky, double_eigenvectors
from pinvx._factor._elimination import elimination, in_vain
from pinvx._factor._factor import Gramian


def hadamard(n):
    h = np.ones((1, 1))
    while len(h) < n:
        h = np.block([[h, h], [h, -h]])
    return h


def exact(batch, powers, dtype):
    """Orthogonal columns of the norms 8·2ᵖ: nothing of it is rounded, neither in AᴴA."""
    a = hadamard(64)[:, : len(powers)] * np.exp2(powers)
    a = a * 1j ** np.arange(len(powers)) if dtype == "complex64" else a
    return np.broadcast_to(a, (*batch, *a.shape)).astype(dtype)


def spread(shape, kappa, dtype):
    rng = np.random.default_rng(0)
    m, n = shape[-2:]
    k = min(m, n)
    u, v = (np.linalg.qr(rng.standard_normal((*shape[:-2], i, k)))[0] for i in (m, n))
    phase = np.exp(1j * np.arange(n)) if dtype == "complex64" else 1.0
    return ((u * np.geomspace(1.0, 1.0 / kappa, k)) @ v.mT * phase).astype(dtype)


@pytest.fixture
def decomposed(monkeypatch):
    """The shapes that reach the last rung."""
    shapes, svd = [], _ladder.svd

    def recorded(lib, a, *tolerances, **options):
        shapes.append(tuple(a.shape))
        return svd(lib, a, *tolerances, **options)

    monkeypatch.setattr(_ladder, "svd", recorded)
    return shapes


def skip_unless_double(lib, dtype):
    a = lib.array(np.eye(2), dtype)
    if adapter_of(a, "", "").double(a) is None:
        pytest.skip("compiled code has no such rung")


@pytest.mark.parametrize("shape", [(200, 40), (40, 200), (200, 180), (12, 100, 20)], ids=str)
def test_full_rank(lib, single, shape, decomposed):
    """Beyond what normal equations in single precision bear, and within the cutoff."""
    skip_unless_double(lib, single)
    kappa = 0.2 / (max(shape[-2:]) * np.finfo(single).eps)
    a = spread(shape, kappa, single)
    x, rank = pinvx.pinv(lib.array(a, single), return_rank=True)
    fit = pinvx.lstsq(lib.array(a, single), lib.array(a[..., :1], single))
    assert decomposed == []
    wide = a.astype("complex128")
    known = np.linalg.pinv(wide)
    tolerance = VALUE * unit(shape, single, kappa)
    assert np.unique(lib.numpy(rank)).tolist() == [min(shape[-2:])]
    assert np.unique(lib.numpy(fit.rank)).tolist() == [min(shape[-2:])]
    assert_close(lib.numpy(x), known, tolerance)
    assert_close(lib.numpy(fit.x), known @ wide[..., :1], tolerance)


@pytest.mark.parametrize("shape", [(200, 40), (40, 200), (160, 160), (12, 100, 20)], ids=str)
def test_missing_rank(lib, single, shape, decomposed):
    skip_unless_double(lib, single)
    rng = np.random.default_rng(0)
    (*batch, m, n), r = shape, 15
    b, c = rng.integers(-4, 5, (*batch, m, r)), rng.integers(-4, 5, (*batch, r, n))
    a = (b @ c).astype(single)
    x, rank = pinvx.pinv(lib.array(a, single), return_rank=True)
    assert decomposed == []
    assert np.unique(lib.numpy(rank)).tolist() == [r]
    # The factors are integers of full rank, so that A⁺ = C⁺B⁺ is known to their κ.
    known = np.linalg.pinv(c) @ np.linalg.pinv(b)
    s = np.linalg.svd(a, compute_uv=False)
    assert_close(
        lib.numpy(x), known, VALUE * unit(shape, single, (s[..., 0] / s[..., r - 1]).max())
    )


@pytest.mark.parametrize("tolerance", ["rtol", "atol", "rtol of each", "atol of each"])
@pytest.mark.parametrize("batch", [(), (6,)], ids=str)
def test_the_cutoff_within_the_spectrum(lib, single, tolerance, batch, decomposed):
    """Known exactly: of the columns those that count are kept, at any scale."""
    skip_unless_double(lib, single)
    powers = np.arange(16.0)[::-1]
    for scale in (-60, 0, 60):
        a = exact(batch, powers + scale, single)
        name, _, each = tolerance.partition(" ")
        value = np.exp2(-5.5 if name == "rtol" else 12.5 + scale)
        given = lib.array(np.full(batch, value), np.zeros(1, single).real.dtype.name)
        x, rank = pinvx.pinv(
            lib.array(a, single), **{name: given if each else float(value)}, return_rank=True
        )
        assert np.unique(lib.numpy(rank)).tolist() == [6]
        known = a.conj().mT / np.square(np.linalg.norm(a.astype("complex128"), axis=-2))[..., None]
        known[..., 6:, :] = 0.0
        assert_close(lib.numpy(x), known, VALUE * unit(a.shape, single, 2.0**6))
    assert decomposed == []


@pytest.mark.parametrize("batch", [(), (6,)], ids=str)
@pytest.mark.parametrize(("kappa", "room"), [(2.0**20, True), (2.0**27, False)])
def test_what_squares_do_not_show(lib, single, batch, kappa, room):
    """σ_N² beside what rounding may do to it: 2δ ≤ σ² and no more is proved."""
    skip_unless_double(lib, single)
    powers = np.linspace(0.0, -np.log2(kappa), 4).round()
    a = lib.array(exact(batch, powers, single), single)
    adapter = adapter_of(a, "", "")
    with adapter.quiet():
        a = adapter.xp.astype(a, adapter.double(a))
        g = adapter.gramian(a)
        gramian = Gramian(g, adapter.adjoint(adapter.inv_lower(adapter.cholesky(g))))
        assert adapter.all(double_cholesky(adapter, a, gramian, 0.0, 0.0)[1]) == room
        assert adapter.all(double_eigenvectors(adapter, a, gramian, 0.0, 0.0)[1]) == room
        # The cutoff decides where something is dropped: of 1 and 1/κ one counts.
        half = 2.0 / kappa
        assert adapter.all(double_eigenvectors(adapter, a, gramian, half, 0.0)[1]) == room
        assert not adapter.all(double_cholesky(adapter, a, gramian, half, 0.0)[1])
        assert not adapter.all(double_cholesky(adapter, a, gramian, 0.0, 8.0 * half)[1])


def test_what_is_not_finite(lib, single):
    skip_unless_double(lib, single)
    a = spread((12, 100, 20), 1e4, single)
    a[3, 7, 2], a[5, 1, 1] = np.nan, np.inf
    x, rank = pinvx.pinv(lib.array(a, single), return_rank=True)
    assert lib.numpy(rank).tolist() == [0 if i in (3, 5) else 20 for i in range(12)]
    assert np.isnan(lib.numpy(x)).all(axis=(-2, -1)).tolist() == [i in (3, 5) for i in range(12)]


@pytest.mark.parametrize(("n", "vain"), [(8, False), (9, False), (300, False), (400, True)])
def test_where_elimination_is_in_vain(n, vain):
    """It takes even an orthogonal matrix, whose κ is the least, for one that may lack rank."""
    a = np.linalg.qr(np.random.default_rng(0).standard_normal((n, n)))[0].astype("float32")
    adapter = adapter_of(a, "", "")
    assert in_vain(adapter, a) == vain
    assert bool(elimination(adapter, a, a[:, :1], 0.0, 0.0)[2]) != vain


def test_large_square_systems(lib, single, decomposed, monkeypatch):
    monkeypatch.setattr(_least_squares, "elimination", None)
    a = spread((400, 400), 10.0, single)
    b = a[:, :2] + a[:, 2:4]
    fit = pinvx.lstsq(lib.array(a, single), lib.array(b, single))
    if lib.library != "jax":  # compiled code contains every way
        assert decomposed == []
    assert int(fit.rank) == 400
    known = np.linalg.solve(a.astype("complex128"), b.astype("complex128"))
    assert_close(lib.numpy(fit.x), known, VALUE * unit(a.shape, single, 10.0))
