"""One call of the right implementation: its arrays, its options, and its result, kept for all.

Hundreds of wrong implementations differ from the right one in a few calls each. The right result
of a call is the same for all of them, and is computed once.
"""

import hashlib
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import right
from right_derivatives import CLOSED_FORMS

# What a result consists of, by function.
PARTS = {
    "pinv": ("x", "rank"),
    "hermitian": ("x", "rank"),
    "lstsq": ("x", "residuals", "rank"),
    "singular_values": ("x", "residuals", "rank", "s"),
    "pinv_jvp": ("dX",),
    "pinv_vjp": ("bar_a",),
    "lstsq_jvp": ("dx", "dresiduals"),
    "lstsq_vjp": ("bar_a", "bar_b"),
}
# The parts that belong to a matrix; the others belong to a matrix and a right-hand side.
OF_A = {"x of pinv", "rank", "s", "dX", "bar_a"}

_RESULTS = {}


@dataclass(frozen=True, eq=False)
class Called:
    """A call: the function as its checks name it, its arrays, and its options."""

    function: str
    arrays: tuple
    options: dict = field(default_factory=dict)
    again: bool = False

    @property
    def a(self):
        """The matrices."""
        return self.arrays[0]

    @property
    def has_b(self):
        """Whether there are right-hand sides."""
        return self.function in ("lstsq", "singular_values", "lstsq_jvp", "lstsq_vjp")

    @cached_property
    def batch_a(self):
        """The batch shape of A."""
        return self.a.shape[:-2]

    @cached_property
    def columns(self):
        """The right-hand sides as columns."""
        b = self.arrays[1]
        return b[:, None] if b.ndim == 1 else b

    @cached_property
    def batch(self):
        """The batch shape of the result."""
        if not self.has_b:
            return self.batch_a
        return np.broadcast_shapes(self.batch_a, self.columns.shape[:-2])

    def batch_of(self, part):
        """The batch shape of a part of the result."""
        if part == "bar_b":
            return self.columns.shape[:-2]
        return self.batch_a if part in OF_A or not self.has_b else self.batch

    @cached_property
    def key(self):
        """What tells the values of this call from those of others."""
        digest = hashlib.blake2b(digest_size=16)
        for array in self.arrays:
            digest.update(repr((array.shape, str(array.dtype))).encode())
            digest.update(np.ascontiguousarray(array).tobytes())
        for name, value in sorted(self.options.items()):
            digest.update(f"{name}={np.asarray(value).tolist()!r}".encode())
        return self.function, digest.digest()

    @property
    def tolerances(self):
        """The tolerances of the call by name."""
        return {k: v for k, v in self.options.items() if k in ("rtol", "atol", "rcond")}

    def changed(self, *arrays, **options):
        """Return the call with other arrays, in front, and other options."""
        return Called(self.function, (*arrays, *self.arrays[len(arrays) :]), self.options | options)

    def right(self):
        """The right result, its parts by name."""
        if self.key not in _RESULTS:
            _RESULTS[self.key] = result_of(self)
        return _RESULTS[self.key]


def kept(function, size=20000):
    """Return a function of one matrix that keeps its results."""
    results = {}

    def keeping(a):
        key = (a.shape, str(a.dtype), a.tobytes())
        if key not in results:
            if len(results) > size:
                results.clear()
            results[key] = function(a)
        return results[key]

    return keeping


right.svd, right.eigh = kept(right.svd), kept(right.eigh)


def result_of(call):
    """Compute the right result of a call."""
    names = PARTS[call.function]
    if call.function in ("pinv", "hermitian"):
        hermitian = {"hermitian": True} if call.function == "hermitian" else {}
        found = right.pinv(call.a, return_rank=True, **hermitian, **call.options)
    elif call.function in ("lstsq", "singular_values"):
        more = {"singular_values": True} if call.function == "singular_values" else {}
        found = right.lstsq(*call.arrays, **more, **call.options)[: len(names)]
    else:
        found = CLOSED_FORMS[call.function](*call.arrays, **call.options)
        found = found if isinstance(found, tuple) else (found,)
    return dict(zip(names, found, strict=True))
