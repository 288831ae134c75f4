"""What is measured on a GPU, and in which order: what matters most comes first."""

from __future__ import annotations

from typing import NamedTuple

from ..grid import BATCHES, KINDS, SINGLE, Shape

HERMITIAN = Shape.parse("147000*15x15")
"""The one batch whose matrices are Hermitian, and are said to be."""

LARGE = "4096x4096 8192x8192 100000x1000 1000000x100"
LARGE_BATCHES = "100000*6x3 100000*16x16 10000*64x32 1000*256x64"
# What says most about the device comes first, and the small one of two of the same form before the
# large one, whose time is foreseen by it.
ORDER = (
    "1024x1024 20000x50 512x128 500*32x8 100*128x16 100000*6x3 100000*16x16 1000*256x64 4096x4096 "
    "100000x1000 2048x512 1000000x100 10000*64x32 256x256 64x64 8192x8192"
)

DTYPES = ("float32", "float64", "complex64")
FUNCTIONS = ("pinv", "lstsq")

SMALL = ("16x16", "40x16", "20*5x3")
"""Shapes for a trial run without a GPU."""
SMALL_HERMITIAN = Shape.parse("20*4x4")


class Task(NamedTuple):
    """A matrix, or a batch of them, with which each function is measured."""

    shape: Shape
    dtype: str
    kind: str
    hermitian: bool = False

    @property
    def functions(self) -> tuple[tuple[str, str], ...]:
        """The functions and their modes: of Hermitian matrices `pinv` alone is asked."""
        if self.hermitian:
            return (("pinv", "hermitian"),)
        return tuple((function, "forward") for function in FUNCTIONS)


def tasks(*, small: bool = False) -> list[Task]:
    """Return all tasks, the most important first."""
    hermitian = SMALL_HERMITIAN if small else HERMITIAN
    found = [
        (place + delay[dtype] + later[kind], place, Task(shape, dtype, kind, shape is hermitian))
        for place, shape in enumerate(_shapes(hermitian, small=small))
        for kind in KINDS
        for dtype in DTYPES
    ]
    return [task for _, _, task in sorted(found, key=lambda x: x[:2])]


# By how many shapes a dtype or a kind comes later than the most important one.
delay = {"float32": 0, "float64": 0, "complex64": 14}
later = {"well": 0, "deficient": 4, "kappa1e6": 8}


def _shapes(hermitian: Shape, *, small: bool) -> list[Shape]:
    if small:
        return [*map(Shape.parse, SMALL), hermitian]
    shapes = dict.fromkeys(f"{ORDER} {SINGLE} {BATCHES} {LARGE} {LARGE_BATCHES}".split())
    first = [Shape.parse(text) for text in shapes]
    return [*first[:7], hermitian, *first[7:]]
