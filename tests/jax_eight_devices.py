"""Rows of the table for arrays that are spread over eight devices.

A process has as many devices as it had when JAX woke up. So these rows run in a process of their
own, once for all of them, and the rows of the table read its report.
"""

from __future__ import annotations

import functools
import json
import os
import re
import subprocess
import sys
import traceback
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from bounds import VALUE, assert_close, unit
from jax.sharding import AxisType, NamedSharding, PartitionSpec
from jax_rows import arrays, compiled, numpy, scope
from transformations import FUNCTIONS, Row

import pinvx

COUNT = 8
# Long enough for the blocks of every device to be taller than wide, and for a choice.
LONG = (320, 4)


def on_eight_devices(test: Callable[[Row], None]) -> Callable[[Row], None]:
    """Run the test of a row in the process that has eight devices."""

    def run(row: Row) -> None:
        if jax.device_count() == COUNT:
            test(row)
        else:
            failure = _report()[str(row)]
            assert failure is None, failure

    run.needs_eight_devices = True  # type: ignore[attr-defined]
    return run


@functools.cache
def _report() -> dict[str, str | None]:
    flags = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count={COUNT}"
    environment = {**os.environ, "XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu"}
    done = subprocess.run(
        [sys.executable, "-W", "error", __file__],
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def _main() -> None:
    from transformations_jax import TRANSFORMATIONS

    report: dict[str, str | None] = {}
    for transformation in TRANSFORMATIONS:
        if not hasattr(transformation.run, "needs_eight_devices"):
            continue
        for row in transformation.rows():
            try:
                transformation.run(row)
            except Exception:  # whatever it is, the row shows it
                report[str(row)] = traceback.format_exc()
            else:
                report[str(row)] = None
    print(json.dumps(report))


# The rows.


def mesh(kind: AxisType) -> Any:
    return jax.make_mesh((COUNT,), ("x",), axis_types=(kind,))


def spread(x: Any, axis: int, kind: AxisType) -> Any:
    """Spread an array over the devices along an axis."""
    spec: list[str | None] = [None] * x.ndim
    spec[axis] = "x"
    return jax.device_put(x, NamedSharding(mesh(kind), PartitionSpec(*spec)))


def axes_of(x: Any) -> tuple[Any, ...]:
    """The axis of the mesh along which each dimension is spread."""
    spec = tuple(x.sharding.spec)
    return spec + (None,) * (x.ndim - len(spec))


@functools.cache
def pullback(function: str) -> Callable[..., Any]:
    return compiled(lambda x, g: jax.vjp(FUNCTIONS[function], *x)[1](g))


def values(kind: AxisType) -> Callable[[Row], None]:
    """A long axis of A spread, and the rows of b: A⁺ is spread likewise, and x is not."""

    @on_eight_devices
    def test(row: Row) -> None:
        m, n = row.order[-2:]
        with scope(row):
            a, *b = arrays(row, row.arguments)
            inputs = [spread(a, -2 if m >= n else -1, kind), *(spread(x, -2, kind) for x in b[:1])]
            outputs = row.call(*inputs)
            row.check(numpy(outputs), row.value())
            assert axes_of(outputs[0]) == (
                (None, None) if b and m >= n else (None, "x") if m >= n else ("x", None)
            )

            gradient = pullback(row.function)(inputs, arrays(row, row.cotangents))
            row.check(numpy(gradient), row.vjp(), order=1)
            assert [axes_of(x) for x in gradient] == [axes_of(x) for x in inputs]

    return test


COLLECTIVE = re.compile(
    r"= (\(.*?\)|\S+) (all-gather|all-reduce|all-to-all|collective-permute|reduce-scatter)"
    r"(?:-start)?\("
)


def collectives(text: str) -> list[tuple[str, tuple[int, ...]]]:
    """What travels between devices in a compiled program: the operation and the shape."""
    return [
        (operation, tuple(map(int, filter(None, shape.split(",")))))
        for shapes, operation in COLLECTIVE.findall(text)
        for shape in re.findall(r"\[([\d,]*)\]", shapes)
    ]


@on_eight_devices
def traffic(row: Row) -> None:
    """Only what is as small as N×N travels, in the call and in its gradient."""
    m, n = LONG
    rng = np.random.default_rng(0)
    a = spread(rng.standard_normal(LONG).astype(np.float32), 0, AxisType.Auto)
    b = spread(rng.standard_normal(m).astype(np.float32), 0, AxisType.Auto)

    def loss(a: Any, b: Any) -> Any:
        fit = pinvx.lstsq(a, b)
        return fit.x.sum() + fit.residuals + pinvx.pinv(a)[0, 0]

    functions = {
        "pinv": (("pinv", pinvx.pinv, (a,)), ("pinv of Aᴴ", lambda a: pinvx.pinv(a.mT), (a,))),
        "lstsq": (
            ("lstsq", lambda a, b: pinvx.lstsq(a, b)[:3], (a, b)),
            ("gradient", jax.grad(loss, argnums=(0, 1)), (a, b)),
        ),
    }
    for name, f, inputs in functions[row.function]:
        program = jax.jit(f).lower(*inputs).compile()
        sent = collectives(program.as_text())
        assert ("all-reduce", (n, n)) in sent, f"{name}: {sent}"
        for operation, shape in sent:
            # One N×N matrix of each device, stacked, is what the last method gathers; eight vectors
            # show the size of a matrix.
            limit = COUNT * n * n if operation == "all-gather" else n * max(n, 8)
            assert np.prod(shape, dtype=int) <= limit, f"{name}: {operation} of {shape}"
            assert max(shape, default=1) < m // COUNT, f"{name}: {operation} of {shape}"
    # Through the last method, which the program above contains.
    deficient = np.tile(np.asarray(a)[:, :2], 2)
    x = compiled(pinvx.pinv)(spread(deficient, 0, AxisType.Auto))
    expected = np.linalg.pinv(deficient.astype(np.float64), rtol=1e-6)
    assert_close(x, expected, VALUE * unit(LONG, "float32", 2.0))


@on_eight_devices
def spread_batch(row: Row) -> None:
    """A batch that is spread: each device has its own matrices, and nothing travels but a bool."""
    with scope(row):
        x = [np.concatenate([x] * COUNT)[:COUNT] for x in row.arguments]
        inputs = [spread(y, 0, AxisType.Auto) for y in arrays(row, x)]
        for f in (compiled(row.call), compiled(jax.vmap(row.call))):
            outputs = f(*inputs)
            assert axes_of(outputs[0])[0] == "x"
            row.check([y[: row.order[0]] for y in numpy(outputs)], row.value())
            sent = collectives(f.lower(*inputs).compile().as_text())
            assert all(shape == () for _, shape in sent), sent
        # Each device decides for itself, on its part; the derivative is taken inside, too.
        inside = jax.shard_map(
            lambda x, g: (row.call(*x), jax.vjp(row.call, *x)[1](g)),
            mesh=mesh(AxisType.Auto),
            in_specs=PartitionSpec("x"),
            out_specs=PartitionSpec("x"),
        )
        cotangents = [np.concatenate([x] * COUNT)[:COUNT] for x in row.cotangents]
        g = tuple(spread(y, 0, AxisType.Auto) for y in arrays(row, cotangents))
        outputs, gradient = compiled(inside)(tuple(inputs), g)
        row.check([y[: row.order[0]] for y in numpy(outputs)], row.value())
        row.check([y[: row.order[0]] for y in numpy(gradient)], row.vjp(), order=1)


if __name__ == "__main__":
    _main()
