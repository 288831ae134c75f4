"""What to measure in a run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from .grid import Shape


@dataclass(frozen=True)
class Plan:
    """A part of the grid, the libraries, and the time for each cell."""

    libraries: tuple[str, ...] | None
    """None means all that are installed, but for `left_out`."""
    left_out: tuple[str, ...]
    functions: tuple[str, ...]
    modes: tuple[str, ...]
    dtypes: tuple[str, ...]
    gradients: tuple[str, ...]
    """The dtypes in which the mode "backward" is measured."""
    kinds: tuple[str, ...]
    shapes: tuple[Shape, ...]
    device: str | None
    """None means all."""
    budget: float
    """Seconds a cell."""

    def problems(self) -> Iterator[tuple[Shape, str, str]]:
        """Yield the shape, the dtype and the kind of each problem."""
        for dtype in self.dtypes:
            for shape in self.shapes:
                for kind in self.kinds:
                    yield shape, dtype, kind

    def wants(self, function: str, mode: str, dtype: str | None = None) -> bool:
        """Tell whether a function is measured, in this dtype or in any."""
        if function not in self.functions or mode not in self.modes:
            return False
        if mode == "forward":
            return True
        return bool(self.gradients) if dtype is None else dtype in self.gradients
