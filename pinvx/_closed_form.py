"""The derivatives as public functions, for libraries without automatic differentiation.

They are the rules that PyTorch's and JAX's derivatives use; the mathematics is in
`_derivative.py`.
"""

from __future__ import annotations

from typing import Any

from . import _arguments as arguments
from . import _scale as scale
from ._adapter import Adapter
from ._derivative import Pinv, Residuals, Solve, factorized, sum_to
from ._derivative import pinv_jvp as _pinv_jvp
from ._derivative import pinv_vjp as _pinv_vjp
from ._methods._eigh import from_lower_triangle
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
        ``pinv(a)`` with the same options, if it is known: it saves the factorization.
    rtol, atol, rcond, hermitian, method
        As for `pinv`.

    Returns
    -------
    array, shape (..., N, M)

    Raises
    ------
    TypeError, ValueError
        As `pinv`, and if `da` or `x` does not fit `a`.

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
    options: dict[str, Any] = {"rtol": rtol, "atol": atol, "rcond": rcond, "method": method}
    m, rule, inputs = _pinv_call("pinv_jvp", a, x, hermitian=hermitian, **options)
    da = arguments.companion(m, da, tuple(m.a.shape), "pinv_jvp", "da")
    (dx,) = m.lib.run(_jvp_of_pinv, rule, *inputs, da)
    return arguments.rounded(m.lib, m.dtype, dx)[0]


def _jvp_of_pinv(lib: Adapter, rule: Pinv, a: Array, x: Array | None, *inputs: Any) -> tuple[Array]:
    *cutoff, da = inputs
    if rule.hermitian:
        da = from_lower_triangle(lib, da)
    a, x, steps, finite = _inside(lib, rule, a, x, *cutoff)
    dx = _pinv_jvp(lib, a, x, None, scale.leave(lib, da, steps))
    return (scale.leave(lib, dx, steps, finite),)


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
        ``pinv(a)`` with the same options, if it is known: it saves the factorization.
    rtol, atol, rcond, method
        As for `pinv`.
    hermitian : bool
        As for `pinv`. The gradient is then in the lower triangle, the only part that is read.

    Returns
    -------
    array, shape (..., M, N)

    Raises
    ------
    TypeError, ValueError
        As `pinv`, and if `g` or `x` does not fit `a`.

    References
    ----------
    .. [1] The adjoint of the formula in `pinv_jvp`.

    Examples
    --------
    >>> import numpy as np, pinvx
    >>> pinvx.pinv_vjp(np.asarray([[2.0]]), np.asarray([[1.0]]))
    array([[-0.25]])
    """
    options: dict[str, Any] = {"rtol": rtol, "atol": atol, "rcond": rcond, "method": method}
    m, rule, inputs = _pinv_call("pinv_vjp", a, x, hermitian=hermitian, **options)
    shape = (*m.a.shape[:-2], m.a.shape[-1], m.a.shape[-2])
    g = arguments.companion(m, g, shape, "pinv_vjp", "g")
    (a_bar,) = m.lib.run(_vjp_of_pinv, rule, *inputs, g)
    return arguments.rounded(m.lib, m.dtype, a_bar)[0]


def _vjp_of_pinv(lib: Adapter, rule: Pinv, a: Array, x: Array | None, *inputs: Any) -> tuple[Array]:
    *cutoff, g = inputs
    a, x, steps, finite = _inside(lib, rule, a, x, *cutoff)
    a_bar = _pinv_vjp(lib, a, x, None, scale.leave(lib, g, steps))
    if rule.hermitian:
        # The adjoint of `from_lower_triangle` adds the upper triangle to the lower one.
        xp = lib.xp
        both = a_bar + lib.adjoint(a_bar)
        diagonal = xp.eye(both.shape[-1], dtype=xp.bool, device=lib.device(both))
        a_bar = xp.where(diagonal, 0.5 * both, xp.tril(both))
    return (scale.leave(lib, a_bar, steps, finite),)


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
        As `lstsq`, and if `da` does not fit `a` or `db` does not fit `b`.

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
    e = arguments.equations(a, b, "lstsq_jvp")
    m = e.matrix
    da = arguments.companion(m, da, tuple(m.a.shape), "lstsq_jvp", "da")
    db = arguments.companion(m, db, tuple(e.b.shape), "lstsq_jvp", "db")
    options: dict[str, Any] = {"rtol": rtol, "atol": atol, "rcond": rcond, "method": method}
    method, inputs = _lstsq_call("lstsq_jvp", e, **options)
    dx, dresiduals = m.lib.run(_jvp_of_lstsq, method, *inputs, da, db)
    real = m.known.real if m.known.compute == m.dtype else m.dtype
    (dx,), (dresiduals,) = (
        arguments.rounded(m.lib, dtype, x) for dtype, x in ((m.dtype, dx), (real, dresiduals))
    )
    return dx, dresiduals


def _jvp_of_lstsq(
    lib: Adapter, method: str, a: Array, b: Array, *inputs: Any
) -> tuple[Array, Array]:
    *cutoff, da, db = inputs
    is_vector = b.ndim == 1
    system, rule, known = _solved(lib, method, a, b, *cutoff)
    a, b, x, w, z = known
    da, db, _ = arguments.aligned(lib, da, db)
    da = system.of_a(lib, arguments.with_ndim(lib, da, a.ndim))
    db = system.of_b(lib, arguments.with_ndim(lib, db, a.ndim))
    (dx,) = rule.jvp(lib, (a, b, w, z), (x,), (da, db, None, None))
    (dsquares,) = Residuals().jvp(lib, (a, b, x, None), (), (da, db, None, None))
    dx, dsquares = system.of_x(lib, dx), system.of_squares(lib, dsquares)
    dx, dsquares = system.marked(lib, dx, dsquares)
    return (dx[..., 0], dsquares[..., 0]) if is_vector else (dx, dsquares)


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
        As `lstsq`, and if a cotangent does not fit its output.

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
    e = arguments.equations(a, b, "lstsq_vjp")
    m = e.matrix
    batch = arguments.broadcast(tuple(m.a.shape[:-2]), tuple(e.b.shape[:-2]), "lstsq_vjp")
    columns = () if e.is_vector else (e.b.shape[-1],)
    g = arguments.companion(m, g, (*batch, m.a.shape[-1], *columns), "lstsq_vjp", "g")
    if residuals_bar is not None:
        shape = (*batch, *columns)
        residuals_bar = arguments.companion(m, residuals_bar, shape, "lstsq_vjp", "residuals_bar")
    options: dict[str, Any] = {"rtol": rtol, "atol": atol, "rcond": rcond, "method": method}
    method, inputs = _lstsq_call("lstsq_vjp", e, **options)
    a_bar, b_bar = m.lib.run(_vjp_of_lstsq, method, *inputs, g, residuals_bar)
    a_bar, b_bar = arguments.rounded(m.lib, m.dtype, a_bar, b_bar)
    return a_bar, b_bar


def _vjp_of_lstsq(
    lib: Adapter, method: str, a: Array, b: Array, *inputs: Any
) -> tuple[Array, Array]:
    *cutoff, g, g_squares = inputs
    system, rule, known = _solved(lib, method, a, b, *cutoff)
    if b.ndim == 1:
        g, g_squares = g[..., None], None if g_squares is None else g_squares[..., None]
    a_bar, b_bar = rule.vjp_of_fit(lib, known, system.of_x(lib, g), None, (True, True))
    a_bar, b_bar = system.of_a(lib, a_bar), system.of_b(lib, b_bar)
    if g_squares is not None:
        a0, b0, _ = arguments.aligned(lib, a, b)
        there = scale.finite(lib, a0, system.a), scale.finite(lib, b0, system.b)
        x = system.of_x(lib, known[2])
        more = Residuals().vjp(lib, (*there, x, None), (), (g_squares,), (True, True, False, False))
        a_bar, b_bar = a_bar + more[0], b_bar + more[1]  # both are needed
    a_bar = scale.leave(lib, a_bar, None, system.a.finite)
    b_bar = scale.leave(lib, b_bar, None, system.b.finite)
    if system.a.finite is not None:
        # b̄ sums over the matrices that share b: one that is not finite spoils it.
        spoilt = scale.leave(lib, lib.xp.zeros_like(known[2][..., :1, :]), None, system.a.finite)
        b_bar = b_bar + sum_to(lib, spoilt, (*b_bar.shape[:-2], *spoilt.shape[-2:]))
    reshape = lib.xp.reshape
    return reshape(a_bar, tuple(a.shape)), reshape(b_bar, tuple(b.shape))


def _lstsq_call(
    function: str, e: arguments.Equations, method: Any, **options: Any
) -> tuple[str, tuple[Any, ...]]:
    lib, a, _, known = e.matrix
    method = arguments.method(method, "kept", function)
    return method, (a, e.b, *tolerances(lib, a, known, function, **options))


def _solved(
    lib: Adapter, method: str, a: Array, b: Array, rtol: Any, atol: Any
) -> tuple[scale.System, Solve, tuple[Any, ...]]:
    """Return the scales of A and b, the rule that solves, and the scaled A, b, x, W and Z."""
    a, b, (rtol, atol) = arguments.aligned(lib, a, b, rtol, atol)
    system = scale.system(lib, a, b)
    a, b = system.a.x, system.b.x
    atol = scale.tolerance(lib, atol, a, system.a.steps)
    factor = factorized(lib, a, rtol, atol, method, "kept")
    w, z, *_ = factor
    rule = Solve(factor.steps, factor.full(a))
    return system, rule, (a, b, rule.value(lib, a, b, w, z)[0], w, z)


def _pinv_call(
    function: str, a: Array, x: Array | None, *, hermitian: bool, method: Any, **options: Any
) -> tuple[arguments.Matrix, Pinv, tuple[Any, ...]]:
    m = arguments.matrix(a, function)
    if hermitian:
        arguments.square(m, function)
    if x is not None:
        shape = (*m.a.shape[:-2], m.a.shape[-1], m.a.shape[-2])
        x = arguments.companion(m, x, shape, function, "x")
    method = arguments.method(method, "pinv", function, hermitian=hermitian)
    cutoff = tolerances(m.lib, m.a, m.known, function, **options)
    return m, Pinv(method, hermitian, rank=False), (m.a, x, *cutoff)


def _inside(
    lib: Adapter, rule: Pinv, a: Array, x: Array | None, rtol: Any, atol: Any
) -> tuple[Array, Array, Array | None, Array | None]:
    """Return A and A⁺ at ordinary scale, the steps to it, and which matrices are finite."""
    if rule.hermitian:
        a = from_lower_triangle(lib, a)
    a, steps, finite = scale.enter(lib, a)
    if x is None:
        atol = scale.tolerance(lib, atol, a, steps)
        x = lib.differentiable(rule, a, rtol, atol)[0]
    elif steps is not None:
        x = scale.leave(lib, x, -steps)
    return a, x, steps, finite
