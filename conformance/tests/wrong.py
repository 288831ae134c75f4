"""Implementations that are wrong, each in one way, and the promise that each one breaks."""

import itertools
import os
import time
import warnings

import numpy as np
import right
from pinvx_conformance import Target
from pinvx_conformance._libraries import library

WRONG = {}
NOT_CLAIMED = (
    "method", "rcond", "singular_values", "residuals cotangent", "lstsq rtol", "lstsq atol",
    "lstsq method", "positional rtol", "any number", "cutoff warning", "quiet",
)  # fmt: skip


def wrong(promise, *, kind="pinv", namespace="numpy", lacks=(), claims=(), check=None):
    """Register a wrong implementation, and the promise (and check) that it breaks."""

    def register(function):
        declared = {k: "not its subject" for k in (*lacks, *NOT_CLAIMED) if k not in claims}
        functions = {"pinv": right.pinv, "lstsq": right.lstsq} if namespace == "numpy" else {}
        functions[kind] = function
        target = Target(function.__name__, library(namespace), declared=declared, **functions)
        WRONG[function.__name__] = (promise, check, target)
        return function

    return register


def plain(a, **options):
    """right.pinv, to be spoilt."""
    return right.pinv(a, **options)


@wrong("P1", check="P1-namespace_and_dtype")
def modifies_its_input(a, **options):
    x = right.pinv(a, **options)
    if a.flags.writeable:
        a *= 2
    return x


@wrong("P1", check="P1-out")
def ignores_out(a, *, out=None, **options):
    return plain(a, **options)


@wrong("P1", check="P1-out_and_rank")
def returns_another_object_than_out(a, *, out=None, **options):
    x = plain(a, **options)
    if out is not None:
        out[...] = x[0] if isinstance(x, tuple) else x
    return x


@wrong("P1", check="P1-out")
def writes_out_transposed(a, *, out=None, **options):
    """Right for 6×6 alone, and there only if the result is symmetric."""
    x = plain(a, **options)
    if out is None:
        return x
    first = x[0] if isinstance(x, tuple) else x
    out[...] = np.swapaxes(first, -1, -2).reshape(first.shape)
    return _first(lambda _: out, x)


@wrong("P1", check="P1-out")
def writes_past_the_end_of_out(a, *, out=None, **options):
    """Takes the memory of a view for its own: one row further down than the view reaches."""
    x = plain(a, out=out, **options)
    if out is not None and isinstance(out.base, np.ndarray):
        out.base[...] = np.nan_to_num(out.base)
        out.base[..., -1, :] = 0
    return x


@wrong("P19", check="P19-out_that_does_not_fit")
def takes_any_out(a, *, out=None, **options):
    x = plain(a, **options)
    if out is None:
        return x
    np.copyto(out, np.resize(x[0] if isinstance(x, tuple) else x, out.shape), casting="same_kind")
    return _first(lambda _: out, x)


@wrong("P2")
def integers_in_single(a, **options):
    return plain(a.astype("float32") if a.dtype.kind in "iub" else a, **options)


@wrong("P3")
def squeezes_the_batch(a, **options):
    if options.get("return_rank"):
        x, rank = plain(a, **options)
        return x.squeeze(), rank
    return plain(a, **options).squeeze()


@wrong("P4", check="P4-rtol")
def ignores_rtol(a, *, rtol=None, **options):
    return plain(a, **options)


@wrong("P4", check="P4-rtol_is_relative")
def absolute_cutoff(a, *, rtol=None, atol=None, **options):
    return plain(a, rtol=0.0, atol=1e-5 if rtol is None else rtol, **options)


@wrong("P4", check="P4-default_rtol")
def inverts_a_tiny_sigma(a, *, rtol=None, **options):
    return plain(a, rtol=1e-30 if rtol is None else rtol, **options)


@wrong("P4", check="P4-default_rtol", lacks=("return_rank",))
def ten_times_the_default(a, *, rtol=None, **options):
    """Without a rank to give it away."""
    floor = 10 * max(*a.shape[-2:], 1) * np.finfo(a.dtype).eps if a.dtype.kind in "fc" else None
    return plain(a, rtol=floor if rtol is None else rtol, **options)


@wrong("P4", check="P4-rtol")
def counts_just_below_the_cutoff(a, *, rtol=None, **options):
    return plain(a, rtol=rtol and rtol * (1 - 2.0**-36), **options)


@wrong("P5")
def transposes(a, *, return_rank=False, **options):
    x, rank = np.conj(np.swapaxes(a, -1, -2)), plain(a, return_rank=True)[1]
    return (x, rank) if return_rank else x


@wrong("P6", check="P6-forward_error")
def transposes_too(a, **options):
    return transposes(a, **options)


@wrong("P6", check="P6-forward_error")
def forgets_the_conjugate(a, **options):
    return _first(np.conj, plain(a, **options))


@wrong("P6", check="P6-forward_error")
def single_inside(a, **options):
    narrow = {"float64": "float32", "complex128": "complex64"}.get(str(a.dtype), a.dtype)
    return _first(lambda x: x.astype(a.dtype), plain(a.astype(narrow), **options))


def _first(change, result):
    return (change(result[0]), result[1]) if isinstance(result, tuple) else change(result)


@wrong("P6", check="P6-forward_error")
def normal_equations(a, **options):
    """Right to the eye, and wrong by κ: no refinement."""
    if a.shape[-2] < a.shape[-1]:
        return _first(lambda x: np.conj(np.swapaxes(x, -1, -2)),
                      normal_equations(np.conj(np.swapaxes(a, -1, -2)), **options))  # fmt: skip
    x, rank = plain(a, **{**options, "return_rank": True})
    for i in np.ndindex(rank.shape):
        if rank[i] == a.shape[-1] > 0:
            ah = np.conj(a[i].T)
            x[i] = np.linalg.solve(ah @ a[i], ah)
    return (x, rank) if options.get("return_rank") else x


@wrong("P6", check="P6-beside_the_svd")
def ten_times_worse_than_the_svd(a, **options):
    """Within p·eps·κ, and yet many times the error that an SVD makes."""
    eps = np.finfo(a.dtype).eps if a.dtype.kind in "fc" else 0
    return _first(lambda x: x * (1 + 40 * eps), plain(a, **options))


def gram(a):
    """(AᴴA)⁻¹Aᴴ of one tall matrix, and nobody looks at what came."""
    ah = np.conj(a.T)
    return np.linalg.solve(ah @ a, ah)


@wrong("P6", check="P6-forward_error")
def gram_without_check(a, **options):
    """A fast way where it pays, for κ up to 1e7, with one step of refinement and no certificate."""
    x, rank = plain(a, **{**options, "return_rank": True})
    tall = a.ndim == 2 and a.size >= 512 and a.shape[0] > a.shape[1] == rank
    if tall and np.linalg.cond(a) < 3e7:
        y = gram(a)
        x = y + (np.eye(a.shape[1]) - y @ a) @ y
    return (x, rank) if options.get("return_rank") else x


@wrong("P7", check="P7-rank")
def right_values_wrong_rank(a, **options):
    x = plain(a, **options)
    return (x[0], np.full_like(x[1], min(a.shape[-2:]))) if isinstance(x, tuple) else x


@wrong("P7", check="P7-rank")
def rank_from_the_wrong_cutoff(a, **options):
    """A full rank wherever the inverse could be formed, as a method without a certificate says."""
    x, rank = plain(a, **{**options, "return_rank": True})
    if a.ndim == 2 and a.size >= 512 and np.all(np.isfinite(a)):
        s = np.linalg.svd(a, compute_uv=False)
        rank = np.asarray(np.sum(s > 1e-3 * np.finfo(s.dtype).eps * s[0]))
    return (x, rank) if options.get("return_rank") else x


@wrong("P8", check="P8-lower_triangle_only")
def reads_the_upper_triangle(a, *, hermitian=False, **options):
    return plain(np.swapaxes(a, -1, -2).conj() if hermitian else a, hermitian=hermitian, **options)


@wrong("P8", check="P8-exactly_hermitian")
def nearly_hermitian(a, *, hermitian=False, **options):
    x = plain(a, hermitian=hermitian, **options)
    return _first(lambda v: v * np.tri(*v.shape[-2:], -1) * 2**-50 + v, x) if hermitian else x


@wrong("P9", kind="lstsq")
def full_rank_only(a, b):
    solved = right.lstsq(a, b)
    if a.ndim == 2 and b.ndim == 2 and a.size:
        ah = np.conj(a.T)
        solved = solved._replace(x=np.linalg.solve(ah @ a + 1e-30 * np.eye(a.shape[1]), ah @ b))
    return solved


@wrong("P9", kind="lstsq")
def not_of_minimum_norm(a, b):
    solved = right.lstsq(a, b)
    if a.ndim == 2 and b.ndim == 2 and int(solved.rank) < a.shape[1]:
        null = np.linalg.svd(a)[2][-1].conj()
        solved = solved._replace(x=(solved.x + null[:, None]).astype(a.dtype))
    return solved


def corrected(a, b, steps):
    """The normal equations of a tall matrix, and what is left of b solved again so many times."""
    ah = np.conj(a.T)
    factor = np.linalg.cholesky(ah @ a)
    x = np.zeros((a.shape[1], b.shape[1]), dtype=a.dtype)
    for _ in range(steps + 1):
        half = np.linalg.solve(factor, ah @ (b - a @ x))
        x = x + np.linalg.solve(np.conj(factor.T), half)
    return x


@wrong("P9", kind="lstsq", check="P9-minimum_norm_solution")
def too_few_corrections(a, b):
    """One is enough for κ = 1e3, and taken wherever there is a Cholesky factor."""
    solved = right.lstsq(a, b)
    m, n = a.shape[-2:]
    if a.ndim == b.ndim == 2 and m * n >= 512 and m > n == int(solved.rank):
        try:
            x = corrected(a, b, steps=1)
        except np.linalg.LinAlgError:
            return solved
        squares = np.sum(np.abs(b - a @ x) ** 2, axis=-2)
        solved = solved._replace(x=x, residuals=squares)
    return solved


@wrong("P7", kind="lstsq", check="P7-lstsq_rank")
def asks_ones_for_the_condition(a, b):
    """Elimination where A⁻¹·1 is small enough, which it is if no singular vector looks like 1."""
    solved = right.lstsq(a, b)
    m, n = a.shape[-2:]
    if a.ndim == b.ndim == 2 and m == n and n * n >= 512 and np.all(np.isfinite(a)):
        with np.errstate(all="ignore"):
            try:
                y = np.linalg.solve(a, np.concatenate([b, np.ones((n, 1), a.dtype)], axis=1))
            except np.linalg.LinAlgError:
                return solved
            scale = np.linalg.norm(a) * np.linalg.norm(y[:, -1])
        if scale * 4 * n * np.finfo(a.dtype).eps < 1:
            x, rank = y[:, :-1], np.asarray(n)
            squares = np.sum(np.abs(b - a @ x) ** 2, axis=-2)
            solved = solved._replace(x=x, residuals=squares, rank=rank)
    return solved


@wrong("P9", kind="lstsq", check="P9-minimum_norm_solution")
def lstsq_wrong_only_for_wide(a, b):
    """A fast way for square systems, taken for wide ones too: a solution, and not the least."""
    solved = right.lstsq(a, b)
    m, n = a.shape[-2:]
    if a.ndim == 2 and b.ndim == 2 and 0 < m < n and int(solved.rank) == m:
        x = np.zeros_like(solved.x)
        x[:m] = np.linalg.solve(a[:, :m], b)
        solved = solved._replace(x=x)
    return solved


@wrong("P10", kind="lstsq")
def residuals_of_data_dependent_shape(a, b):
    solved = right.lstsq(a, b)
    if np.any(solved.rank < a.shape[-1]):
        solved = solved._replace(residuals=np.zeros((0,), dtype=solved.residuals.dtype))
    return solved


@wrong("P11")
def nan_spreads(a, **options):
    if a.dtype.kind in "fc" and not np.all(np.isfinite(a)):
        return _first(lambda x: np.full_like(x, np.nan), plain(a, **options))
    return plain(a, **options)


@wrong("P12")
def overflows_when_squared(a, **options):
    with np.errstate(all="ignore"):
        square = np.sum(np.abs(a) ** 2)
    return plain(a if np.isfinite(square) and square > 0 else a * 0, **options)


@wrong("P16")
def ignores_the_sign(a, **options):
    return plain(np.abs(a) if a.dtype.kind == "f" else a, **options)


@wrong("P17", check="P17-each_is_right")
def swaps_axes_at_2x2x2(a, **options):
    return plain(np.swapaxes(a, 0, 1) if a.shape == (2, 2, 2) else a, **options)


@wrong("P17", check="P17-each_as_alone")
def averages_a_batch(a, **options):
    def average(x):
        return np.broadcast_to(x.mean(axis=0), x.shape) if x.ndim > 2 and len(x) else x

    return _first(average, plain(a, **options))


CALLS = itertools.count()


@wrong("P18", check="P18-same_bits")
def never_the_same_bits(a, **options):
    return _first(lambda x: x * (1 + next(CALLS) % 7 * 2e-7), plain(a, **options))


@wrong("P18", check="P18-global_state")
def leaves_settings_behind(a, **options):
    np.seterr(under="ignore" if np.geterr()["under"] == "warn" else "warn")
    return plain(a, **options)


@wrong("P19", check="P19-unknown_option")
def swallows_options(a, **options):
    options.pop("tolerance", None)
    return plain(a, **options)


@wrong("P11", check="P11-returns")
def never_returns(a, **options):
    """As LAPACK does for some infinities."""
    while a.dtype.kind == "f" and np.any(np.isinf(a)):
        time.sleep(0.01)
    return plain(a, **options)


@wrong("P20", check="P20-no_value_makes_a_noise", claims=("quiet",))
def warns_of_a_nan(a, **options):
    if not np.all(np.isfinite(a)):
        warnings.warn("the matrix is not finite", RuntimeWarning, stacklevel=2)
    return plain(a, **options)


@wrong("P20", check="P20-no_value_makes_a_noise", claims=("quiet",))
def squares_overflow(a, **options):
    x = plain(a, **options)
    np.sum(a * a)
    return x


@wrong("P20", kind="lstsq", check="P20-no_value_makes_a_noise", claims=("quiet",))
def prints_where_there_is_no_column(a, b, **options):
    """As LAPACK does, below Python."""
    if b.shape[-1] == 0:
        os.write(1, b" ** On entry to DLALSD parameter number  3 had an illegal value\n")
    return right.lstsq(a, b, **options)


LONG = ("cutoff warning", "lstsq rtol")


@wrong("P20", check="P20-cutoff_warning", claims=LONG)
def never_warns_of_the_cutoff(a, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return plain(a, **options)


@wrong("P20", check="P20-cutoff_warning", claims=LONG)
def warns_of_the_cutoff_with_a_tolerance_too(a, **options):
    if max(a.shape[-2:]) * np.finfo(np.float32).eps > 0.01 and a.dtype == "float32":
        warnings.warn("Hint: pass rtol", right.CutoffWarning, stacklevel=2)
        options.setdefault("rtol", 1e-2)
    return plain(a, **options)


@wrong("P20", check="P20-cutoff_warning", claims=LONG)
def warns_of_rows_alone(a, **options):
    with warnings.catch_warnings():
        if a.shape[-1] > a.shape[-2]:
            warnings.simplefilter("ignore")
        return plain(a, **options)


@wrong("P4", check="P4-rtol_without_its_name", claims=("positional rtol",))
def takes_a_second_argument_for_atol(a, atol=None, **options):
    return plain(a, atol=atol, **options)


@wrong("P4", check="P4-any_number", claims=("any number",))
def takes_a_large_integer_for_none(a, *, rtol=None, **options):
    return plain(a, rtol=rtol if not isinstance(rtol, int) else None, **options)
