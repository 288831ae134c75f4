"""The derivatives as public functions, for libraries without automatic differentiation.

They are the rules that PyTorch's and JAX's derivatives use; the mathematics is in
`_derivative.py`.
"""

from __future__ import annotations

from typing import Any

from . import _arguments as arguments
from ._derivative import Factorize, Residuals, Solve, solve_of
from ._derivative import pinv_jvp as _pinv_jvp
from ._derivative import pinv_vjp as _pinv_vjp
from ._factor._eigh import from_lower_triangle
from ._linalg import pinv
from ._tolerance import tolerances
from ._typing import Array, Tolerance


def pinv_jvp(
    a: Array,
    da: Array,
    /,
    *,
    x: Array | None = None,
    rtol: Tolerance | None = None,
    atol: Tolerance | None = None,
    rcond: Tolerance | None = None,
    hermitian: bool = False,
    method: str = "auto",
) -> Array:
    """Return the derivative of ``pinv(a)`` in the direction `da` (forward mode).

    dX = −X dA X + X Xᴴ dAᴴ (I − A X) + (I − X A) dAᴴ Xᴴ X, where the rank of A is constant.

    Parameters
    ----------
    a : array, shape (..., M, N)
        As for `pinv`.
    da : array, shape (..., M, N)
        The direction.
    x : array, shape (..., N, M), optional
        ``pinv(a)`` with the same options, if it is at hand; it saves the factorization.
    rtol, atol, rcond, hermitian, method
        As for `pinv`.

    Returns
    -------
    array, shape (..., N, M)

    Raises
    ------
    TypeError, ValueError
        As `pinv`, and if `da` or `x` does not go with `a`.

    References
    ----------
    .. [1] G. H. Golub, V. Pereyra, "The differentiation of pseudo-inverses and nonlinear least
       squares problems whose variables separate", SIAM J. Numer. Anal. 10 (1973), eq. 4.12.

    Examples
    --------
    d(1/a) = −da/a².

    >>> import numpy as np, pinvx
    >>> pinvx.pinv_jvp(np.asarray([[2.0]]), np.asarray([[1.0]]))
    array([[-0.25]])
    """
    options = {"rtol": rtol, "atol": atol, "rcond": rcond, "method": method}
    m, x = _matrix_and_pinv(a, x, "pinv_jvp", hermitian=hermitian, **options)
    da = arguments.companion(m, da, tuple(m.a.shape), "pinv_jvp", "da")
    if hermitian:
        da = from_lower_triangle(m.lib, da)
    with m.lib.quiet():
        return arguments.astype(m.lib, _pinv_jvp(m.lib, m.a, x, None, da), m.dtype)


def pinv_vjp(
    a: Array,
    g: Array,
    /,
    *,
    x: Array | None = None,
    rtol: Tolerance | None = None,
    atol: Tolerance | None = None,
    rcond: Tolerance | None = None,
    hermitian: bool = False,
    method: str = "auto",
) -> Array:
    """Return the cotangent of `a` for the cotangent `g` of ``pinv(a)`` (reverse mode).

    Ā = −Xᴴ G Xᴴ + (I − A X) Gᴴ X Xᴴ + Xᴴ X Gᴴ (I − X A), where the rank of A is constant. No
    matrix larger than A is formed.

    Parameters
    ----------
    a : array, shape (..., M, N)
        As for `pinv`.
    g : array, shape (..., N, M)
        The gradient of a real loss with respect to the pseudoinverse, in the sense that the loss
        changes by Re⟨G, dX⟩ (PyTorch's convention for complex numbers; the conjugate of JAX's).
    x : array, shape (..., N, M), optional
        ``pinv(a)`` with the same options, if it is at hand; it saves the factorization.
    rtol, atol, rcond, method
        As for `pinv`.
    hermitian : bool
        As for `pinv`; the gradient then stands in the lower triangle, which alone is read.

    Returns
    -------
    array, shape (..., M, N)

    Raises
    ------
    TypeError, ValueError
        As `pinv`, and if `g` or `x` does not go with `a`.

    References
    ----------
    .. [1] The adjoint of the formula in `pinv_jvp`.

    Examples
    --------
    >>> import numpy as np, pinvx
    >>> pinvx.pinv_vjp(np.asarray([[2.0]]), np.asarray([[1.0]]))
    array([[-0.25]])
    """
    options = {"rtol": rtol, "atol": atol, "rcond": rcond, "method": method}
    m, x = _matrix_and_pinv(a, x, "pinv_vjp", hermitian=hermitian, **options)
    g = arguments.companion(m, g, tuple(x.shape), "pinv_vjp", "g")
    with m.lib.quiet():
        a_bar = _pinv_vjp(m.lib, m.a, x, None, g)
    if hermitian:
        # The adjoint of `from_lower_triangle`: what fell on the upper triangle comes back.
        xp = m.lib.xp
        both = a_bar + m.lib.adjoint(a_bar)
        diagonal = xp.eye(both.shape[-1], dtype=xp.bool, device=m.lib.device(both))
        a_bar = xp.where(diagonal, 0.5 * both, xp.tril(both))
    return arguments.astype(m.lib, a_bar, m.dtype)


def lstsq_jvp(
    a: Array,
    b: Array,
    da: Array,
    db: Array,
    /,
    *,
    rtol: Tolerance | None = None,
    atol: Tolerance | None = None,
    rcond: Tolerance | None = None,
    method: str = "auto",
) -> tuple[Array, Array]:
    """Return the derivative of ``lstsq(a, b)`` in the direction `da`, `db` (forward mode).

    dx = A⁺(db − dA x) + A⁺A⁺ᴴ dAᴴ r + (I − A⁺A) dAᴴ A⁺ᴴ x with r = b − A x, and
    d‖r‖² = 2 Re⟨r, db − dA x⟩, where the rank of A is constant.

    Parameters
    ----------
    a, b : array
        As for `lstsq`.
    da, db : array
        The direction, in the shapes of `a` and `b`.
    rtol, atol, rcond, method
        As for `lstsq`.

    Returns
    -------
    dx, dresiduals : array
        In the shapes of `x` and `residuals` of `LstsqResult`.

    Raises
    ------
    TypeError, ValueError
        As `lstsq`, and if `da` does not go with `a` or `db` with `b`.

    References
    ----------
    .. [1] Golub & Pereyra (1973), as for `pinv_jvp`; d‖r‖² by Danskin's theorem.

    Examples
    --------
    >>> import numpy as np, pinvx
    >>> a, b = np.asarray([[1.0], [1.0]]), np.asarray([1.0, 3.0])
    >>> dx, dresiduals = pinvx.lstsq_jvp(a, b, 0 * a, np.asarray([1.0, 0.0]))
    >>> dx, round(float(dresiduals), 12)  # the mean moves by 1/2, the squared residual by −2
    (array([0.5]), -2.0)
    """
    e, solve, inputs, x = _solved(
        a, b, "lstsq_jvp", rtol=rtol, atol=atol, rcond=rcond, method=method
    )
    lib, a, dtype, known = e.matrix
    a_shape = (*e.batch, *a.shape[-2:])
    da = _expanded(e, da, tuple(a.shape), a_shape, "da", "lstsq_jvp")
    db = _expanded(e, db, tuple(e.b.shape), e.b_shape, "db", "lstsq_jvp")
    with lib.quiet():
        (dx,) = solve.jvp(lib, inputs, (x,), (da, db, None, None))
        (dresiduals,) = Residuals().jvp(lib, (a, e.b, x), (), (da, db, None))
    if e.is_vector:
        dx, dresiduals = dx[..., 0], dresiduals[..., 0]  # type: ignore[index]  # da is no None
    real = known.real if known.compute == dtype else dtype
    return arguments.astype(lib, dx, dtype), arguments.astype(lib, dresiduals, real)


def lstsq_vjp(
    a: Array,
    b: Array,
    g: Array,
    residuals_bar: Array | None = None,
    /,
    *,
    rtol: Tolerance | None = None,
    atol: Tolerance | None = None,
    rcond: Tolerance | None = None,
    method: str = "auto",
) -> tuple[Array, Array]:
    """Return the cotangents of `a` and `b` for those of ``lstsq(a, b)`` (reverse mode).

    b̄ = y and Ā = −y xᴴ + r (A⁺y)ᴴ + (A⁺ᴴx) qᴴ with y = A⁺ᴴg, r = b − A x, q = g − Aᴴy, where
    the rank of A is constant; the residuals add 2 r ρ̄ to b̄ and −2 r ρ̄ xᴴ to Ā.

    Parameters
    ----------
    a, b : array
        As for `lstsq`.
    g : array
        The cotangent of `x`, in its shape.
    residuals_bar : array, optional
        The cotangent of `residuals`, in its shape; None means zero.
    rtol, atol, rcond, method
        As for `lstsq`.

    Returns
    -------
    a_bar, b_bar : array
        In the shapes of `a` and `b`.

    Raises
    ------
    TypeError, ValueError
        As `lstsq`, and if a cotangent does not go with its output.

    References
    ----------
    .. [1] Golub & Pereyra (1973), as for `pinv_jvp`; the residuals by Danskin's theorem.

    Examples
    --------
    >>> import numpy as np, pinvx
    >>> a, b = np.asarray([[1.0], [1.0]]), np.asarray([1.0, 3.0])
    >>> a_bar, b_bar = pinvx.lstsq_vjp(a, b, np.asarray([1.0]))
    >>> b_bar
    array([0.5, 0.5])
    """
    e, solve, inputs, x = _solved(
        a, b, "lstsq_vjp", rtol=rtol, atol=atol, rcond=rcond, method=method
    )
    lib, a_, dtype, _ = e.matrix
    columns = e.b.shape[-1]
    shape = tuple(x.shape)
    g = _expanded(e, g, shape, shape[:-1] if e.is_vector else shape, "g", "lstsq_vjp")
    needed = (True, True, False, False)
    with lib.quiet():
        a_bar, b_bar, *_ = solve.vjp(lib, inputs, (x,), (g,), needed)
    if residuals_bar is not None:
        batch = shape[:-2]
        full = (*batch, columns)
        public = batch if e.is_vector else full
        rho = _expanded(e, residuals_bar, full, public, "residuals_bar", "lstsq_vjp")
        with lib.quiet():
            a_more, b_more, _ = Residuals().vjp(lib, (a_, e.b, x), (), (rho,), needed[:3])
            a_bar, b_bar = a_bar + a_more, b_bar + b_more  # type: ignore[operator]  # both needed
    xp = lib.xp
    return (
        arguments.astype(lib, xp.reshape(a_bar, tuple(a.shape)), dtype),
        arguments.astype(lib, xp.reshape(b_bar, tuple(b.shape)), dtype),
    )


def _matrix_and_pinv(
    a: Array, x: Array | None, function: str, *, hermitian: bool, **options: Any
) -> tuple[arguments.Matrix, Array]:
    m = arguments.matrix(a, function)
    if hermitian:
        arguments.square(m, function)
        m = m._replace(a=from_lower_triangle(m.lib, m.a))
    shape = (*m.a.shape[:-2], m.a.shape[-1], m.a.shape[-2])
    if x is None:
        x = pinv(m.a, hermitian=hermitian, **options)
    return m, arguments.companion(m, x, shape, function, "x")


def _solved(
    a: Array, b: Array, function: str, *, method: str, **options: Any
) -> tuple[arguments.Equations, Solve, tuple[Any, ...], Array]:
    e = arguments.equations(a, b, function)
    lib, a, _, known = e.matrix
    rtol, atol = tolerances(lib, a, known, function, **options)
    algorithm = arguments.algorithm(arguments.GENERAL, method, function)
    with lib.quiet():
        w, z, *_ = lib.constant(Factorize(algorithm), a, rtol, atol)
        solve, inputs = solve_of(algorithm, lib, a), (a, e.b, w, z)
        return e, solve, inputs, lib.differentiable(solve, *inputs)[0]


def _expanded(
    e: arguments.Equations,
    x: Array,
    shape: tuple[int, ...],
    public: tuple[int, ...],
    name: str,
    function: str,
) -> Array:
    """Accept `x` in the shape that the caller sees, and return it in the shape computed in."""
    x = arguments.companion(e.matrix, x, public, function, name)
    return e.matrix.lib.xp.reshape(x, shape)
