"""Derivatives of the pseudoinverse and of least squares, written once for every library.

Each function of arrays is a rule: its value, its forward-mode derivative (jvp) and its
reverse-mode derivative (vjp), in plain namespace operations, so that each can be differentiated
again. The closed forms are those of Golub & Pereyra, *The differentiation of pseudo-inverses and
nonlinear least squares problems whose variables separate*, SIAM J. Numer. Anal. 10 (1973), 413–432.
They hold wherever the rank of A is constant in a neighbourhood, repeated and zero singular values
included; the derivatives of `svd` and `eigh` divide by σᵢ² − σⱼ² and are never used.

Cotangents follow PyTorch: the change of a real loss is dL = Re⟨G, dX⟩ with ⟨G, H⟩ = tr(GᴴH).

Products are ordered so that nothing of shape M×M (for M ≥ N) or N×N (for M < N) appears.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

from ._adapter import Adapter
from ._factor._factor import Factor, ranks, solve
from ._factor._ladder import is_small, ladder, ladder_of_pinv
from ._factor._least_squares import factors, least_squares
from ._factor._seminormal import corrected
from ._factor._svd import svd, svd_of_pinv
from ._typing import Array

Algorithm: TypeAlias = Callable[[Adapter, Array, Any, Any], Factor]


# The algorithms that do better if nothing but A⁺ is wanted.
_OF_PINV: dict[Algorithm, Algorithm] = {ladder: ladder_of_pinv, svd: svd_of_pinv}


@dataclass(frozen=True)
class Pinv:
    """(A, rtol, atol) -> (A⁺, rank)."""

    algorithm: Algorithm
    hermitian: bool = False
    rank: bool = True
    """Whether to return the rank. If not, a number or None stands in its place: what is known
    without an operation, for the derivatives."""

    differentiable = (True, False)

    def decomposes(self, lib: Adapter, a: Array, *_: Any) -> bool:
        """Tell whether one matrix is decomposed, and little else is to do."""
        return a.ndim == 2 and decomposed(self.algorithm, lib, a)

    def value(
        self, lib: Adapter, a: Array, rtol: Any, atol: Any
    ) -> tuple[Array, Array | int | None]:
        """Compute A⁺ and the rank of A."""
        algorithm = _OF_PINV.get(self.algorithm, self.algorithm)
        factor = algorithm(lib, a, rtol, atol)
        x = factor.pinv(lib)
        if self.hermitian:
            x = 0.5 * x + 0.5 * lib.adjoint(x)
        if self.rank:
            return x, ranks(lib, factor.rank, a)
        return x, factor.rank if isinstance(factor.rank, int) else None

    def jvp(
        self,
        lib: Adapter,
        inputs: tuple[Any, ...],
        outputs: tuple[Array, ...],
        tangents: tuple[Any, ...],
    ) -> tuple[Array | None, None]:
        """Return dX for dA."""
        da = tangents[0]
        return (None if da is None else pinv_jvp(lib, inputs[0], outputs[0], outputs[1], da)), None

    def vjp(
        self,
        lib: Adapter,
        inputs: tuple[Any, ...],
        outputs: tuple[Array, ...],
        cotangents: tuple[Any, ...],
        needed: tuple[bool, ...],
    ) -> tuple[Array | None, None, None]:
        """Return Ā for the cotangent of X."""
        g = cotangents[0]
        if g is None or not needed[0]:
            return None, None, None
        return pinv_vjp(lib, inputs[0], outputs[0], outputs[1], g), None, None


def pinv_jvp(lib: Adapter, a: Array, x: Array, rank: Any, da: Array) -> Array:
    """Return the derivative of X = A⁺ in the direction dA.

    dX = −X dA X + X Xᴴ dAᴴ (I − A X) + (I − X A) dAᴴ Xᴴ X  (Golub & Pereyra 1973, eq. 4.12).
    For M ≥ N, P = X dA and W = X Xᴴ, which are N×N, this is
    dX = W dAᴴ − (P + W dAᴴ A − (I − X A) Pᴴ) X.
    Of full column rank X A = I, and if A is square, too, dX = −P X.
    """
    h, dot = lib.adjoint, lib.matmul
    m, n = a.shape[-2:]
    if m < n:
        return h(pinv_jvp(lib, h(a), h(x), rank, h(da)))
    p = dot(x, da)
    full = isinstance(rank, int) and rank == n
    if full and m == n:
        return -dot(p, x)
    dah, w = h(da), lib.gramian(h(x))
    inner = p + dot(w, dot(dah, a))
    if not full:
        ph = h(p)
        inner = inner - ph + dot(dot(x, a), ph)
    return dot(w, dah) - dot(inner, x)


def pinv_vjp(lib: Adapter, a: Array, x: Array, rank: Any, g: Array) -> Array:
    """Return the cotangent of A for the cotangent G of X = A⁺.

    Ā = −Xᴴ G Xᴴ + (I − A X) Gᴴ X Xᴴ + Xᴴ X Gᴴ (I − X A), the adjoint of `pinv_jvp`.
    For M ≥ N, T = X Gᴴ and W = X Xᴴ, which are N×N, and with Xᴴ = A W this is
    Ā = Gᴴ W − A (T W + W Tᴴ − W T (I − X A)).
    Of full column rank X A = I, and if A is square, too, Ā = −Xᴴ Tᴴ.
    """
    h, dot = lib.adjoint, lib.matmul
    m, n = a.shape[-2:]
    if m < n:
        return h(pinv_vjp(lib, h(a), h(x), rank, h(g)))
    xh, gh = h(x), h(g)
    t = dot(x, gh)
    full = isinstance(rank, int) and rank == n
    if full and m == n:
        return -dot(xh, h(t))
    w = lib.gramian(xh)
    # T W is of the size of ‖X‖³, and Ā of ‖X‖², which is all that has to be representable.
    size = _size(lib, w)
    t = t / size
    tw = dot(t, w)
    inner = tw + h(tw)
    if not full:
        wt = dot(w, t)
        inner = inner - wt + dot(wt, dot(x, a))
    return dot(gh, w) - dot(a, inner) * size


def _size(lib: Adapter, w: Array) -> Array:
    """Return ‖X‖_F, shape (..., 1, 1), given X Xᴴ; no zero, of which the root has no derivative."""
    xp, known = lib.xp, lib.precision(w.dtype)
    assert known is not None  # checked at the call
    diagonal = xp.linalg.diagonal(w)
    # A dimension is kept: `torch.func.jvp` makes a double of what has none and meets a number.
    squares = xp.sum(xp.real(diagonal) if known.is_complex else diagonal, axis=-1, keepdims=True)
    return xp.sqrt(squares + 2.0 ** (2 - known.exponents))[..., None]


@dataclass(frozen=True)
class Factorize:
    """(A, rtol, atol) -> (W, Z, rank, σ) with A⁺ = W Zᴴ; None for W or Z is the identity.

    The rules that apply W and Z know what they are made of, and differentiate with respect to A.
    But JAX transposes what is linear, and a product with W Zᴴ that was transposed knows no rule:
    its derivative (that is, the Hessian) needs those of W and Z. They are not unique, and any
    pair with dW Zᴴ + W dZᴴ = dX will do, since W and Z are used in this product alone.
    """

    algorithm: Algorithm

    differentiable = (True, True, False, False)

    def decomposes(self, lib: Adapter, a: Array, *_: Any) -> bool:
        """Tell whether one matrix is decomposed, and little else is to do."""
        return a.ndim == 2 and decomposed(self.algorithm, lib, a)

    def value(self, lib: Adapter, a: Array, rtol: Any, atol: Any) -> tuple[Array, ...]:
        """Compute the factored form of A⁺."""
        w, z, rank, s = self.algorithm(lib, a, rtol, atol)
        return w, z, ranks(lib, rank, a), s

    def jvp(
        self,
        lib: Adapter,
        inputs: tuple[Any, ...],
        outputs: tuple[Array, ...],
        tangents: tuple[Any, ...],
    ) -> tuple[Array | None, ...]:
        """Return dW and dZ for dA.

        The three terms of `pinv_jvp` with X = W Zᴴ, each shared out to one side:
        dW = −W Zᴴ dA W + (I − X A) dAᴴ Z WᴴW and dZ = (I − A X) dA W ZᴴZ.
        """
        a, da = inputs[0], tangents[0]
        w, z, *_ = outputs
        if da is None:
            return (None,) * 4
        h, dot = lib.adjoint, lib.matmul
        if z is None:
            return pinv_jvp(lib, a, w, None, da), None, None, None
        if w is None:
            return None, h(pinv_jvp(lib, a, h(z), None, da)), None, None
        u = dot(dot(h(da), z), dot(h(w), w))
        v = dot(dot(da, w), dot(h(z), z))
        dw = u - dot(w, dot(h(z), dot(a, u)) + dot(h(z), dot(da, w)))
        dz = v - dot(a, dot(w, dot(h(z), v)))
        return dw, dz, None, None

    def vjp(self, *_: Any) -> tuple[None, ...]:
        """Return nothing: `Solve` sends what there is to A itself."""
        return (None,) * 3


@dataclass(frozen=True)
class Solve:
    """(A, b, W, Z) -> (A⁺b,), given A⁺ = W Zᴴ; None for W or Z is the identity.

    Derivatives need A⁺ and A⁺ᴴ only, so they are made of this same rule: one factorization serves
    the derivatives of every order. All inputs have the same number of dimensions.
    """

    steps: int
    """How often to solve again for what is left of b, which a decomposition does not need."""
    normal: bool = False
    """Whether R⁻¹ of the normal equations is given as W, or as Z if A is wide, see `corrected`."""
    full: bool = False
    """Whether A is known to have full rank, so that what belongs to its null spaces vanishes."""

    differentiable = (True,)

    def decomposes(self, *_: Any) -> bool:
        """Return False: products alone."""
        return False

    def value(
        self, lib: Adapter, a: Array, b: Array, w: Array | None, z: Array | None
    ) -> tuple[Array]:
        """Compute A⁺b."""
        if not self.normal:
            return (solve(lib, a, b, w, z, self.steps),)
        t = z if w is None else w
        assert t is not None  # one of the two is given
        wide = a.shape[-2] < a.shape[-1]
        return (corrected(lib, lib.adjoint(a) if wide else a, b, t, wide, self.steps),)

    def jvp(
        self,
        lib: Adapter,
        inputs: tuple[Any, ...],
        outputs: tuple[Array, ...],
        tangents: tuple[Any, ...],
    ) -> tuple[Array | None]:
        """Return dx for dA and db.

        dx = A⁺(db − dA x) + A⁺A⁺ᴴ dAᴴ r + (I − A⁺A) dAᴴ A⁺ᴴ x with r = b − A x, from the
        derivative of A⁺ applied to b; with u = dAᴴ A⁺ᴴ x two of the products with A⁺ become one.
        The second term vanishes at full row rank, and the third at full column rank.
        """
        a, b, w, z = inputs
        (x,) = outputs
        da, db, *_ = tangents
        if da is None:
            return (None if db is None else self._solve(lib, a, db, w, z),)
        h, dot = lib.adjoint, lib.matmul
        right = -dot(da, x) if db is None else db - dot(da, x)
        if not self._has_full(a, 0):
            r = b - dot(a, x)
            right = right + self._solve(lib, h(a), dot(h(da), r), z, w)
        if self._has_full(a, 1):
            return (self._solve(lib, a, right, w, z),)
        u = dot(h(da), self._solve(lib, h(a), x, z, w))
        return (u + self._solve(lib, a, right - dot(a, u), w, z),)

    def vjp(
        self,
        lib: Adapter,
        inputs: tuple[Any, ...],
        outputs: tuple[Array, ...],
        cotangents: tuple[Any, ...],
        needed: tuple[bool, ...],
    ) -> tuple[Array | None, ...]:
        """Return Ā and b̄ for the cotangent g of x."""
        a, b, w, z = inputs
        (x,), (g,) = outputs, cotangents
        if g is None:
            return (None,) * 4
        return (*self.vjp_of_fit(lib, (a, b, x, w, z), g, None, needed), None, None)

    def vjp_of_fit(
        self,
        lib: Adapter,
        known: tuple[Any, ...],
        g: Array,
        g_squares: Array | None,
        needed: tuple[bool, ...],
    ) -> tuple[Array | None, Array | None]:
        """Return Ā and b̄ for the cotangents of x and of ‖b − A x‖², given A, b, x, W and Z.

        b̄ = y + 2 r c and Ā = −b̄ xᴴ + r (A⁺y)ᴴ + (A⁺ᴴx) qᴴ, with y = A⁺ᴴg, r = b − A x,
        q = g − A⁺A g = g − Aᴴy and c for the cotangent of ‖r‖². At full row rank r = 0, and at full
        column rank q = 0. Ā is one product, so that it is written once.
        """
        a, b, x, w, z = known
        h, dot, k = lib.adjoint, lib.matmul, x.shape[-1]
        rows, columns = self._has_full(a, 0), self._has_full(a, 1)
        if columns or not needed[0]:
            y = self._solve(lib, h(a), g, z, w)
        else:
            both = self._solve(lib, h(a), lib.xp.concat([g, x], axis=-1), z, w)
            y, u = both[..., :k], both[..., k:]
        b_bar = y
        if not rows and (needed[0] or g_squares is not None):
            r = b - dot(a, x)
            if g_squares is not None:
                b_bar = y + 2.0 * r * g_squares[..., None, :]
        if not needed[0]:
            return None, sum_to(lib, b_bar, b.shape)
        left, right = [-b_bar], [x]
        if not rows:
            left, right = [*left, r], [*right, self._solve(lib, a, y, w, z)]
        if not columns:
            left, right = [*left, u], [*right, g - dot(h(a), y)]
        if len(left) > 1:
            left, right = ([lib.xp.concat(x, axis=-1)] for x in (left, right))
        a_bar = dot(left[0], h(right[0]))
        return sum_to(lib, a_bar, a.shape), sum_to(lib, b_bar, b.shape) if needed[1] else None

    def _has_full(self, a: Array, axis: int) -> bool:
        """Tell whether A is known to have full row rank (axis 0), or full column rank (axis 1)."""
        m, n = a.shape[-2:]
        return self.full and (m <= n if axis == 0 else n <= m)

    def _solve(self, lib: Adapter, a: Array, b: Array, w: Array | None, z: Array | None) -> Array:
        """Return A⁺b, differentiable with respect to A and b."""
        return lib.differentiable(self, a, b, w, z)[0]


@dataclass(frozen=True)
class Residuals:
    """(A, b, x) -> (‖b − A x‖² for each column,), where x minimises it.

    Danskin's theorem: at a minimum, the way in which x depends on A and b does not matter to
    first order, so d‖r‖² = 2 Re⟨r, db − dA x⟩ and no equations have to be solved. The second
    derivative follows, since x and r stand in this formula as the functions that they are.
    """

    differentiable = (True,)

    def decomposes(self, *_: Any) -> bool:
        """Return False: products alone."""
        return False

    def value(self, lib: Adapter, a: Array, b: Array, x: Array) -> tuple[Array]:
        """Compute the squared 2-norms of the columns of b − A x."""
        r = b - lib.matmul(a, x)
        return (_real_dot(lib, r, r),)

    def jvp(
        self,
        lib: Adapter,
        inputs: tuple[Any, ...],
        outputs: tuple[Array, ...],
        tangents: tuple[Any, ...],
    ) -> tuple[Array | None]:
        """Return d‖r‖²."""
        del outputs
        a, b, x = inputs
        da, db, _ = tangents
        if da is None and db is None:
            return (None,)
        r = b - lib.matmul(a, x)
        dr = db if da is None else -lib.matmul(da, x) if db is None else db - lib.matmul(da, x)
        return (2.0 * _real_dot(lib, r, dr),)

    def vjp(
        self,
        lib: Adapter,
        inputs: tuple[Any, ...],
        outputs: tuple[Array, ...],
        cotangents: tuple[Any, ...],
        needed: tuple[bool, ...],
    ) -> tuple[Array | None, ...]:
        """Return Ā = −2 r g xᴴ and b̄ = 2 r g."""
        del outputs
        a, b, x = inputs
        (g,) = cotangents
        if g is None:
            return (None,) * 3
        b_bar = 2.0 * (b - lib.matmul(a, x)) * g[..., None, :]
        a_bar = -lib.matmul(b_bar, lib.adjoint(x)) if needed[0] else None
        return (
            None if a_bar is None else sum_to(lib, a_bar, a.shape),
            sum_to(lib, b_bar, b.shape) if needed[1] else None,
            None,
        )


@dataclass(frozen=True)
class Lstsq:
    """(A, b, rtol, atol) -> (x, ‖b − A x‖² for each column, rank, σ).

    Where derivatives may be asked for it is composed of the rules above, which keep A⁺ in factored
    form. Otherwise nothing is kept, and σ is None.
    """

    algorithm: Algorithm

    def value(
        self, lib: Adapter, a: Array, b: Array, rtol: Any, atol: Any
    ) -> tuple[Array, Array, Array, Array | None]:
        """Solve without a derivative."""
        traced_batch = a.ndim > 2 and not lib.readable(a)  # `traced` mends single matrices
        if self.algorithm is svd or traced_batch or a.shape[:-2] != b.shape[:-2]:
            return self.composed(lib, a, b, rtol, atol)
        b = _marked(b)
        solved = least_squares(lib, a, b, rtol, atol)
        return solved.x, solved.squares, solved.rank, None

    def composed(
        self, lib: Adapter, a: Array, b: Array, rtol: Any, atol: Any
    ) -> tuple[Array, Array, Array, Array | None]:
        """Solve by rules that have derivatives."""
        b = _marked(b)
        w, z, rank, s = lib.constant(Factorize(self.algorithm), a, rtol, atol)
        (x,) = lib.differentiable(solve_of(self.algorithm, lib, a), a, b, w, z)
        (residuals,) = lib.differentiable(Residuals(), a, b, x)
        return x, residuals, rank, s

    @property
    def kept(self) -> KeptLstsq:
        """The same as one rule that has derivatives, where values can be read."""
        return KeptLstsq(self.algorithm)


def decomposed(algorithm: Algorithm, lib: Adapter, a: Array) -> bool:
    """Tell whether this algorithm takes the singular value decomposition of A at once."""
    return algorithm is svd or (algorithm is ladder and lib.readable(a) and is_small(lib, a))


def solve_of(algorithm: Algorithm, lib: Adapter, a: Array) -> Solve:
    """Return the rule for what `Factorize` makes of A by this algorithm."""
    return Solve(steps=0 if decomposed(algorithm, lib, a) else 1)


@dataclass(frozen=True)
class KeptLstsq:
    """(A, b, rtol, atol) -> (x, ‖b − A x‖² for each column, rank, σ, W, Z, the rule that has them).

    `Lstsq`, and with it what its derivatives need.
    """

    algorithm: Algorithm

    differentiable = (True, True, False, False, False, False, False)

    def decomposes(self, *_: Any) -> bool:
        """Return False: of a small A the products with b take as long."""
        return False

    def value(self, lib: Adapter, a: Array, b: Array, rtol: Any, atol: Any) -> tuple[Any, ...]:
        """Factorize and solve."""
        b = _marked(b)
        if self.algorithm is svd:
            factor, steps, normal = svd(lib, a, rtol, atol), 0, False
        else:
            factor, steps, normal = factors(lib, a, rtol, atol)
        w, z, rank, s = factor
        rule = Solve(steps, normal, full=isinstance(rank, int) and rank == min(a.shape[-2:]))
        (x,) = rule.value(lib, a, b, w, z)
        (squares,) = Residuals().value(lib, a, b, x)
        return x, squares, ranks(lib, rank, a), s, w, z, rule

    def jvp(
        self,
        lib: Adapter,
        inputs: tuple[Any, ...],
        outputs: tuple[Any, ...],
        tangents: tuple[Any, ...],
    ) -> tuple[Array | None, ...]:
        """Return dx and d‖r‖²."""
        (a, b, *_), (x, _, _, _, w, z, rule) = inputs, outputs
        known = *tangents[:2], None, None
        (dx,) = rule.jvp(lib, (a, b, w, z), (x,), known)
        (dsquares,) = Residuals().jvp(lib, (a, b, x), (), known[:3])
        return dx, dsquares, None, None, None, None, None

    def vjp(
        self,
        lib: Adapter,
        inputs: tuple[Any, ...],
        outputs: tuple[Any, ...],
        cotangents: tuple[Any, ...],
        needed: tuple[bool, ...],
    ) -> tuple[Array | None, ...]:
        """Return Ā and b̄."""
        (a, b, *_), (x, _, _, _, w, z, rule) = inputs, outputs
        g, g_squares = cotangents[:2]
        if g is None:
            bars = Residuals().vjp(lib, (a, b, x), (), (g_squares,), (*needed[:2], False))[:2]
        else:
            bars = rule.vjp_of_fit(lib, (a, b, x, w, z), g, g_squares, needed)
        return *bars, None, None


def _marked(b: Array) -> Array:
    """Return b with NaN for an infinity: a solution would have infinities of unknown signs."""
    return b + (b - b)


def _real_dot(lib: Adapter, x: Array, y: Array) -> Array:
    """Return Re(xᴴy) for each pair of columns."""
    product = lib.xp.vecdot(x, y, axis=-2)
    known = lib.precision(product.dtype)
    return lib.xp.real(product) if known is not None and known.is_complex else product


def sum_to(lib: Adapter, g: Array, shape: tuple[int, ...]) -> Array:
    """Add up the cotangent of an array that was broadcast from `shape`, of the same ndim."""
    axes = tuple(i for i, n in enumerate(shape) if n == 1 and g.shape[i] != 1)
    return lib.xp.sum(g, axis=axes, keepdims=True) if axes else g
