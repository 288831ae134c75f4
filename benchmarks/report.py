"""The result of a run, and the file that keeps it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .cell import Cell


@dataclass
class Report:
    """The cells, and where, when and how they were measured."""

    machine: dict[str, Any]
    options: dict[str, Any]
    cells: list[Cell] = field(default_factory=list)
    absent: list[str] = field(default_factory=list)
    """The libraries that are not installed, or have no device."""
    seconds: float = 0.0
    """What the whole run took."""
    interrupted: bool = False

    def save(self, path: Path) -> None:
        """Write JSON, one cell a line."""
        fields = {k: v for k, v in vars(self).items() if k != "cells"}
        head = json.dumps(fields, indent=1, ensure_ascii=False).removesuffix("\n}")
        lines = (json.dumps(cell.to_dict(), ensure_ascii=False) for cell in self.cells)
        text = f'{head},\n "cells": [\n' + ",\n".join(lines) + "\n ]\n}\n"
        path.write_text(text, encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> Report:
        """Read what `save` has written."""
        fields = json.loads(path.read_text(encoding="utf-8"))
        cells = [Cell.from_dict(cell) for cell in fields.pop("cells")]
        return cls(**fields, cells=cells)

    def columns(self) -> list[Column]:
        """Return what stands side by side in a table, in the order of measurement."""
        return list(dict.fromkeys(Column.of(cell) for cell in self.cells))

    def devices(self) -> list[str]:
        """Return the devices, in the order of measurement."""
        return list(dict.fromkeys(cell.device for cell in self.cells))


@dataclass(frozen=True)
class Column:
    """A function of a library on a device."""

    library: str
    device: str
    function: str
    mode: str
    own: str

    @classmethod
    def of(cls, cell: Cell) -> Column:
        """Return the column that a cell belongs to."""
        return cls(cell.library, cell.device, cell.function, cell.mode, cell.own)

    def headings(self, devices: Sequence[str]) -> tuple[str, ...]:
        """Return the lines of the heading, as short as they can be."""
        _, _, driver = self.own.partition(" ")
        library = self.library if len(devices) < 2 else f"{self.library} {self.device}"
        return library, driver or self.function, "+ grad" if self.mode == "backward" else ""
