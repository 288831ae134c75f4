"""The verbs that a backend may do better, and their defaults in the Array API standard.

The algorithms are written once, against a namespace `xp`. Where a library can do something better
than the standard allows, or must do it differently to be right, they call a verb of `Adapter`.
Every verb has a default, so a library without an adapter of its own uses this class.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any, ClassVar, Protocol

import array_api_compat

from ._dtypes import Precision, precision
from ._errors import describe, sentence
from ._typing import Array, DType, Namespace, Parts


class Rule:
    """A function of arrays that knows its own derivatives.

    Rules are frozen dataclasses, and their fields are static. `value` returns a tuple of arrays. A
    derivative is None for an output that is not differentiable, and for an input that needs no
    gradient. All arrays have the same number of leading batch dimensions, which broadcast. An input
    or a tangent that is not an array (a Python number, None) is passed through.
    """

    arrays: ClassVar[tuple[str, ...]]
    """The names of the array inputs, each of which may be None."""
    tolerances: ClassVar[tuple[str, ...]] = ()
    """The names of the inputs after them: arrays, Python numbers or None."""
    chooses: ClassVar[bool] = False
    """Whether `value` chooses between methods by the values of the arrays."""
    composed: ClassVar[bool] = False
    """Whether the derivatives come from other rules: from `by_parts`, or from `keeping`."""
    constant: ClassVar[bool] = False
    """Whether reverse mode treats the outputs as constants: rules that use them differentiate."""

    @property
    def differentiable(self) -> tuple[bool, ...]:
        """Which outputs have a derivative."""
        raise NotImplementedError

    def value(self, lib: Adapter, *inputs: Any) -> Parts:
        """Compute the outputs."""
        raise NotImplementedError

    def jvp(self, lib: Adapter, inputs: Parts, outputs: Parts, tangents: Parts) -> Parts:
        """Return a tangent for each output; a tangent of None stands for zero."""
        raise NotImplementedError

    def vjp(
        self, lib: Adapter, inputs: Parts, outputs: Parts, cotangents: Parts, needed: Parts
    ) -> Parts:
        """Return a cotangent for each needed input, in the sense dL = Re⟨G, dX⟩."""
        raise NotImplementedError

    def by_parts(self, lib: Adapter, *inputs: Any) -> Parts:
        """Compute the outputs of a composed rule by the rules that it is made of."""
        raise NotImplementedError

    def keeping(self) -> Rule:
        """Return a rule that has more outputs and its own derivatives, and needs no parts."""
        raise NotImplementedError


class Tracer(Protocol):
    """What a library supplies if it compiles programs before values are known."""

    @property
    def slow_svd(self) -> bool:
        """Whether a singular value decomposition takes much longer than matrix products."""

    def sees(self, a: Array) -> bool:
        """Tell whether the lengths of `a` are numbers: the plan compares them."""

    def branch(self, condition: Any, taken: Callable[[], Any], refused: Callable[[], Any]) -> Any:
        """Return the result of `taken` if all of the condition is true, else that of `refused`."""

    def mend(self, p: Any, answer: Any, sound: Array, last: Callable[[Any], Any]) -> Any:
        """Return the answer of a batch, with that of `last` for the items that are not sound.

        `last` takes a `Problem`, which may be a part of the batch.
        """

    def blocks(self, a: Array) -> int:
        """Return how many equal blocks the rows of `a` are best divided into."""


class Adapter:
    """The verbs of one array library, in terms of its Array API namespace.

    Parameters
    ----------
    xp : namespace
        The Array API namespace of the library, as array-api-compat gives it.
    """

    small = 128
    """Below this many entries calls cost more than arithmetic: matrices go straight to the SVD,
    which makes the fewest calls."""

    tracer: Tracer | None = None
    """Set by a library that compiles programs."""

    linear = False
    """Whether a program has to stay linear in b, since JAX transposes it: nothing reads b."""

    def __init__(self, xp: Namespace) -> None:
        self.xp = xp
        self._precisions: dict[DType, Precision | None] = {}

    def precision(self, dtype: DType) -> Precision | None:
        """Return the precision of a supported floating dtype, and None for every other dtype."""
        try:
            return self._precisions[dtype]
        except KeyError:
            known = self._precisions[dtype] = precision(self.xp, dtype)
            return known

    # Inputs.

    def accept(self, x: Array, function: str, name: str) -> Array:
        """Return `x` as a plain array of the library, or raise TypeError or ValueError."""
        if any(not n >= 0 for n in map(_length, x.shape)):
            raise ValueError(
                sentence(
                    f"{function}: `{name}` has shape {tuple(x.shape)}, and the cutoff depends on "
                    "the lengths",
                    f"compute the lengths first ({name}.compute_chunk_sizes() in Dask)",
                )
            )
        return x

    def adopt(self, x: Any, beside: Array) -> Any:
        """Convert an array of another library that this one accepts beside its own."""
        del beside
        return x

    def readable(self, *values: Any) -> bool:
        """Tell whether Python can read the values: not under tracing, not in a lazy graph."""
        del values
        return True

    def on_host(self, a: Array) -> bool:
        """Tell whether the values of `a`, which are readable, cost nothing to read."""
        del a
        return False

    def device(self, x: Array) -> Any:
        """Return the device of `x`, comparable by ==, or None where it cannot be known."""
        return array_api_compat.device(x)

    def double(self, a: Array) -> DType | None:
        """Return the dtype with twice the digits of that of `a`, or None if there is none."""
        known = self.precision(a.dtype)
        return None if known is None else known.double

    # Products.

    def adjoint(self, x: Array) -> Array:
        """Return the conjugate transpose of the last two dimensions."""
        transposed = self.xp.matrix_transpose(x)
        known = self.precision(x.dtype)
        return self.xp.conj(transposed) if known is not None and known.is_complex else transposed

    def matmul(self, x: Array, y: Array) -> Array:
        """Return the product in the full precision of the dtype, whatever the user's settings."""
        return x @ y

    def gramian(self, x: Array, y: Array | None = None) -> Array:
        """Return XᴴX, or XᴴY, for matrices of many rows."""
        return self.matmul(self.adjoint(x), x if y is None else y)

    def squares(self, x: Array, axis: Any = (-2, -1)) -> Any:
        """Return the sum of |x|² over one or both of the last dimensions, in the real dtype.

        For a whole matrix it is a Python number where reading costs nothing.
        """
        xp, known = self.xp, self.precision(x.dtype)
        if known is not None and known.is_complex:
            real, imag = xp.real(x), xp.imag(x)
            return xp.sum(real * real + imag * imag, axis=axis)
        return xp.sum(x * x, axis=axis)

    # Factorizations of finite matrices. Decompositions that do not converge may raise or return
    # NaN. The others never raise because of values.

    def svd(self, x: Array) -> tuple[Array, ...]:
        """Return U, σ and Vᴴ of each matrix, with min(M, N) columns in U."""
        u, s, vh = self.xp.linalg.svd(x, full_matrices=False)
        return u, s, vh

    def eigh(self, x: Array) -> tuple[Array, ...]:
        """Return the eigenvalues, ascending, and the eigenvectors of each Hermitian matrix."""
        w, q = self.xp.linalg.eigh(x)
        return w, q

    def cholesky(self, x: Array) -> Array:
        """Return the lower Cholesky factor of each matrix, and NaN where there is none."""
        xp = self.xp
        nan = xp.full_like(x, float("nan"))
        try:
            r = xp.linalg.cholesky(x)
        except Exception:  # each library raises an error type of its own
            return nan
        # Some libraries return a partial factor, which ends at a pivot that is not positive.
        pivots = xp.linalg.diagonal(r)
        if xp.isdtype(r.dtype, "complex floating"):
            pivots = xp.real(pivots)
        return xp.where(xp.all(pivots > 0.0, axis=-1)[..., None, None], r, nan)

    def inv(self, x: Array) -> Array:
        """Return the inverse of each square matrix, and anything for a singular one.

        The caller checks the result. If the library raises, the whole batch is NaN.
        """
        try:
            return self.xp.linalg.inv(x)
        except Exception:  # likewise
            return self.xp.full_like(x, float("nan"))

    def solve(self, a: Array, b: Array) -> Array:
        """Return A⁻¹B for each square A and matrix B; for a singular A as `inv`."""
        try:
            return self.xp.linalg.solve(a, b)
        except Exception:  # likewise
            return self.xp.full_like(b, float("nan"))

    def inv_lower(self, x: Array) -> Array:
        """Return the inverse of each lower triangular matrix, as `inv` does.

        It works by halves, so most of the work is in matrix products.
        """
        n, xp = x.shape[-1], self.xp
        if n <= 32:
            return self.inv(x)
        k = n // 2
        first, second = self.inv_lower(x[..., :k, :k]), self.inv_lower(x[..., k:, k:])
        below = -self.matmul(second, self.matmul(x[..., k:, :k], first))
        top = xp.concat([first, xp.zeros_like(x[..., :k, k:])], axis=-1)
        return xp.concat([top, xp.concat([below, second], axis=-1)], axis=-2)

    def minimum_norm(
        self, a: Array, b: Array, rtol: float
    ) -> tuple[Array, Array | None, Array, Array] | None:
        """Return x = A⁺b, ‖b − A x‖², the rank and σ by the library's own least squares.

        The second is None where it is not known. The result is None if the library has no such
        function based on singular values, or none for `a`.
        """
        del a, b, rtol
        return None

    # Values that Python reads.

    def all(self, x: Any) -> bool:
        """Read whether all of `x` is true."""
        return x if isinstance(x, bool) else bool(self.xp.all(x))

    def numbers(self, x: Array) -> list[float]:
        """Read a real array, row by row."""
        flat = self.xp.reshape(x, (-1,))
        return [float(flat[i]) for i in range(flat.shape[0])]

    # Around the algorithm.

    @staticmethod
    def warn(message: str, category: type[Warning]) -> None:
        """Warn at the line that called pinvx."""
        level, frame = 1, sys._getframe()
        while frame.f_back is not None and frame.f_globals.get("__package__") == __package__:
            level, frame = level + 1, frame.f_back
        warnings.warn(message, category, stacklevel=level)

    def run(self, function: Callable[..., Any], static: Any, *inputs: Any) -> Any:
        """Return ``function(self, static, *inputs)``, without warnings about overflow and NaN.

        `static` is hashable: a library compiles one program for each.
        """
        # An unknown library may be built on NumPy.
        numpy = sys.modules.get("numpy")
        with nullcontext() if numpy is None else numpy.errstate(all="ignore"):
            return function(self, static, *inputs)

    def differentiable(self, rule: Rule, *inputs: Any) -> Parts:
        """Evaluate `rule` so that the library's automatic differentiation uses its derivatives.

        The further outputs of ``rule.keeping()`` may follow.
        """
        return rule.value(self, *inputs)

    def write(self, out: Array, x: Array, function: str) -> Array:
        """Write `x` into `out`, which has its shape and dtype, and return `out`."""
        if not array_api_compat.is_writeable_array(out):
            raise TypeError(
                sentence(
                    f"{function}: `out` is {describe(out)}, which cannot be written to",
                    "leave `out` away and use the result",
                )
            )
        out[...] = x
        return out


def _length(n: Any) -> Any:
    """Return a length for comparisons: NaN where a lazy library does not know it."""
    return float("nan") if n is None else n
