"""The derivatives of `right`, by the formulas of Golub and Pereyra, at every scale.

A matrix, a direction and a cotangent are each brought near one by a power of two, column by column
where columns do not meet, and what they make is multiplied back at the end: nothing over- or
underflows but the answer.
"""

import numpy as np
import right
from right import Factors, exponent_of, scale


def pinv_jvp(a, da, **options):
    """DX = −X dA X + X Xᴴ dAᴴ (I − AX) + (I − XA) dAᴴ Xᴴ X."""
    work, dtype, cuts = _accepted(a, "pinv_jvp", options)
    da, out = da.astype(work.dtype), np.zeros((*work.shape[:-2], *work.shape[:-3:-1]), work.dtype)
    with np.errstate(all="ignore"):
        for i in np.ndindex(work.shape[:-2]):
            out[i] = _of_finite(work[i], out[i], lambda i=i: _pinv_jvp(work[i], da[i], cuts[i]))
        return out.astype(dtype)


def pinv_vjp(a, g, **options):
    """Ā = −Xᴴ G Xᴴ + (I − AX) Gᴴ X Xᴴ + Xᴴ X Gᴴ (I − XA)."""
    work, dtype, cuts = _accepted(a, "pinv_vjp", options)
    g, out = g.astype(work.dtype), np.zeros_like(work)
    with np.errstate(all="ignore"):
        for i in np.ndindex(work.shape[:-2]):
            out[i] = _of_finite(work[i], out[i], lambda i=i: _pinv_vjp(work[i], g[i], cuts[i]))
        return out.astype(dtype)


def lstsq_jvp(a, b, da, db, **options):
    """Dx = dX b + X db and d‖r‖² = 2 Re⟨r, db − dA x⟩."""
    work, columns, dtype, is_vector = right.equations(a, b, "lstsq_jvp")
    cuts = right.Cutoffs(work, "lstsq_jvp", *_tolerances(options))
    da, db = da.astype(work.dtype), (db[:, None] if is_vector else db).astype(work.dtype)
    batch = np.broadcast_shapes(work.shape[:-2], columns.shape[:-2])
    dx = np.zeros((*batch, work.shape[-1], columns.shape[-1]), work.dtype)
    change = np.zeros((*batch, columns.shape[-1]), np.finfo(work.dtype).dtype)
    with np.errstate(all="ignore"):
        for i in np.ndindex(batch):
            j, k = right.own(i, work), right.own(i, columns)
            if not np.all(np.isfinite(work[j])):
                dx[i] = change[i] = np.nan
            elif work[j].size:
                moved = _lstsq_jvp(work[j], columns[k], da[j], db[k], cuts[j])
                dx[i], change[i] = moved
        dx, change = dx.astype(dtype), change.astype(np.finfo(dtype).dtype)
    return (dx[..., 0], change[..., 0]) if is_vector else (dx, change)


def lstsq_vjp(a, b, g, weights=None, **options):
    """Ā and b̄ for the cotangents g of x and `weights` of the residuals."""
    work, columns, dtype, is_vector = right.equations(a, b, "lstsq_vjp")
    cuts = right.Cutoffs(work, "lstsq_vjp", *_tolerances(options))
    batch = np.broadcast_shapes(work.shape[:-2], columns.shape[:-2])
    g = (g[..., None] if is_vector else g).astype(work.dtype)
    if weights is None:
        weights = np.zeros((*batch, columns.shape[-1]))
    weights = np.reshape(weights, (*batch, columns.shape[-1])).astype(np.finfo(work.dtype).dtype)
    bar_a, bar_b = np.zeros_like(work), np.zeros_like(columns)
    with np.errstate(all="ignore"):
        for i in np.ndindex(batch):
            j, k = right.own(i, work), right.own(i, columns)
            if not np.all(np.isfinite(work[j])):
                bar_a[j], bar_b[k] = np.nan, np.nan
            elif work[j].size:
                first, second = _lstsq_vjp(work[j], columns[k], g[i], weights[i], cuts[j])
                bar_a[j] += first
                bar_b[k] += second
        bar_a, bar_b = bar_a.astype(dtype), bar_b.astype(dtype)
    return bar_a, bar_b[:, 0] if is_vector else bar_b


CLOSED_FORMS = {
    "pinv_jvp": pinv_jvp, "pinv_vjp": pinv_vjp, "lstsq_jvp": lstsq_jvp, "lstsq_vjp": lstsq_vjp,
}  # fmt: skip


def _tolerances(options):
    unknown = set(options) - {"rtol", "atol", "rcond", "method"}
    if unknown:
        raise TypeError(f"A derivative got {sorted(unknown)}.\nHint: rtol, atol, rcond, method.")
    return options.get("rtol"), options.get("atol"), options.get("rcond")


def _accepted(a, function, options):
    work, dtype = right.matrix(a, function)
    return work, dtype, right.Cutoffs(work, function, *_tolerances(options))


def _of_finite(a, like, value):
    """`value` where A is finite and not empty."""
    if not np.all(np.isfinite(a)):
        return np.full_like(like, np.nan)
    return value() if a.size else like


def _adjoint(x):
    return np.conj(x.T)


def _near(x, axis=None):
    e = exponent_of(x, axis)
    return scale(x, -e), e


def _terms(f):
    """A, X and their adjoints near one."""
    return f.near, f.pinv, _adjoint(f.near), _adjoint(f.pinv)


def _pinv_jvp(a, da, cut):
    f = Factors(a, cut)
    a, x, _, xh = _terms(f)
    da, d = _near(da)
    row, column = x @ (xh @ _adjoint(da)), (_adjoint(da) @ xh) @ x
    dx = (row - (row @ a) @ x) + (column - x @ (a @ column)) - x @ da @ x
    return scale(dx, d - 2 * f.e)


def _pinv_vjp(a, g, cut):
    f = Factors(a, cut)
    g, d = _near(g)
    return scale(_bar(f, g), d - 2 * f.e)


def _bar(f, g):
    a, x, _, xh = _terms(f)
    row, column = (_adjoint(g) @ x) @ xh, xh @ (x @ _adjoint(g))
    return (row - a @ (x @ row)) + (column - (column @ x) @ a) - xh @ g @ xh


def _system(a, b, cut):
    """The factors of A, b near one column by column, its exponents, x and r near one."""
    f = Factors(a, cut)
    b, t = _near(b, axis=0)
    x = f.times(b)
    return f, b, t, x, b - f.near @ x


def _lstsq_jvp(a, b, da, db, cut):
    f, b, t, x, r = _system(a, b, cut)
    a, _, _, xh = _terms(f)
    (da, d), (db, s) = _near(da), _near(db, axis=0)
    dah = _adjoint(da)
    dax, v = da @ x, dah @ (xh @ x)
    # dX·b, its three terms from the right: no matrix larger than A.
    by_a = f.times(xh @ (dah @ r)) + (v - f.times(a @ v)) - f.times(dax)
    dx = scale(by_a, t + d - 2 * f.e) + scale(f.times(db), s - f.e)
    half = np.sum((np.conj(r) * db).real, axis=0), -np.sum((np.conj(r) * dax).real, axis=0)
    return dx, 2 * (np.ldexp(half[0], t + s) + np.ldexp(half[1], 2 * t + d - f.e))


def _lstsq_vjp(a, b, g, weights, cut):
    f, _, t, x, r = _system(a, b, cut)
    near, xh = f.near, _adjoint(f.pinv)
    g, s = _near(g, axis=0)
    weights, c = np.frexp(weights)
    y = xh @ g
    q, z, w = g - _adjoint(near) @ y, f.times(y), xh @ x
    bar_b = scale(y, s - f.e) + scale(2 * weights * r, c + t)
    bar_a = np.zeros_like(a)
    for j in range(b.shape[1]):  # each column has a scale of its own
        xj, qj, zj = (np.conj(v[:, j]) for v in (x, q, z))
        by_x = -np.outer(y[:, j], xj) + np.outer(r[:, j], zj) + np.outer(w[:, j], qj)
        by_r = -2 * weights[j] * np.outer(r[:, j], xj)
        bar_a += scale(by_x, s[j] + t[j] - 2 * f.e) + scale(by_r, c[j] + 2 * t[j] - f.e)
    return bar_a, bar_b
