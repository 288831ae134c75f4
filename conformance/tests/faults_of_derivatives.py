"""What a wrong derivative does wrong: a term is missing, or a part is lost."""

import numpy as np
import right
from faults import FORMS, fault


def _terms(call):
    """A, X and the identity minus each projector, item by item, as functions of the place."""
    a = call.a if call.a.dtype.kind in "fc" else call.a.astype("float64")
    a = a.astype(np.result_type(a, "float32"))
    return a, right.pinv(call.a, **call.options).astype(a.dtype)


def _h(x):
    return np.conj(np.swapaxes(x, -1, -2))


def _without(call, name, term):
    """The right result with a term taken away from one of its parts."""
    with np.errstate(all="ignore"):
        found = call.right()
        value = found[name]
        lost = term()
        if name == "bar_a":
            lost = _summed(lost, value.shape)
        vector = name == "dx" and call.arrays[1].ndim == 1
        lost = lost[..., 0] if vector else lost
        size = np.max(np.where(np.isfinite(value), np.abs(value), 0), initial=0)
        lost = np.where(np.abs(lost) > 1e-4 * size, lost, 0)  # rounding is no fault
        return found | {name: (value - lost).astype(value.dtype)}


def _summed(x, shape):
    while x.ndim > len(shape):
        x = np.sum(x, axis=0)
    for axis, (n, wanted) in enumerate(zip(x.shape, shape, strict=True)):
        if n != wanted:
            x = np.sum(x, axis=axis, keepdims=True)
    return x


@fault(*FORMS)
def without_the_left_null_space(call):
    """The term with I − AX, which a tall matrix needs."""
    a, x = _terms(call)
    if call.function == "pinv_jvp":
        row = x @ (_h(x) @ _h(call.arrays[1].astype(a.dtype)))
        return _without(call, "dX", lambda: row - (row @ a) @ x)
    if call.function == "pinv_vjp":
        row = (_h(call.arrays[1].astype(a.dtype)) @ x) @ _h(x)
        return _without(call, "bar_a", lambda: row - a @ (x @ row))
    b = call.columns.astype(a.dtype)
    r = b - a @ (x @ b)
    if call.function == "lstsq_jvp":
        return _without(call, "dx", lambda: x @ (_h(x) @ (_h(call.arrays[2].astype(a.dtype)) @ r)))
    g = _columns(call, 2).astype(a.dtype)
    return _without(call, "bar_a", lambda: r @ _h(x @ (_h(x) @ g)))


@fault(*FORMS)
def without_the_null_space(call):
    """The term with I − XA, which a wide matrix needs."""
    a, x = _terms(call)
    if call.function == "pinv_jvp":
        column = (_h(call.arrays[1].astype(a.dtype)) @ _h(x)) @ x
        return _without(call, "dX", lambda: column - x @ (a @ column))
    if call.function == "pinv_vjp":
        column = _h(x) @ (x @ _h(call.arrays[1].astype(a.dtype)))
        return _without(call, "bar_a", lambda: column - (column @ x) @ a)
    y = x @ call.columns.astype(a.dtype)
    if call.function == "lstsq_jvp":
        column = _h(call.arrays[2].astype(a.dtype)) @ (_h(x) @ y)
        return _without(call, "dx", lambda: column - x @ (a @ column))
    g = _columns(call, 2).astype(a.dtype)
    return _without(call, "bar_a", lambda: (_h(x) @ y) @ _h(g - _h(a) @ (_h(x) @ g)))


def _columns(call, place):
    """An array of columns of x, of a vector too."""
    array = call.arrays[place]
    return array[..., None] if call.arrays[1].ndim == 1 else array


@fault("lstsq_jvp")
def the_change_of_residuals_is_halved(call):
    return call.right() | {"dresiduals": call.right()["dresiduals"] / 2}


@fault("lstsq_vjp")
def the_cotangent_of_residuals_is_ignored(call):
    if len(call.arrays) < 4:
        return call.right()
    return type(call)(call.function, call.arrays[:3], call.options).right()


@fault("lstsq_vjp")
def the_cotangent_of_b_is_doubled(call):
    return call.right() | {"bar_b": 2 * call.right()["bar_b"]}
