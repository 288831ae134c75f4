"""What a wrong implementation does wrong: each fault as a change of a call or of its result.

A fault gives the wrong result for every matrix of a call; where it is taken is the trigger's part
(`triggers`), and which pairs of the two make sense is said in `pairs`.
"""

from dataclasses import dataclass

import numpy as np
import right
from called import PARTS

FAULTS = {}
VALUES = ("pinv", "hermitian", "lstsq", "singular_values")
SYSTEMS = ("lstsq", "singular_values")
FORMS = ("pinv_jvp", "pinv_vjp", "lstsq_jvp", "lstsq_vjp")
EVERY = VALUES + FORMS


@dataclass(frozen=True)
class Fault:
    """A name, the functions that may have the fault, and the wrong result of a call."""

    name: str
    functions: tuple
    wrong: object


def fault(*functions):
    """Register a fault of these functions; its name is that of the function that makes it."""

    def register(wrong):
        name = wrong.__name__.strip("_").replace("_", " ")
        # What wrong code overflows in is its own business.
        FAULTS[name] = Fault(name, functions, np.errstate(all="ignore")(wrong))
        return wrong

    return register


@fault(*EVERY)
def modifies_its_input(call):
    """The result is right. `pairs` does the damage, where the array can be written to."""
    return call.right()


def part(call):
    """The name of the main part of the result."""
    return PARTS[call.function][0]


def main(change):
    """Return a fault that changes the main part of the right result."""

    def wrong(call):
        found, name = call.right(), part(call)
        return found | {name: change(found[name])}

    wrong.__name__ = change.__name__
    return wrong


def every_part(change):
    """Return a fault that changes every part of the right result."""

    def wrong(call):
        return {name: change(value) for name, value in call.right().items()}

    wrong.__name__ = change.__name__
    return wrong


@fault(*EVERY)
@main
def doubled(x):
    return 2 * x


@fault(*EVERY)
@main
def conjugated(x):
    return np.conj(x)


@fault(*EVERY)
@main
def the_last_row_is_zero(x):
    out = x.copy()
    if out.ndim > 1:
        out[..., -1, :] = 0
    else:
        out[..., -1:] = 0
    return out


@fault(*EVERY)
@main
def the_last_column_is_zero(x):
    out = x.copy()
    out[..., -1:] = 0
    return out


@fault(*EVERY)
def read_in_the_other_order(call):
    """Rows for columns: the matrix with the same memory, and the same shape."""
    a = call.a
    columns, rows = a.shape[-1], a.shape[-2]
    memory = np.ascontiguousarray(a).reshape(*call.batch_a, columns, rows)
    turned = np.swapaxes(memory, -1, -2)
    return call.changed(turned).right()


@fault(*EVERY)
def single_precision_inside(call):
    narrow = {"float64": "float32", "complex128": "complex64"}
    if call.a.dtype.kind in "iub":
        narrow |= {str(call.a.dtype): "float32"}
    if str(call.a.dtype) not in narrow:
        return call.right()
    with np.errstate(all="ignore"):
        arrays = [v.astype(narrow.get(str(v.dtype), v.dtype)) for v in call.arrays]
    found = call.changed(*arrays).right()
    return {k: v.astype(call.right()[k].dtype) for k, v in found.items()}


@fault(*EVERY)
@every_part
def in_another_precision(x):
    other = {"float64": "float32", "float32": "float64", "complex128": "complex64",
             "complex64": "complex128", "float16": "float32"}  # fmt: skip
    with np.errstate(all="ignore"):
        return x.astype(other.get(str(x.dtype), x.dtype))


@fault(*EVERY)
def items_shifted(call):
    """Item i gets the answer of item i − 1."""
    found = {}
    for name, value in call.right().items():
        batch = call.batch_of(name)
        flat = value.reshape(int(np.prod(batch, dtype=int)), *value.shape[len(batch) :])
        found[name] = np.roll(flat, 1, axis=0).reshape(value.shape)
    return found


def _finite(call):
    a = np.tril(call.a) if call.function == "hermitian" else call.a
    return np.all(np.isfinite(a), axis=(-2, -1))


def _fill(call, chosen, value):
    """The right result with these matrices' parts filled, but for the rank."""
    found = {}
    for name, old in call.right().items():
        batch = call.batch_of(name)
        if name == "rank" or len(batch) < chosen.ndim:
            found[name] = old
            continue
        mask = np.broadcast_to(chosen, batch).reshape((*batch, *(1,) * (old.ndim - len(batch))))
        found[name] = np.where(mask, np.asarray(value, dtype=old.dtype), old)
    return found


@fault(*EVERY)
def a_NaN_spreads(call):  # noqa: N802 — NaN is its name
    bad = ~_finite(call)
    return _fill(call, np.full(call.batch_a, np.any(bad)), np.nan) if np.any(bad) else call.right()


@fault(*EVERY)
def a_NaN_is_lost(call):  # noqa: N802 — NaN is its name
    return _fill(call, np.asarray(~_finite(call)), 0.0)


@fault(*VALUES)
def a_NaN_has_a_rank(call):  # noqa: N802 — NaN is its name
    rank = np.where(_finite(call), call.right()["rank"], min(call.a.shape[-2:]))
    return call.right() | {"rank": rank}


@fault(*VALUES)
def rank_off_by_one(call):
    rank = call.right()["rank"]
    return call.right() | {"rank": np.where(rank > 0, rank - 1, 1)}


def _tolerances(call, factor):
    if call.tolerances:
        return {k: np.asarray(v) * factor for k, v in call.tolerances.items()}
    kind = np.result_type(call.a.dtype if call.a.dtype.kind in "fc" else "float64", "float32")
    return {"rtol": factor * max(call.a.shape[-2:]) * float(np.finfo(kind).eps)}


@fault(*VALUES)
def cutoff_too_high(call):
    return call.changed(**_tolerances(call, 8.0)).right()


@fault(*EVERY)
def cutoff_too_low(call):
    return call.changed(**_tolerances(call, 2.0**-20)).right()


@fault(*EVERY)
def tolerances_ignored(call):
    options = {k: v for k, v in call.options.items() if k not in call.tolerances}
    return type(call)(call.function, call.arrays, options).right()


@fault(*EVERY)
def the_first_tolerance_for_all(call):
    first = {k: np.asarray(v).ravel()[:1].sum() for k, v in call.tolerances.items()}
    return call.changed(**first).right() if first else call.right()


@fault("pinv", "lstsq", "singular_values")
def not_of_minimum_norm(call):
    """X + (I − XA)W and x + (I − XA)w: what the null space adds."""
    found = call.right()
    with np.errstate(all="ignore"):
        a = call.a if call.a.dtype.kind in "fc" else call.a.astype("float64")
        e = right.exponent_of(np.where(np.isfinite(a), a, 0), axis=(-2, -1))[..., None, None]
        near = right.scale(a.astype(np.result_type(a, "float32")), -e)
        x = right.pinv(near, return_rank=False, **_near_tolerances(call, e))
        null = (np.eye(a.shape[-1]) - x @ near).astype(found["x"].dtype)
        null[np.abs(null) < 1e-3] = 0  # rounding is no fault
        value = found["x"]
        vector = call.has_b and call.arrays[1].ndim == 1
        columns = value[..., None] if vector else value
        size = np.max(np.abs(columns), axis=(-2, -1), keepdims=True, initial=0)
        moved = columns + null @ np.ones_like(columns) * np.where(size > 0, size, 0)
        moved = moved.astype(value.dtype)
    return found | {"x": moved[..., 0] if vector else moved}


def _near_tolerances(call, e):
    """The tolerances for A near one: an absolute one moves with A."""
    found = dict(call.tolerances)
    if "atol" in found:
        found["atol"] = np.ldexp(np.asarray(found["atol"], dtype="float64"), -e[..., 0, 0])
    return found


# hermitian=True


@fault("hermitian")
def reads_the_upper_triangle(call):
    return call.changed(np.conj(np.swapaxes(call.a, -1, -2))).right()


@fault("hermitian")
@main
def nearly_hermitian(x):
    lower = np.tri(*x.shape[-2:], -1).astype(np.finfo(x.dtype).dtype)
    with np.errstate(all="ignore"):
        return (x * (1 + 4 * np.finfo(x.dtype).eps * lower)).astype(x.dtype)


@fault("hermitian")
@main
def the_sign_is_lost(x):
    """Of the eigenvalues."""
    out = x.copy()
    for i in np.ndindex(x.shape[:-2]):
        if np.all(np.isfinite(x[i])):
            e = int(right.exponent_of(x[i]))
            values, v = right.eigh(right.scale(x[i].astype(np.result_type(x, "float32")), -e))
            whole = (v * np.abs(values)) @ np.conj(v.T)
            same = np.all(values >= -1e-4)
            whole = right.scale((whole + np.conj(whole.T)) / 2, e)
            out[i] = x[i] if same else whole.astype(x.dtype)
    return out


# Least squares


@fault(*SYSTEMS)
def the_first_b_for_all(call):
    b = call.columns
    if b.ndim == 2:
        return call.right()
    first = np.broadcast_to(b[(0,) * (b.ndim - 2)], b.shape)
    return call.changed(call.a, np.ascontiguousarray(first)).right()


def _of_columns(call, change):
    """The right result with x and the residuals changed by the columns of b that are finite."""
    good = np.all(np.isfinite(call.columns), axis=-2)
    good = np.broadcast_to(good, (*call.batch, good.shape[-1]))
    found, vector = call.right(), call.arrays[1].ndim == 1
    x, squares = found["x"], found["residuals"]
    if vector:
        x, squares = x[..., None], squares[..., None]
    x, squares = change(x, squares, good)
    return found | {
        "x": x[..., 0] if vector else x, "residuals": squares[..., 0] if vector else squares,
    }  # fmt: skip


@fault(*SYSTEMS)
def a_NaN_in_b_is_lost(call):  # noqa: N802 — NaN is its name
    return _of_columns(
        call,
        lambda x, r, good: (
            np.where(good[..., None, :], x, np.zeros_like(x)), np.where(good, r, np.zeros_like(r)),
        ),
    )  # fmt: skip


@fault(*SYSTEMS)
def a_NaN_in_b_spreads_to_columns(call):  # noqa: N802 — NaN is its name
    def change(x, r, good):
        every = np.all(good, axis=-1, keepdims=True)
        nan = np.asarray(np.nan, dtype=x.dtype), np.asarray(np.nan, dtype=r.dtype)
        return np.where(every[..., None, :], x, nan[0]), np.where(every, r, nan[1])

    return _of_columns(call, change)


@fault(*SYSTEMS)
def a_NaN_in_b_takes_the_rank(call):  # noqa: N802 — NaN is its name
    bad = not np.all(np.isfinite(call.columns))
    return call.right() | ({"rank": np.zeros_like(call.right()["rank"])} if bad else {})


def residuals(change):
    """Return a fault that changes the residuals."""

    def wrong(call):
        found = call.right()
        with np.errstate(all="ignore"):
            value = np.asarray(change(found["residuals"])).astype(found["residuals"].dtype)
        return found | {"residuals": value}

    wrong.__name__ = change.__name__
    return wrong


@fault(*SYSTEMS)
@residuals
def residuals_are_zero(r):
    return np.where(np.isnan(r), r, 0)


@fault(*SYSTEMS)
@residuals
def residuals_are_negative(r):
    return -r


@fault(*SYSTEMS)
@residuals
def residuals_are_halved(r):
    return r / 2


@fault(*SYSTEMS)
@residuals
def residuals_are_not_squared(r):
    return np.sqrt(r)


@fault("singular_values")
def singular_values_ascend(call):
    return call.right() | {"s": call.right()["s"][..., ::-1]}


@fault("singular_values")
def singular_values_are_those_of_half_of_it(call):
    return call.right() | {"s": call.right()["s"] / 2}
