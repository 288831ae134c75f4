"""Read numbers from comma-separated values; an error names the place in the file."""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence

from ._input_error import InputError


def read_csv(path: str) -> tuple[Sequence[str], list[list[float]]]:
    """Return the header, empty if there is none, and the rows of numbers.

    The first row is a header if no cell of it is a number. Empty lines are passed over. In errors
    a row is the line of the file, as an editor counts them.

    Raises
    ------
    InputError
        If the rows differ in length, or a cell is no finite number.
    OSError
        If the file cannot be read.
    """
    lines = _lines(path)
    if not lines:
        raise InputError(f"{path}: the file is empty", "write one row of the matrix a line")
    first_line, first = lines[0]
    header: Sequence[str] = ()
    if not any(map(_is_number, first)) and any(first):
        header = _header(path, first_line, first)
        lines = lines[1:]
        if not lines:
            raise InputError(
                f"{path}: there is a header in row {first_line}, and no row of numbers",
                "write one row of the matrix a line",
            )
    for line, cells in lines:
        if len(cells) != len(first):
            raise InputError(
                f"{path}, row {line}: {_cells(len(cells))}, and row {first_line} has {len(first)}",
                "give every row the same number of cells, separated by commas",
            )
    return header, [
        [_number(path, line, column, cell) for column, cell in enumerate(cells, start=1)]
        for line, cells in lines
    ]


def _lines(path: str) -> list[tuple[int, list[str]]]:
    """Return the rows that are not empty, each with the line of the file that it ends on."""
    line = 0
    try:
        # Spreadsheets put a byte order mark in front.
        with open(path, encoding="utf-8-sig", newline="") as stream:
            reader = csv.reader(stream, strict=True)
            rows = []
            for cells in reader:
                line = reader.line_num
                cells = [cell.strip() for cell in cells]
                if len(cells) > 1 or any(cells):
                    rows.append((line, cells))
            return rows
    except UnicodeDecodeError as error:
        raise InputError(
            f"{path}: the file is not text in UTF-8", "save it as comma separated values"
        ) from error
    except csv.Error as error:
        raise InputError(
            f"{path}, row {line + 1}: {error}", "save it as comma separated values"
        ) from error


def _header(path: str, line: int, names: list[str]) -> list[str]:
    if "" in names:
        # Passed over in silence, the row numbers that pandas writes would become a column of A.
        raise InputError(
            f"{path}, row {line}, column {names.index('') + 1}: the name in the header is empty",
            "name every column; if pandas wrote the file, write it with index=False",
        )
    return names


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _number(path: str, line: int, column: int, cell: str) -> float:
    where = f"{path}, row {line}, column {column}"
    if not cell:
        raise InputError(f"{where}: the cell is empty", "fill it in, or leave out the row")
    # float() takes "1_000", which is no number in any file of data.
    if not _is_number(cell) or "_" in cell:
        shown = cell if len(cell) <= 40 else f"{cell[:37]}…"
        raise InputError(
            f"{where}: {shown!r} is not a number",
            "write numbers such as -1.5e3, separated by commas",
        )
    value = float(cell)
    if not math.isfinite(value):
        raise InputError(
            f"{where}: {cell!r} is not a finite number", "leave out the rows that miss a value"
        )
    return value


def _cells(count: int) -> str:
    return "1 cell" if count == 1 else f"{count} cells"
