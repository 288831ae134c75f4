"""The public functions: docstring, validation and one call.

With `method="svd"` three files lead from `pinv` to LAPACK: this one, `_derivative.py` (the rule
`Pinv`) and `_methods/_svd.py`, which calls the library's `linalg.svd` through its adapter.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from . import _arguments as arguments
from . import _scale as scale
from ._adapter import Adapter
from ._derivative import Lstsq, Pinv, Residuals
from ._methods._eigh import from_lower_triangle
from ._tolerance import default, tolerances
from ._typing import Array, Tolerance


class LstsqResult(NamedTuple):
    """What `lstsq` returns. The shapes depend on the shapes of the input alone."""

    x: Array
    """The minimum-norm solution: (..., N, K), or (..., N) for a vector b."""
    residuals: Array
    """Squared 2-norms of b − A x: (..., K), or (...) for a vector b, at every rank."""
    rank: Array
    """The number of singular values above the cutoff: integers, the batch shape of A."""
    s: Array | None
    """The singular values of A, descending, (..., min(M, N)); None unless asked for."""


def pinv(
    a: Array,
    /,
    rtol: Tolerance | None = None,
    *,
    atol: Tolerance | None = None,
    rcond: Tolerance | None = None,
    hermitian: bool = False,
    return_rank: bool = False,
    out: Array | None = None,
    method: str = "auto",
) -> Array | tuple[Array, Array]:
    """Return the Moore–Penrose pseudoinverse of a matrix, or of each matrix of a batch.

    A⁺ = V Σ⁺ Uᴴ for the singular value decomposition A = U Σ Vᴴ, where Σ⁺ inverts the singular
    values σ > max(atol, rtol·σ₁) and replaces the others by zero.

    Parameters
    ----------
    a : array, shape (..., M, N)
        Any array library that follows the Array API standard. float32, float64, complex64 and
        complex128 are computed in their own precision, float16 and bfloat16 in float32; integers
        and booleans become the library's default real floating dtype.
    rtol : float or array, optional
        The relative tolerance, also as the second positional argument; an array gives one for each
        matrix. None means max(M, N)·eps (of float32 for the half types), or 0 where `atol` > 0.
    atol : float or array, optional
        The absolute tolerance; None means 0.
    rcond : float or array, optional
        Another name for `rtol`.
    hermitian : bool
        Whether `a` is Hermitian. Only its lower triangle is read, its eigenvalues are used, and
        the result is exactly Hermitian.
    return_rank : bool
        Whether to return the rank as well.
    out : array, optional
        An array of the shape and dtype of the result to write it into, for a library whose arrays
        can be written to.
    method : str or tuple of str
        "svd" is always the formula above (with eigenvalues if `hermitian`). "auto" tries faster
        methods, whose results a certificate has to accept. It reads one boolean from the device for
        the size of `a`, and one for each of them (for a batch, also which matrices were refused).
        One name or a tuple of names restricts it to these methods, and "svd" for what they refuse:
        "inverse", "normal_equations", "cholesky_qr", "subspace", "double_cholesky",
        "double_eigenvectors".

    Returns
    -------
    x : array, shape (..., N, M)
        The pseudoinverse, with the library, device and floating dtype of `a`. A matrix with a NaN
        or an infinity gives NaN, and does not affect the others of its batch.
    rank : array of integers, shape (...)
        The number of singular values above the cutoff, if `return_rank`.

    Raises
    ------
    TypeError
        If `a` is no array, of a dtype that no library factorizes, or of another library than
        `rtol`, `atol` or `out`; if both `rtol` and `rcond` are given.
    ValueError
        If `a` has fewer than 2 dimensions, a tolerance is negative, NaN or of a shape that does
        not broadcast to the batch shape, `method` is unknown, or `hermitian` and not square.

    Notes
    -----
    Differentiable in PyTorch and JAX, in both modes and to every order, wherever the rank is
    constant; `pinv_jvp` and `pinv_vjp` are the same derivatives for every library.

    References
    ----------
    .. [1] R. Penrose, "A generalized inverse for matrices", Proc. Cambridge Philos. Soc. 51
       (1955), 406–413.
    .. [2] G. H. Golub, C. F. Van Loan, "Matrix Computations", 4th ed. (2013), §5.5.2.

    Examples
    --------
    >>> import numpy as np, pinvx
    >>> pinvx.pinv(np.asarray([[1.0, 0.0], [0.0, 0.0], [0.0, 2.0]]))
    array([[1. , 0. , 0. ],
           [0. , 0. , 0.5]])
    """
    m = arguments.matrix(a, "pinv")
    method = arguments.method(method, "pinv", "pinv", hermitian=hermitian)
    rtol, atol = tolerances(m.lib, m.a, m.known, "pinv", rtol=rtol, atol=atol, rcond=rcond)
    if hermitian:
        arguments.square(m, "pinv")
    if out is not None:
        shape = (*m.a.shape[:-2], m.a.shape[-1], m.a.shape[-2])
        arguments.destination(m, out, shape, "pinv")
    x, rank = m.lib.run(_pinv, Pinv(method, hermitian, return_rank), m.a, rtol, atol)
    if x.dtype != m.dtype:
        (x,) = arguments.rounded(m.lib, m.dtype, x)
    if out is not None:
        x = m.lib.write(out, x, "pinv")
    return (x, rank) if return_rank else x


def _pinv(lib: Adapter, rule: Pinv, a: Array, rtol: Any, atol: Any) -> tuple[Array, Any]:
    if rule.hermitian:
        a = from_lower_triangle(lib, a)
    inside, steps, finite = scale.enter(lib, a)
    if steps is not None:
        atol = scale.tolerance(lib, atol, inside, steps)
    x, rank = lib.differentiable(rule, inside, rtol, atol)
    x = scale.leave(lib, x, steps)
    return x if finite is None else x + scale.spoilt(lib, finite, a), rank


def pinverse(input: Array, rcond: Tolerance = 1e-15) -> Array:  # noqa: A002  # PyTorch's name
    """Return the pseudoinverse, with the signature of the old ``torch.pinverse``.

    The same as ``pinv(input, rtol=rcond)``. The default cutoff 1e-15 is PyTorch's: it is below the
    rounding error of most matrices, so prefer `pinv`, whose default depends on shape and dtype.

    Parameters
    ----------
    input : array, shape (..., M, N)
        As for `pinv`.
    rcond : float or array
        The relative tolerance.

    Returns
    -------
    array, shape (..., N, M)

    Examples
    --------
    >>> import numpy as np, pinvx
    >>> pinvx.pinverse(np.asarray([[2.0]]))
    array([[0.5]])
    """
    return pinv(input, rtol=rcond)


def lstsq(
    a: Array,
    b: Array,
    /,
    rtol: Tolerance | None = None,
    *,
    atol: Tolerance | None = None,
    rcond: Tolerance | None = None,
    singular_values: bool = False,
    method: str = "auto",
) -> LstsqResult:
    """Return the least-squares solution of A x ≈ b with the smallest norm.

    x = A⁺b: of all x that minimise ‖b − A x‖₂, the one with the smallest ‖x‖₂, for every rank of A
    and on every device.

    Parameters
    ----------
    a : array, shape (..., M, N)
        As for `pinv`.
    b : array, shape (M,) or (..., M, K)
        The right-hand side: a vector if it has one dimension, otherwise K columns whose batch
        dimensions broadcast with those of `a`. It has the library and device of `a`; the dtypes of
        the two are promoted.
    rtol, atol, rcond : float or array, optional
        The cutoff for the singular values of `a`, as for `pinv`.
    singular_values : bool
        Whether to return the singular values, too. Derivatives treat them as constants.
    method : str or tuple of str
        As for `pinv`, and three more names: "elimination", "corrected" (normal equations with
        corrections) and "minimum_norm" (the library's own least squares, checked).

    Returns
    -------
    LstsqResult
        The fields `x`, `residuals`, `rank` and `s`.

    Raises
    ------
    TypeError
        As for `pinv`, and if `a` and `b` belong to two libraries.
    ValueError
        As for `pinv`, and if the rows of `a` and `b` differ in number, their batch shapes do not
        broadcast, or they are on two devices.

    Notes
    -----
    Differentiable in PyTorch and JAX with respect to `a` and `b`, through `x` and through
    `residuals`; `lstsq_jvp` and `lstsq_vjp` are the same derivatives for every library.

    References
    ----------
    .. [1] Å. Björck, "Numerical Methods for Least Squares Problems" (1996), theorem 1.2.10.

    Examples
    --------
    A line through three points, with the columns 1, x and 2x: rank 2, and still one answer.

    >>> import numpy as np, pinvx
    >>> x = np.asarray([0.0, 1.0, 2.0])
    >>> fit = pinvx.lstsq(np.stack([x**0, x, 2 * x], axis=-1), 1 + 5 * x)
    >>> np.round(fit.x, 12)
    array([1., 1., 2.])
    >>> int(fit.rank)
    2
    """
    e = arguments.equations(a, b, "lstsq")
    lib, a, dtype, known = e.matrix
    method = arguments.method(method, "solve", "lstsq")
    rtol, atol = tolerances(lib, a, known, "lstsq", rtol=rtol, atol=atol, rcond=rcond)
    x, squares, rank, s = lib.run(_lstsq, Lstsq(method, singular_values), a, e.b, rtol, atol)
    if x.dtype != dtype:
        (x,) = arguments.rounded(lib, dtype, x)
    real = known.real if known.compute == dtype else dtype
    if squares.dtype != real or s is not None:
        squares, s = arguments.rounded(lib, real, squares, s)
    return LstsqResult(x, squares, rank, s)


def _lstsq(
    lib: Adapter, rule: Lstsq, a: Array, b: Array, rtol: Any, atol: Any
) -> tuple[Array, Array, Array, Array | None]:
    batch, is_vector = a.shape[:-2], b.ndim == 1
    a, b, (rtol, atol) = arguments.aligned(lib, a, b, rtol, atol)
    system = scale.system(lib, a, b)
    inside = system.a
    atol = scale.tolerance(lib, atol, inside.x, inside.steps)
    if lib.linear:
        x, squares, rank, s = rule.by_parts(lib, inside.x, system.b.x, rtol, atol)
    else:
        x, squares, rank, s, *_ = lib.differentiable(rule, inside.x, system.b.x, rtol, atol)
    if not system.unchanged:
        x, squares = system.of_x(lib, x), system.of_squares(lib, squares)
        # The derivatives of ‖b − A x‖² solve no equations, so they hold at any scale.
        known = scale.finite(lib, a, inside), scale.finite(lib, b, system.b)
        (squares,) = lib.differentiable(Residuals(), *known, x, squares)
        x, squares = system.marked(lib, x, squares)
        if inside.finite is not None:
            nan = scale.spoilt(lib, inside.finite, a, b)
            real = nan if nan.dtype == squares.dtype else lib.xp.real(nan)
            x, squares = x + nan, squares + real[..., 0, :]
    if rule.singular_values:
        up = None if inside.steps is None else -inside.steps[..., 0]
        s = scale.leave(lib, s, up, None if inside.finite is None else inside.finite[..., 0])
        s = lib.xp.reshape(s, (*batch, s.shape[-1]))
    if is_vector:
        x, squares = x[..., 0], squares[..., 0]
    if rank.ndim != len(batch):
        rank = lib.xp.reshape(rank, batch)
    return x, squares, rank, s


def default_rtol(a: Array, /) -> float:
    """Return the relative tolerance that `pinv` and `lstsq` use for `a`: max(M, N)·eps.

    Parameters
    ----------
    a : array, shape (..., M, N)
        As for `pinv`. eps is that of the dtype computed in.

    Returns
    -------
    float

    Examples
    --------
    >>> import numpy as np, pinvx
    >>> pinvx.default_rtol(np.ones((1000, 10), dtype=np.float32)) == 1000 * 2.0**-23
    True
    """
    m = arguments.matrix(a, "default_rtol")
    return default(m.a.shape, m.known)
