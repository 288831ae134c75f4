"""One visible table of what users do to a function in PyTorch and JAX, and that pinvx survives it.

A `Transformation` is one thing done to a function (`torch.func.vmap`, `jax.jit`, an autocast
region, …) with the functions, dtypes, ranks and shapes that it is tested with. Each combination is
a `Row`, and each row is a case of `test_transformations.py`. `docs/transformations.md` is made from
the same table, so the page cannot promise what no test has seen:

    python tests/transformations.py

**How to add to it.** `transformations_<library>.py` exports two names. ``TRANSFORMATIONS`` is a
tuple of `Transformation`; the ``run`` of each takes a `Row`, turns the arrays of `Row.arguments`
(NumPy) into the library's, in the dtype `Row.dtype` and on `Row.device`, applies the
transformation to `Row.call`, and hands what comes out (as NumPy arrays) to `Row.check`, which
compares it with the truth of NumPy: `Row.value`, `Row.jvp` and `Row.vjp`. ``DEVICES`` is the tuple
of devices that are here. For example::

    def jit(row):
        outputs = jax.jit(row.call)(*map(jnp.asarray, row.arguments))
        row.check(outputs, row.value())


    TRANSFORMATIONS = (Transformation("jax", "jax.jit", run=jit),)

What a library cannot do is a transformation too, with ``supported=False`` and a ``note`` that says
why; its ``run`` shows that the attempt ends in an error that says so, and not in a wrong number.
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
import itertools
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from bounds import FIRST, VALUE, assert_close, unit

import pinvx

LIBRARIES = ("torch", "jax")
DOCUMENT = Path(__file__).parent.parent / "docs" / "transformations.md"

FUNCTIONS = {
    "pinv": lambda a, **options: (pinvx.pinv(a, **options),),
    "pinv, hermitian": lambda a, **options: (pinvx.pinv(a, hermitian=True, **options),),
    "lstsq": lambda a, b, **options: tuple(pinvx.lstsq(a, b, **options)[:2]),
    "lstsq, vector": lambda a, b, **options: tuple(pinvx.lstsq(a, b, **options)[:2]),
}
# The last three have entries enough for the fast ways of `method="auto"`.
SHAPES = {
    "small": (5, 3),
    "small, wide": (3, 5),
    "small, square": (4, 4),
    "small, batch": (2, 4, 2),
    "tall": (40, 16),
    "wide": (16, 40),
    "square": (24, 24),
    "batch": (3, 20, 10),
}
RANKS = ("full", "deficient")
DTYPES = ("float32", "float64", "complex64", "complex128")


@dataclass(frozen=True, kw_only=True)
class Row:
    """One case: a transformation of one function, at one dtype, rank and shape, on one device."""

    transformation: Transformation
    function: str
    dtype: str
    rank: str
    shape: str
    device: str

    def __str__(self) -> str:
        t = self.transformation
        parts = (t.library, t.name, self.function, self.dtype, self.rank, self.shape)
        return " | ".join((*parts, self.device) if self.device != "cpu" else parts)

    @property
    def is_complex(self) -> bool:
        return self.dtype.startswith("complex")

    @property
    def order(self) -> tuple[int, ...]:
        """The shape of A."""
        return SHAPES[self.shape]

    def call(self, *arrays: Any, **options: Any) -> tuple[Any, ...]:
        """The function under test: A⁺ alone, or x and the residuals."""
        return FUNCTIONS[self.function](*arrays, **options)

    @functools.cached_property
    def arguments(self) -> tuple[Any, ...]:
        """A, and b for `lstsq`, which every dtype holds exactly.

        The singular values of A lie near [1, 3], and the others are exactly zero: A repeats its
        columns (or rows) where it is deficient.
        """
        *batch, m, n = self.order
        # Hermitian, indefinite: A = Q Λ Qᴴ.
        hermitian = self.function == "pinv, hermitian"
        long, short = max(m, n), min(m, n)
        r = short if self.rank == "full" else (short + 1) // 2
        rng = np.random.default_rng([long, r])
        q = np.linalg.qr(self._random(rng, (*batch, r if hermitian else long, r)))[0]
        spread = np.linspace(1.0, 2.0, r)
        if hermitian:
            signs = np.where(np.arange(r) % 2, -1.0, 1.0)
            a = q * (spread * signs) @ _adjoint(q)
            a = _in_steps((a + _adjoint(a)) / 2)
        else:
            a = _in_steps(q * spread)
        repeated = np.arange(short) % r
        a = a[..., repeated]
        if hermitian:
            a = a[..., repeated, :]
        if m < n:
            a = _adjoint(a)
        return (a, *(self._like(rng, shape) for shape in self._right_hand_side))

    @functools.cached_property
    def tangents(self) -> tuple[Any, ...]:
        """A direction for each argument, which every dtype holds exactly."""
        rng = np.random.default_rng([1, *self.order])
        return tuple(self._like(rng, x.shape) for x in self.arguments)

    @functools.cached_property
    def cotangents(self) -> tuple[Any, ...]:
        """A cotangent for each output, which every dtype holds exactly."""
        rng = np.random.default_rng([2, *self.order])
        return tuple(self._like(rng, x.shape, real=np.isrealobj(x)) for x in self.value())

    def value(self) -> tuple[Any, ...]:
        """The outputs, by the singular value decomposition of NumPy."""
        return self.call(*self.arguments, method="svd")

    def jvp(self) -> tuple[Any, ...]:
        """The derivative of the outputs in the direction of `tangents`, by the closed form."""
        (a, *b), (da, *db) = self.arguments, self.tangents
        if b:
            return pinvx.lstsq_jvp(a, b[0], da, db[0], method="svd")
        return (pinvx.pinv_jvp(a, da, hermitian=self._hermitian, method="svd"),)

    def vjp(self) -> tuple[Any, ...]:
        """The cotangents of the arguments for `cotangents`, by the closed form.

        In the sense dL = Re⟨G, dX⟩ of PyTorch; JAX has the conjugate of every G.
        """
        (a, *b), (g, *rest) = self.arguments, self.cotangents
        if b:
            return pinvx.lstsq_vjp(a, b[0], g, *rest, method="svd")
        return (pinvx.pinv_vjp(a, g, hermitian=self._hermitian, method="svd"),)

    def check(self, actual: Sequence[Any], expected: Sequence[Any], order: int = 0) -> None:
        """Compare outputs, or derivatives of an order, with the truth (both NumPy arrays).

        ‖A⁺‖ is at most about 1 here, so a right-hand side, and for its residuals its square, is
        all that scales an error; each derivative has a tangent or a cotangent as a factor.
        """
        a, *b = self.arguments
        s = np.linalg.svd(a, compute_uv=False)
        kept = s > 0.1
        kappa = float(s.max() / s[kept].min())
        scale = max(1.0, 1.0 / float(s[kept].min())) ** (order + 1) * np.sqrt(kept.sum())
        scale *= np.linalg.norm(b[0]) ** 2 * kappa if b else 1.0
        if order:
            scale *= max(float(np.linalg.norm(x)) for x in (*self.tangents, *self.cotangents))
        tolerance = (FIRST**order if order else VALUE) * unit(a.shape, self.dtype, kappa)
        assert len(actual) == len(expected), f"{self}: {len(actual)} results"
        for i, (x, y) in enumerate(zip(actual, expected, strict=True)):
            assert_close(x, y, tolerance, scale=float(scale), what=f"{self}: result {i}")

    @property
    def _hermitian(self) -> bool:
        return self.function == "pinv, hermitian"

    @property
    def _right_hand_side(self) -> tuple[tuple[int, ...], ...]:
        *batch, m, _ = self.order
        return {"lstsq": ((*batch, m, 2),), "lstsq, vector": ((m,),)}.get(self.function, ())

    def _random(self, rng: Any, shape: tuple[int, ...], *, real: bool = False) -> Any:
        x = rng.standard_normal(shape)
        return x + 1j * rng.standard_normal(shape) if self.is_complex and not real else x

    def _like(self, rng: Any, shape: tuple[int, ...], *, real: bool = False) -> Any:
        return _in_steps(self._random(rng, shape, real=real))


@dataclass(frozen=True)
class Transformation:
    """One thing that users of a library do to a function, and how it is tested."""

    library: str
    """"torch" or "jax"."""
    name: str
    """What the library calls it, and after a comma what is special: "torch.func.vmap, nested"."""
    functions: tuple[str, ...] = ("pinv", "lstsq")
    """Keys of `FUNCTIONS`."""
    dtypes: tuple[str, ...] = ("float64", "complex128")
    """Names of dtypes, the half types included."""
    ranks: tuple[str, ...] = RANKS
    """"full", "deficient"."""
    shapes: tuple[str, ...] = ("small",)
    """Keys of `SHAPES`."""
    run: Callable[[Row], None] = field(kw_only=True)
    """The test of one row."""
    note: str = ""
    """One sentence for the page: a limit, or what is worth knowing."""
    supported: bool = True
    """Whether it works; if not, `run` shows the error and `note` says why."""

    def __post_init__(self) -> None:
        assert self.supported or self.note, f"{self.name}: not supported, and no word why"
        assert set(self.functions) <= set(FUNCTIONS), self.functions
        assert set(self.ranks) <= set(RANKS), self.ranks
        assert set(self.shapes) <= set(SHAPES), self.shapes

    def rows(self, devices: Sequence[str] = ("cpu",)) -> Iterator[Row]:
        """Every combination; only square shapes can be Hermitian."""
        for values in itertools.product(
            self.functions, self.dtypes, self.ranks, self.shapes, devices
        ):
            function, dtype, rank, shape, device = values
            if function != "pinv, hermitian" or SHAPES[shape][-1] == SHAPES[shape][-2]:
                yield Row(
                    transformation=self,
                    function=function,
                    dtype=dtype,
                    rank=rank,
                    shape=shape,
                    device=device,
                )


def _adjoint(x: Any) -> Any:
    return x.mT.conj()


def _in_steps(x: Any) -> Any:
    """Round to a multiple of 1/32 of magnitude below 4, which a bfloat16 holds."""
    parts = [np.clip(np.round(32.0 * part), -127, 127) / 32.0 for part in (x.real, x.imag)]
    return parts[0] + 1j * parts[1] if np.iscomplexobj(x) else parts[0]


@functools.cache
def table(library: str) -> tuple[tuple[Transformation, ...], tuple[str, ...]]:
    """The transformations of a library and the devices here; nothing where it is not installed."""
    name = f"transformations_{library}"
    if not all(importlib.util.find_spec(module) for module in (library, name)):
        return (), ()
    module = importlib.import_module(name)
    return module.TRANSFORMATIONS, module.DEVICES


def rows() -> list[Row]:
    """Every row of every library that is installed."""
    return [
        row
        for transformations, devices in map(table, LIBRARIES)
        for t in transformations
        for row in t.rows(devices)
    ]


HEAD = """# Transformations

What may be done to `pinvx.pinv` and `pinvx.lstsq` in PyTorch and JAX. Every combination of a line
(function × dtype × rank × shape) is a test of its own, which compares with NumPy and the closed
forms of the derivatives. The page is written from the table of these tests:
`python tests/transformations.py`.

Shapes: {shapes}.
"""


# What stands before the first comma outside parentheses.
_NAME = re.compile(r"(\([^)]*\)|[^,(])+")


def section(library: str) -> str:
    """The part of the page about one library."""
    transformations, _ = table(library)
    titles = {"torch": "PyTorch", "jax": "JAX"}
    lines = [
        f"## {titles[library]}",
        "",
        "| transformation | works | functions | dtypes | rank | shapes | |",
        "|---|---|---|---|---|---|---|",
    ]
    for t in transformations:
        cells = (
            _NAME.sub(r"`\g<0>`", t.name, count=1),
            "yes" if t.supported else "no",
            "; ".join(t.functions),
            ", ".join(t.dtypes),
            ", ".join(t.ranks),
            "; ".join(t.shapes),
            t.note,
        )
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def page() -> str:
    """The whole page."""
    shapes = "; ".join(f"{name} {'×'.join(map(str, shape))}" for name, shape in SHAPES.items())
    return "\n".join([HEAD.format(shapes=shapes), *(section(name) for name in LIBRARIES)])


if __name__ == "__main__":
    import sys

    import transformations  # under the name `__main__` the classes here are others

    missing = [name for name in LIBRARIES if importlib.util.find_spec(name) is None]
    if missing:
        sys.exit(f"not installed: {', '.join(missing)}; the page needs every library")
    DOCUMENT.write_text(transformations.page(), encoding="utf-8")
