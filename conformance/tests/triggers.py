"""When a wrong implementation is wrong: what each trigger asks of a call, or of an item of it.

A trigger is a function of a call. It returns a boolean, or one for each matrix of the batch.
"""

import numpy as np
import right
from called import Called

TRIGGERS = {}
FORMS = ("pinv_jvp", "pinv_vjp", "lstsq_jvp", "lstsq_vjp")


def trigger(name):
    """Register a trigger."""

    def register(holds):
        TRIGGERS[name] = holds
        return holds

    return register


def where(name, call):
    """For which matrices of a call a trigger holds, as an array of the batch shape of A."""
    if call.a.size == 0:
        return np.zeros(call.batch_a, dtype=bool)
    return np.broadcast_to(np.asarray(TRIGGERS[name](call), dtype=bool), call.batch_a)


for _dtype in ("float32", "float64", "complex64", "complex128", "float16", "int32", "int64"):
    trigger(_dtype)(lambda call, dtype=_dtype: call.a.dtype == dtype)
trigger("uint8 or bool")(lambda call: call.a.dtype in (np.uint8, np.bool_))

for _size in (32, 64, 128, 256):
    trigger(f"rows > {_size}")(lambda call, size=_size: call.a.shape[-2] > size)
    trigger(f"columns > {_size}")(lambda call, size=_size: call.a.shape[-1] > size)
trigger("one row")(lambda call: call.a.shape[-2] == 1)
trigger("one column")(lambda call: call.a.shape[-1] == 1)
trigger("tall")(lambda call: call.a.shape[-2] > call.a.shape[-1])
trigger("wide")(lambda call: call.a.shape[-2] < call.a.shape[-1])
trigger("square")(lambda call: call.a.shape[-2] == call.a.shape[-1])

for _size in (3, 16, 100):
    trigger(f"batch > {_size}")(lambda call, size=_size: np.prod(call.batch_a, dtype=int) > size)
trigger("batch of one")(lambda call: call.batch_a == (1,))
trigger("two batch dimensions")(lambda call: len(call.batch_a) > 1)


def finite_items(call):
    """Which matrices are finite."""
    a = np.tril(call.a) if call.function == "hermitian" else call.a
    return np.all(np.isfinite(a), axis=(-2, -1))


@trigger("a NaN in the batch")
def _(call):
    return call.batch_a != () and not np.all(finite_items(call))


@trigger("a NaN in a matrix")
def _(call):
    return ~finite_items(call)


def matrices(call):
    """The matrices that count: of hermitian=True the lower triangles."""
    if call.function != "hermitian":
        return call.a
    lower = np.tril(call.a, -1)
    diagonal = np.real(call.a) * np.eye(call.a.shape[-1], dtype=bool)
    return np.where(np.eye(call.a.shape[-1], dtype=bool), diagonal, lower + _h(lower))


def _h(a):
    return np.conj(np.swapaxes(a, -1, -2))


def exponents(array, axis):
    """The binary exponents of the largest entries."""
    size = np.maximum(np.abs(np.real(array)), np.abs(np.imag(array))).astype("float64")
    return np.frexp(np.max(np.where(np.isfinite(size), size, 0), axis=axis, initial=0))[1]


@trigger("items of several scales")
def _(call):
    found = exponents(matrices(call), (-2, -1))
    return call.batch_a != () and np.ptp(found) > 100


@trigger("items of several ranks")
def _(call):
    return call.batch_a != () and len(np.unique(rank(call))) > 1


def rank(call):
    """The rank of each matrix at the cutoff of the call."""
    if "rank" not in call.right():
        call = Called("pinv", (call.a,), call.options)
    return call.right()["rank"]


@trigger("deficient")
def _(call):
    return finite_items(call) & (rank(call) < min(call.a.shape[-2:]))


@trigger("ill-conditioned")
def _(call):
    """κ beyond the square root of 1/eps, and yet so small that a bound is left."""
    good = np.asarray(finite_items(call))
    found = np.zeros(call.batch_a, dtype=bool)
    if min(call.a.shape[-2:]) == 0 or call.a.dtype.kind not in "fc":
        return found
    eps = np.finfo(np.result_type(call.a.dtype, "float32")).eps
    for i in np.ndindex(call.batch_a):
        if good[i]:
            a = matrices(call)[i]
            near = right.scale(a, -int(right.exponent_of(a)))
            s = right.svd(near.astype(np.result_type(near, "float32")))[1]
            kept = s[: int(rank(call)[i])]
            found[i] = len(kept) > 0 and 1e3 * eps < kept[-1] / s[0] < eps**0.5
    return found


def _strides(array):
    return [s for s, n in zip(array.strides, array.shape, strict=True) if n > 1]


LAYOUTS = {
    "Fortran order": lambda x: x.flags.f_contiguous and not x.flags.c_contiguous,
    "strided": lambda x: (
        not x.flags.c_contiguous and not x.flags.f_contiguous and min(_strides(x)) > 0
        and _strides(x)[-1] != x.itemsize
    ),
    "negative strides": lambda x: min(_strides(x), default=1) < 0,
    "stride 0": lambda x: 0 in _strides(x),
    "read-only": lambda x: not x.flags.writeable and x.flags.c_contiguous,
}  # fmt: skip
for _name, _holds in LAYOUTS.items():
    trigger(_name)(lambda call, holds=_holds: holds(call.a))


@trigger("the same call again")
def _(call):
    return call.again


for _name in ("rtol", "atol"):
    trigger(f"{_name} as a number")(
        lambda call, name=_name: np.ndim(call.options.get(name)) == 0 and name in call.options
    )
    trigger(f"{_name} of each")(lambda call, name=_name: np.ndim(call.options.get(name, 0)) > 0)
trigger('method="svd"')(lambda call: call.options.get("method") == "svd")


def _ends(call):
    """Derivatives, which have squares of A⁺, go half as far."""
    far = 2 if call.function in FORMS else 1
    return (600 if call.a.dtype in (np.float64, np.complex128) else 80) // far


@trigger("huge entries")
def _(call):
    return exponents(matrices(call), (-2, -1)) > _ends(call)


@trigger("tiny entries")
def _(call):
    found = exponents(matrices(call), (-2, -1))
    return (found < -_ends(call)) & np.any(call.a != 0, axis=(-2, -1))


# What belongs to right-hand sides.
OF_B = set()


def of_b(name):
    """Register a trigger of right-hand sides."""
    OF_B.add(name)

    def register(holds):
        trigger(name)(lambda call: call.has_b and holds(call))
        return holds

    return register


of_b("a vector b")(lambda call: call.arrays[1].ndim == 1)
of_b("no column")(lambda call: call.columns.shape[-1] == 0)
of_b("one column of b")(lambda call: call.arrays[1].ndim > 1 and call.columns.shape[-1] == 1)
of_b("more columns of b than rows")(lambda call: call.columns.shape[-1] > call.a.shape[-2])
of_b("more than 16 columns of b")(lambda call: call.columns.shape[-1] > 16)
of_b("one b for a batch")(lambda call: call.batch_a != () and call.columns.ndim == 2)
of_b("one matrix for many b")(lambda call: call.batch_a == () and call.columns.ndim > 2)
for _name, _holds in LAYOUTS.items():
    of_b(f"b: {_name}")(lambda call, holds=_holds: holds(call.arrays[1]))


@of_b("A and b broadcast")
def _(call):
    return call.batch_a != call.columns.shape[:-2]


@of_b("a NaN in b")
def _(call):
    return np.any(np.isnan(call.columns))


@of_b("an infinity in b")
def _(call):
    return np.any(np.isinf(call.columns))


@of_b("A and b at different scales")
def _(call):
    apart = 100 if call.a.dtype in (np.float64, np.complex128) else 20
    largest = [exponents(v, None) for v in (call.a, call.columns)]
    return abs(largest[0] - largest[1]) > apart


@of_b("columns of b at several scales")
def _(call):
    columns = exponents(call.columns, -2)
    return columns.size > 0 and np.max(np.ptp(columns, axis=-1)) > 20
