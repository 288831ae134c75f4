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

from dataclasses import dataclass
from typing import Any, ClassVar

from ._adapter import Adapter, Rule
from ._climb import climb
from ._factor import Factor, Solution, apply, ranks, residual_squares
from ._methods._eigh import eigh
from ._methods._minimum_norm import solution
from ._methods._svd import svd_factor
from ._plan import is_tiny
from ._problem import Problem, Wanted
from ._tolerance import cutoff
from ._typing import Array, Parts


@dataclass(frozen=True)
class Pinv(Rule):
    """(A, rtol, atol) -> (A⁺, rank)."""

    method: str
    hermitian: bool = False
    rank: bool = True
    """Whether to return the rank as an array. If not, the second output is a Python number where
    the rank is known anyway, for the derivatives, and None elsewhere."""

    arrays: ClassVar = ("a",)
    tolerances: ClassVar = ("rtol", "atol")
    differentiable: ClassVar = (True, False)
    chooses: ClassVar = True

    def value(
        self, lib: Adapter, a: Array, rtol: Any, atol: Any
    ) -> tuple[Array, Array | int | None]:
        """Compute A⁺ and the rank of A."""
        rtol, atol = cutoff(lib, a, rtol, atol)
        x: Array
        factor: Any
        if self.hermitian:
            factor = eigh(Problem(lib, a, rtol, atol, wanted="pinv")).answer()
            x, rank = factor.pinv(lib), factor.rank
            x = 0.5 * x + 0.5 * lib.adjoint(x)
        elif decomposes(self.method, lib, a):
            factor = svd_factor(lib, a, rtol, atol)
            x, rank = factor.pinv(lib), factor.rank
        else:
            (x, rank), _ = climb(Problem(lib, a, rtol, atol, wanted="pinv"), self.method)
        if self.rank:
            return x, ranks(lib, rank, a)
        return x, rank if isinstance(rank, int) else None

    def jvp(self, lib: Adapter, inputs: Parts, outputs: Parts, tangents: Parts) -> Parts:
        """Return dX for dA."""
        da = tangents[0]
        return (None if da is None else pinv_jvp(lib, inputs[0], outputs[0], outputs[1], da)), None

    def vjp(
        self, lib: Adapter, inputs: Parts, outputs: Parts, cotangents: Parts, needed: Parts
    ) -> Parts:
        """Return Ā for the cotangent of X."""
        g = cotangents[0]
        if g is None or not needed[0]:
            return None, None, None
        return pinv_vjp(lib, inputs[0], outputs[0], outputs[1], g), None, None


def decomposes(method: str, lib: Adapter, a: Array) -> bool:
    """Tell whether the SVD is taken at once."""
    return method == "svd" or (method == "auto" and is_tiny(lib, a))


def pinv_jvp(lib: Adapter, a: Array, x: Array, rank: Any, da: Array) -> Array:
    """Return the derivative of X = A⁺ in the direction dA.

    dX = −X dA X + X Xᴴ dAᴴ (I − A X) + (I − X A) dAᴴ Xᴴ X  (Golub & Pereyra 1973, eq. 4.12).
    For M ≥ N, P = X dA and W = X Xᴴ, which are N×N, this is
    dX = W dAᴴ − (P + W dAᴴ A − (I − X A) Pᴴ) X.
    At full column rank X A = I, and if A is also square, dX = −P X.
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
    At full column rank X A = I, and if A is also square, Ā = −Xᴴ Tᴴ.
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
    tw = dot(t, w)
    inner = tw + h(tw)
    if not full:
        wt = dot(w, t)
        inner = inner - wt + dot(wt, dot(x, a))
    return dot(gh, w) - dot(a, inner)


@dataclass(frozen=True)
class Factorize(Rule):
    """(A, rtol, atol) -> (W, Z, rank, σ) with A⁺ = W Zᴴ; None for W or Z is the identity.

    The rules that apply W and Z differentiate with respect to A. But JAX transposes linear
    functions, and a transposed product with W Zᴴ belongs to no rule: its derivative (the Hessian)
    needs dW and dZ. They are not unique. Any pair with dW Zᴴ + W dZᴴ = dX will do, since W and Z
    are used only in this product.
    """

    method: str

    arrays: ClassVar = ("a",)
    tolerances: ClassVar = ("rtol", "atol")
    differentiable: ClassVar = (True, True, False, False)
    chooses: ClassVar = True
    constant: ClassVar = True

    def value(self, lib: Adapter, a: Array, rtol: Any, atol: Any) -> Parts:
        """Compute the factored form of A⁺."""
        w, z, rank, s, _ = factorized(lib, a, rtol, atol, self.method, "factor")
        return w, z, ranks(lib, rank, a), s

    def jvp(self, lib: Adapter, inputs: Parts, outputs: Parts, tangents: Parts) -> Parts:
        """Return dW and dZ for dA.

        The three terms of `pinv_jvp` with X = W Zᴴ, each assigned to one factor:
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
        """Return nothing: `Solve` sends its gradient to A."""
        return (None,) * 3


def factorized(lib: Adapter, a: Array, rtol: Any, atol: Any, method: str, wanted: Wanted) -> Factor:
    """Factorize A, which is finite and of ordinary scale, for any right-hand side."""
    rtol, atol = cutoff(lib, a, rtol, atol)
    if decomposes(method, lib, a):
        return svd_factor(lib, a, rtol, atol)
    factor: Factor
    factor, _ = climb(Problem(lib, a, rtol, atol, wanted=wanted), method)
    return factor


@dataclass(frozen=True)
class Solve(Rule):
    """(A, b, W, Z) -> (A⁺b,), given W and Z of a `Factor`.

    Derivatives need only A⁺ and A⁺ᴴ, so they use this same rule: one factorization serves the
    derivatives of every order. All inputs have the same number of dimensions.
    """

    steps: int
    """How often a solution is corrected."""
    full: bool = False
    """Whether A is known to have full rank, so that the terms of its null spaces vanish."""

    arrays: ClassVar = ("a", "b", "w", "z")
    differentiable: ClassVar = (True,)

    def value(
        self, lib: Adapter, a: Array, b: Array, w: Array | None, z: Array | None
    ) -> tuple[Array]:
        """Compute A⁺b."""
        return (apply(lib, a, b, w, z, self.steps),)

    def jvp(self, lib: Adapter, inputs: Parts, outputs: Parts, tangents: Parts) -> Parts:
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
        self, lib: Adapter, inputs: Parts, outputs: Parts, cotangents: Parts, needed: Parts
    ) -> Parts:
        """Return Ā and b̄ for the cotangent g of x."""
        a, b, w, z = inputs
        (x,), (g,) = outputs, cotangents
        if g is None:
            return (None,) * 4
        return (*self.vjp_of_fit(lib, (a, b, x, w, z), g, None, needed), None, None)

    def vjp_of_fit(
        self,
        lib: Adapter,
        known: Parts,
        g: Array,
        g_squares: Array | None,
        needed: Parts,
    ) -> tuple[Array | None, Array | None]:
        """Return Ā and b̄ for the cotangents of x and of ‖b − A x‖², given A, b, x, W and Z.

        b̄ = y + 2 r c and Ā = −b̄ xᴴ + r (A⁺y)ᴴ + (A⁺ᴴx) qᴴ, with y = A⁺ᴴg, r = b − A x,
        q = g − A⁺A g = g − Aᴴy and c for the cotangent of ‖r‖². At full row rank r = 0, and at full
        column rank q = 0. Ā is formed by one product.
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
class Residuals(Rule):
    """(A, b, x, ‖b − A x‖² or None) -> (‖b − A x‖² for each column,), where x minimises it.

    The value may be known already; the derivatives are those of the formula.
    By Danskin's theorem, at a minimum the change of x does not matter to first order: d‖r‖² = 2
    Re⟨r, db − dA x⟩, and no equations are solved. Second derivatives follow, since x and r in this
    formula are functions of A and b.
    """

    arrays: ClassVar = ("a", "b", "x", "squares")
    differentiable: ClassVar = (True,)

    def value(
        self, lib: Adapter, a: Array, b: Array, x: Array, squares: Array | None
    ) -> tuple[Array]:
        """Compute the squared 2-norms of the columns of b − A x."""
        return (residual_squares(lib, a, b, x) if squares is None else squares,)

    def jvp(self, lib: Adapter, inputs: Parts, outputs: Parts, tangents: Parts) -> Parts:
        """Return d‖r‖²."""
        del outputs
        a, b, x, _ = inputs
        da, db, *_ = tangents
        if da is None and db is None:
            return (None,)
        r = b - lib.matmul(a, x)
        dr = db if da is None else -lib.matmul(da, x) if db is None else db - lib.matmul(da, x)
        return (2.0 * _real_dot(lib, r, dr),)

    def vjp(
        self, lib: Adapter, inputs: Parts, outputs: Parts, cotangents: Parts, needed: Parts
    ) -> Parts:
        """Return Ā = −2 r g xᴴ and b̄ = 2 r g."""
        del outputs
        a, b, x, _ = inputs
        (g,) = cotangents
        if g is None:
            return (None,) * 4
        b_bar = 2.0 * (b - lib.matmul(a, x)) * g[..., None, :]
        a_bar = -lib.matmul(b_bar, lib.adjoint(x)) if needed[0] else None
        return (
            None if a_bar is None else sum_to(lib, a_bar, a.shape),
            sum_to(lib, b_bar, b.shape) if needed[1] else None,
            None,
            None,
        )


@dataclass(frozen=True)
class Lstsq(Rule):
    """(A, b, rtol, atol) -> (x, ‖b − A x‖² for each column, rank, σ), and more if `kept`.

    With derivatives, a library either makes one node that keeps the factorization (`kept`: further
    outputs are W, Z and the rule that applies them), or evaluates it `by_parts`.
    """

    method: str
    singular_values: bool = False
    kept: bool = False

    arrays: ClassVar = ("a", "b")
    tolerances: ClassVar = ("rtol", "atol")
    chooses: ClassVar = True
    composed: ClassVar = True

    @property
    def differentiable(self) -> tuple[bool, ...]:
        """Of x and the residuals."""
        return (True, True, False, False) + (False,) * (3 if self.kept else 0)

    def value(self, lib: Adapter, a: Array, b: Array, rtol: Any, atol: Any) -> Parts:
        """Solve in the fastest way, or factorize and solve."""
        if self.kept:
            factor = factorized(lib, a, rtol, atol, self.method, "kept")
            w, z, rank, s, steps = factor
            rule = Solve(steps, factor.full(a))
            (x,) = rule.value(lib, a, b, w, z)
            squares = residual_squares(lib, a, b, x)
            return x, squares, ranks(lib, rank, a), s, w, z, rule
        known = cutoff(lib, a, rtol, atol)
        found = None
        if a.shape[:-2] != b.shape[:-2]:  # one A for many b: factorize once
            method = "svd" if self.singular_values else self.method
            w, z, rank, s, steps = factorized(lib, a, rtol, atol, method, "kept")
            found = Solution(apply(lib, a, b, w, z, steps), None, rank, s)
        elif decomposes(self.method, lib, a):
            if self.method == "auto" and lib.readable(a):
                found = solution(lib, a, b, *known)
            if found is None:
                w, z, rank, s, steps = svd_factor(lib, a, *known)
                found = Solution(apply(lib, a, b, w, z, steps), None, rank, s)
        else:
            wanted: Any = {"wanted": "solve", "b": b, "singular_values": self.singular_values}
            found, _ = climb(Problem(lib, a, *known, **wanted), self.method)
        squares = found.squares
        if squares is None:
            squares = residual_squares(lib, a, b, found.x)
        return (
            found.x,
            squares,
            ranks(lib, found.rank, a),
            found.s if self.singular_values else None,
        )

    def by_parts(self, lib: Adapter, a: Array, b: Array, rtol: Any, atol: Any) -> Parts:
        """Solve by rules that have derivatives of their own."""
        method = "svd" if self.singular_values else self.method
        w, z, rank, s = lib.differentiable(Factorize(method), a, rtol, atol)
        steps = 0 if decomposes(method, lib, a) else 1
        (x,) = lib.differentiable(Solve(steps), a, b, w, z)
        (squares,) = lib.differentiable(Residuals(), a, b, x, None)
        return x, squares, rank, s if self.singular_values else None

    def keeping(self) -> Lstsq:
        """Return the rule that keeps the factorization."""
        return Lstsq("svd" if self.singular_values else self.method, self.singular_values, True)

    def jvp(self, lib: Adapter, inputs: Parts, outputs: Parts, tangents: Parts) -> Parts:
        """Return dx and d‖r‖², if kept."""
        (a, b, *_), (x, _, _, _, w, z, rule) = inputs, outputs
        known = *tangents[:2], None, None
        (dx,) = rule.jvp(lib, (a, b, w, z), (x,), known)
        (dsquares,) = Residuals().jvp(lib, (a, b, x, None), (), known)
        return dx, dsquares, None, None, None, None, None

    def vjp(
        self, lib: Adapter, inputs: Parts, outputs: Parts, cotangents: Parts, needed: Parts
    ) -> Parts:
        """Return Ā and b̄, if kept."""
        (a, b, *_), (x, _, _, _, w, z, rule) = inputs, outputs
        g, g_squares = cotangents[:2]
        if g is None:
            inputs = a, b, x, None
            bars = Residuals().vjp(lib, inputs, (), (g_squares,), (*needed[:2], False, False))[:2]
        else:
            bars = rule.vjp_of_fit(lib, (a, b, x, w, z), g, g_squares, needed)
        return *bars, None, None


def _real_dot(lib: Adapter, x: Array, y: Array) -> Array:
    """Return Re(xᴴy) for each pair of columns."""
    product = lib.xp.vecdot(x, y, axis=-2)
    known = lib.precision(product.dtype)
    return lib.xp.real(product) if known is not None and known.is_complex else product


def sum_to(lib: Adapter, g: Array, shape: tuple[int, ...]) -> Array:
    """Sum the cotangent of an array that was broadcast from `shape`, of the same ndim."""
    axes = tuple(i for i, n in enumerate(shape) if n == 1 and g.shape[i] != 1)
    return lib.xp.sum(g, axis=axes, keepdims=True) if axes else g
