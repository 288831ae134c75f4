"""The verbs that a backend may do better, and their defaults in the Array API standard.

The algorithms of pinvx are written once, against a namespace `xp`. Where a library can do
something better than the standard lets us say it (or must do it otherwise to be right), the
algorithm asks for a verb of `Adapter`. Every verb has a default, so a library that nobody has
written an adapter for works with this class as it stands.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Protocol

import array_api_compat

from ._dtypes import Precision, precision
from ._errors import describe, sentence
from ._typing import Array, DType, Namespace


class Rule(Protocol):
    """A function of arrays that knows its own derivatives.

    Rules are hashable: what is static stands in their fields. `value` returns a tuple of arrays;
    the derivatives have None where an output is not differentiable or an input gets no gradient.
    Every array has the same number of batch dimensions in front, and they broadcast.
    An input or a tangent that is no array (a Python number, None) is passed through.
    """

    def value(self, lib: Adapter, *inputs: Any) -> tuple[Array, ...]:
        """Compute the outputs."""

    def jvp(
        self,
        lib: Adapter,
        inputs: tuple[Any, ...],
        outputs: tuple[Array, ...],
        tangents: tuple[Any, ...],
    ) -> tuple[Array | None, ...]:
        """Return a tangent for each output; a tangent of None stands for zero."""

    def vjp(
        self,
        lib: Adapter,
        inputs: tuple[Any, ...],
        outputs: tuple[Array, ...],
        cotangents: tuple[Any, ...],
        needed: tuple[bool, ...],
    ) -> tuple[Array | None, ...]:
        """Return a cotangent for each input that is needed, in the sense dL = Re⟨G, dX⟩."""

    def decomposes(self, lib: Adapter, *inputs: Any) -> bool:
        """Tell whether `value` takes the library's decomposition of one matrix, and little else."""

    @property
    def differentiable(self) -> tuple[bool, ...]:
        """Which outputs have a derivative."""


class Composed(Protocol):
    """A function of arrays whose derivatives are those of the rules that it is composed of."""

    def value(self, lib: Adapter, *inputs: Any) -> tuple[Any, ...]:
        """Compute the outputs in the fastest way."""

    def composed(self, lib: Adapter, *inputs: Any) -> tuple[Any, ...]:
        """Compute them by `Adapter.differentiable` and `Adapter.constant`."""

    @property
    def kept(self) -> Rule:
        """One rule, of more outputs, that is differentiable where values can be read."""


_QUIET = nullcontext()


class Adapter:
    """The verbs of one array library, in terms of its Array API namespace.

    Parameters
    ----------
    xp : namespace
        The Array API namespace of the library, as array-api-compat gives it.
    """

    small = 128
    """Below this many entries the number of calls into the library rules, and matrices are left to
    the decomposition, which has the fewest."""

    slow_svd: bool = True
    """Whether the eigenvectors of AᴴA and some products take less time than a singular value
    decomposition of a square matrix, so that compiled code had better contain them."""

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

    def double(self, a: Array) -> DType | None:
        """Return the dtype with twice the digits of that of `a`, or None if there is none."""
        known = self.precision(a.dtype)
        return None if known is None else known.double

    # What arrives.

    def accept(self, x: Array, function: str, name: str) -> Array:
        """Return `x` as a plain array of the library, or raise TypeError or ValueError."""
        del function, name
        return x

    def readable(self, *values: Any) -> bool:
        """Tell whether Python may look at the values: not under a tracer, not in a lazy graph."""
        del values
        return True

    def device(self, x: Array) -> Any:
        """Return the device of `x`, comparable by ==, or None where it cannot be known."""
        return array_api_compat.device(x)

    def integer(self, number: int, a: Array) -> Array:
        """Return an array of no dimension with this number, where `a` is."""
        return self.xp.asarray(number, device=self.device(a))

    # Arithmetic.

    def adjoint(self, x: Array) -> Array:
        """Return the conjugate transpose of the last two dimensions."""
        transposed = self.xp.matrix_transpose(x)
        known = self.precision(x.dtype)
        return self.xp.conj(transposed) if known is not None and known.is_complex else transposed

    def matmul(self, x: Array, y: Array) -> Array:
        """Return the product in the full precision of the dtype, whatever the user's settings."""
        return x @ y

    def inner(self, x: Array, y: Array) -> Array:
        """Return XᴴY for matrices of many rows."""
        return self.matmul(self.adjoint(x), y)

    def gramian(self, x: Array) -> Array:
        """Return XᴴX."""
        return self.inner(x, x)

    def inv(self, x: Array) -> Array:
        """Return the inverse of each square matrix, and anything where there is none.

        Whoever asks checks the result. NaN for the whole batch stands for an error.
        """
        try:
            return self.xp.linalg.inv(x)
        except Exception:  # every library has an error of its own for a singular matrix
            return self.xp.full_like(x, float("nan"))

    def solve(self, a: Array, b: Array) -> Array:
        """Return A⁻¹B for each square A and matrix B; otherwise as `inv`."""
        try:
            return self.xp.linalg.solve(a, b)
        except Exception:  # likewise
            return self.xp.full_like(b, float("nan"))

    def cholesky(self, x: Array) -> Array:
        """Return the lower Cholesky factor of each matrix, and NaN where there is none."""
        xp = self.xp
        nan = xp.full_like(x, float("nan"))
        try:
            r = xp.linalg.cholesky(x)
        except Exception:  # likewise, for a matrix that is not positive definite
            return nan
        # Some libraries return how far LAPACK had got, up to a pivot that is not positive.
        pivots = xp.linalg.diagonal(r)
        if xp.isdtype(r.dtype, "complex floating"):
            pivots = xp.real(pivots)
        return xp.where(xp.all(pivots > 0.0, axis=-1)[..., None, None], r, nan)

    def inv_lower(self, x: Array) -> Array:
        """Return the inverse of each lower triangular matrix, as `inv` does.

        By halves, so that most of the work is in matrix products.
        """
        n, xp = x.shape[-1], self.xp
        if n <= 32:
            return self.inv(x)
        k = n // 2
        first, second = self.inv_lower(x[..., :k, :k]), self.inv_lower(x[..., k:, k:])
        below = -self.matmul(second, self.matmul(x[..., k:, :k], first))
        top = xp.concat([first, xp.zeros_like(x[..., :k, k:])], axis=-1)
        return xp.concat([top, xp.concat([below, second], axis=-1)], axis=-2)

    def svd(self, x: Array) -> tuple[Array, Array, Array]:
        """Return U, σ and Vᴴ of one matrix, and σ = NaN where that fails."""
        try:
            u, s, vh = self.xp.linalg.svd(x, full_matrices=False)
            return u, s, vh
        except Exception:  # likewise, for a matrix with NaN
            nan = self.xp.asarray([float("nan")], dtype=x.dtype, device=self.device(x))
            return x, self.xp.real(nan) if self.xp.isdtype(x.dtype, "complex floating") else nan, x

    def minimum_norm(
        self, a: Array, b: Array, rtol: float
    ) -> tuple[Array, Array | None, Array, Array] | None:
        """Return x = A⁺b, ‖b − A x‖², the rank and σ, by least squares of the library's own.

        None stands for the second where it is not known, and for all of them where the library has
        no function that is by singular values, or none for the values of `a`.
        """
        del a, b, rtol
        return None

    def norm(self, x: Array) -> Array:
        """Return ‖x‖_F of each matrix, in the real dtype."""
        return self.xp.linalg.matrix_norm(x)

    def column_squares(self, x: Array) -> Array:
        """Return the squared 2-norm of each column, in the real dtype."""
        return self.xp.linalg.vector_norm(x, axis=-2) ** 2

    def blocks(self, rows: int) -> int:
        """Return into how many blocks of equal height so many rows are best divided."""
        del rows
        return 1

    def put(self, x: Array, index: Array, y: Array) -> Array:
        """Return `x` with ``y[i]`` in place of ``x[index[i]]``; `index` ascends."""
        xp = self.xp
        places = xp.arange(x.shape[0], dtype=index.dtype, device=self.device(x))
        order = xp.searchsorted(index, places)  # how many of `index` are smaller
        last = xp.clip(order, max=index.shape[0] - 1)
        taken = xp.take(index, last, axis=0) == places
        return xp.take(
            xp.concat([x, y], axis=0), xp.where(taken, x.shape[0] + order, places), axis=0
        )

    # Values that decide.

    def branches(self, a: Array) -> bool:
        """Tell whether `branch` can choose by what stands in `a`."""
        return self.readable(a)

    def branch(self, accepted: Any, taken: Callable[[], Any], refused: Callable[[], Any]) -> Any:
        """Return what `taken` returns if all is accepted, otherwise what `refused` returns."""
        return taken() if self.all(accepted) else refused()

    def mend(
        self, accepted: Array, outputs: Any, again: Callable[..., Any], inputs: tuple[Any, ...]
    ) -> Any:
        """Return the outputs, a tuple, with those of `again` in place of what is not accepted.

        All arrays have the batch dimension of `accepted` in front. `again` takes a part of the
        batch of each of the inputs, and returns that of the outputs; numbers are passed through.
        """

        def chosen(x: Array | None, y: Array | None) -> Array | None:
            if x is None or y is None:
                return None
            inner = (1,) * (x.ndim - accepted.ndim)
            return self.xp.where(self.xp.reshape(accepted, (-1, *inner)), x, y)

        return type(outputs)(*map(chosen, outputs, again(*inputs)))

    def all(self, x: Any) -> bool:
        """Read whether all of `x` is true."""
        return x if isinstance(x, bool) else bool(self.xp.all(x))

    def on_host(self, a: Array) -> bool:
        """Tell whether the values of `a` lie in the memory of Python, and cost nothing to read."""
        del a
        return False

    def numbers(self, *values: Array) -> tuple[Any, ...]:
        """Return scalars `on_host` as Python numbers, and everything else as it is."""
        if values[0].ndim > 0 or not self.on_host(values[0]):
            return values
        return tuple(float(v) for v in values)

    def read(self, x: Array) -> list[float]:
        """Read a real vector that is `on_host`."""
        return [float(x[i]) for i in range(x.shape[0])]

    # Around the algorithm.

    def quiet(self) -> AbstractContextManager[Any]:
        """Return a context in which overflow and NaN give no warning."""
        return _QUIET

    def differentiable(self, rule: Rule, *inputs: Any) -> tuple[Array, ...]:
        """Evaluate `rule` so that the library's automatic differentiation uses its derivatives."""
        return rule.value(self, *inputs)

    def composed(self, rule: Composed, *inputs: Any) -> tuple[Array, ...]:
        """Return ``rule.value``, or ``rule.composed`` where derivatives may be asked for.

        More outputs may follow, those of ``rule.kept``.
        """
        return rule.value(self, *inputs)

    def constant(self, rule: Rule, *inputs: Any) -> tuple[Array, ...]:
        """Evaluate `rule` where the rules that use its outputs know what these are made of."""
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
