"""Every function with matrices that are not finite: a script, since LAPACK may never return.

python nonfinite_calls.py LIBRARY

Shapes, places and kinds of non-finite values, alone and in a batch, through every function and
method. Whatever warns, raises or prints ends the script with an error.
"""

from __future__ import annotations

import itertools
import sys
import warnings

import numpy as np

import pinvx

KINDS = {
    "inf": np.inf,
    "-inf": -np.inf,
    "nan": np.nan,
    "inf j": complex(0.0, np.inf),
    "nan j": complex(1.0, np.nan),
}
SHAPES = [(1, 1), (3, 3), (3, 2), (2, 5), (20, 20), (40, 12), (12, 40), (30, 60)]
FEW = SHAPES[1:3]  # for a library that compiles each shape


def bad_matrices(shape, value):
    """A diagonal of ones, a random matrix and a zero one, with a value in different places."""
    m, n = shape
    rng = np.random.default_rng(0)
    for base in (np.eye(m, n), rng.standard_normal(shape), np.zeros(shape)):
        for i, j in {(0, 0), (m - 1, n - 1), (m // 2, 0)}:
            a = base.astype(complex if isinstance(value, complex) else float)
            a[i, j] = value
            yield a
    yield np.full(shape, value)


def check(x, where):
    """NaN where the matrix was bad, and nowhere else."""
    x = np.asarray(x)
    assert np.isnan(x[where]).all()
    assert np.isfinite(x[[i for i in range(len(x)) if i != where]]).all()


def calls(a, b, h, read):
    """Call everything with a batch in which matrix 1 is bad."""
    for method in ("auto", "svd"):
        x, rank = pinvx.pinv(a, return_rank=True, method=method)
        check(read(x), 1)
        assert read(rank)[1] == 0
        fit = pinvx.lstsq(a, b, method=method)
        check(read(fit.x), 1)
        check(read(fit.residuals), 1)
    fit = pinvx.lstsq(a, b, singular_values=True)
    check(read(fit.s), 1)
    check(read(pinvx.pinv_vjp(a, x)), 1)
    check(read(pinvx.pinv_jvp(a, a)), 1)
    check(read(pinvx.lstsq_vjp(a, b, fit.x)[0]), 1)
    check(read(pinvx.lstsq_jvp(a, b, a, b)[0]), 1)
    assert np.isnan(np.asarray(read(pinvx.penrose_residuals(a, x).axa)))[1]
    if h is not None:
        check(read(pinvx.pinv(h, hermitian=True)), 1)


def main(name):
    """Run all of it with one library."""
    library = __import__(name)
    xp = library.numpy if name == "jax" else library
    read = (lambda x: x.detach().numpy()) if name == "torch" else np.asarray
    shapes = FEW if name == "jax" else SHAPES
    kinds = [k for k in KINDS.values() if name != "jax" or not isinstance(k, complex)]
    for shape, value in itertools.product(shapes, kinds):
        good = np.random.default_rng(1).standard_normal(shape)
        for bad in bad_matrices(shape, value):
            batch = np.stack([good, bad, good]).astype(bad.dtype)
            b = np.ones((3, shape[0], 2), batch.dtype)
            # Only the lower triangle is read, and no imaginary part of the diagonal.
            hermitian = shape[0] == shape[1] and not isinstance(value, complex)
            h = batch if hermitian and np.isfinite(np.triu(bad, 1)).all() else None
            calls(*(None if x is None else xp.asarray(x) for x in (batch, b, h)), read)
            one = xp.asarray(bad)
            assert np.isnan(read(pinvx.pinv(one))).all()
            assert np.isnan(read(pinvx.lstsq(one, xp.asarray(b[1])).x)).all()
            assert np.isnan(read(pinvx.lstsq(one, xp.asarray(b[1, :, 0])).residuals))
            # A column of b that is not finite, of a good matrix of the same shape.
            b[0, :, 1] = np.resize([1.0, value], shape[0])
            b[0, 0, 1] = value
            fit = pinvx.lstsq(xp.asarray(batch[0]), xp.asarray(b[0]))
            assert np.isnan(read(fit.x)[:, 1]).all()
            assert np.isnan(read(fit.residuals)[1])
            assert np.isfinite(read(fit.x)[:, 0]).all()
            assert np.isfinite(read(fit.residuals)[0])
            assert int(fit.rank) == min(shape)


if __name__ == "__main__":
    warnings.simplefilter("error")
    if sys.argv[1] != "jax":  # whose compiler warns of itself
        np.seterr(all="raise")
    main(sys.argv[1])
    print("all returned")
