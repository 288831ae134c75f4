"""What is measured: shapes, dtypes, and kinds of matrices."""

from __future__ import annotations

import re
from typing import NamedTuple


class Shape(NamedTuple):
    """The shape of a matrix, or of a batch of them."""

    m: int
    n: int
    batch: int | None = None

    @classmethod
    def parse(cls, text: str) -> Shape:
        """Return the shape written as ``"32x8"`` or, for 500 of them, ``"500*32x8"``.

        Raises
        ------
        ValueError
            If the text is neither, or a length is zero.

        Examples
        --------
        >>> Shape.parse("500*32x8")
        Shape(m=32, n=8, batch=500)
        """
        found = re.fullmatch(r"(?:([1-9]\d*)\*)?([1-9]\d*)x([1-9]\d*)", text.strip())
        if found is None:
            raise ValueError(
                f"{text!r} is no shape. Hint: write 32x8 for a matrix, 500*32x8 for a batch."
            )
        batch, m, n = found.groups()
        return cls(int(m), int(n), None if batch is None else int(batch))

    @property
    def full(self) -> tuple[int, ...]:
        """The lengths of the array's dimensions."""
        return (self.m, self.n) if self.batch is None else (self.batch, self.m, self.n)

    def __str__(self) -> str:
        matrix = f"{self.m}x{self.n}"
        return matrix if self.batch is None else f"{self.batch}*{matrix}"

    @property
    def label(self) -> str:
        """The shape as people write it."""
        matrix = f"{self.m}×{self.n}"
        return matrix if self.batch is None else f"{self.batch}×({matrix})"


SINGLE = (
    "3x3 5x3 16x16 32x8 64x64 128x32 256x256 512x128 1000x100 1024x1024 2048x512 20000x50 "
    "200000x20 100x1000"
)
BATCHES = "1000*6x3 1000*3x3 10000*4x4 500*32x8 200*32x32 100*128x16"

SHAPES = tuple(Shape.parse(text) for text in f"{SINGLE} {BATCHES}".split())
QUICK_SHAPES = tuple(map(Shape.parse, ("3x3", "128x32", "256x256", "500*32x8")))

DTYPES = ("float64", "float32", "complex128")
KNOWN_DTYPES = (*DTYPES, "complex64")

KINDS = {
    "well": "well-conditioned",
    "kappa1e6": "κ = 1e6",
    "deficient": "rank-deficient",
}
"""The kinds of matrices, as the command line names them and as they are shown.

In single precision the default cutoff max(M, N)·eps passes 1e-6 at eight rows or columns: there a
matrix with κ = 1e6 has numerical rank below N, and the answer is that of the truncated spectrum.
"""

FUNCTIONS = ("pinv", "lstsq")
MODES = ("forward", "backward")
