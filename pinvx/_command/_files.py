"""Matrices in files: what `solve` reads and writes."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ._csv import read_csv
from ._input_error import InputError

SUFFIXES = (".csv", ".npy", ".npz")


class Data(NamedTuple):
    """The numbers of a file."""

    source: str
    """The file, as it was named."""
    values: Any
    """Nested lists of floats, or a NumPy array."""
    shape: tuple[int, ...]
    dtype: str | None
    """The dtype to compute in; None means that of the array."""
    names: Sequence[str]
    """The header of a CSV file; empty without one."""


def read(path: str, role: str) -> Data:
    """Read a matrix.

    Parameters
    ----------
    path : str
        A .csv, .npy or .npz file.
    role : {"a", "b"}
        What the file is for: it is the name to look for among the arrays of an .npz file, and a
        CSV file of one column is a vector in the role "b".

    Raises
    ------
    InputError
        If there is no matrix of finite numbers.
    """
    suffix = _suffix(path, SUFFIXES)
    try:
        if suffix == ".csv":
            names, rows = read_csv(path)
            if role == "b" and len(rows[0]) == 1:
                return Data(path, [row[0] for row in rows], (len(rows),), "float64", names)
            return Data(path, rows, (len(rows), len(rows[0])), "float64", names)
        return _read_numpy(path, role)
    except OSError as error:
        hint = "check the name, and the folder that you are in"
        raise InputError(f"{path}: {error.strerror or error}", hint) from error


def write(path: str, values: Any, dtype: str) -> None:
    """Write nested lists of numbers to a .csv or .npy file, every digit of them.

    Raises
    ------
    InputError
        If that is not possible.
    """
    try:
        if writable(path) == ".csv":
            rows = [value if isinstance(value, list) else [value] for value in values]
            text = "".join(",".join(map(repr, row)) + "\n" for row in rows)
            Path(path).write_text(text, encoding="utf-8")
        else:
            numpy = _numpy(path)
            with open(path, "wb") as stream:  # given a name, NumPy would append a suffix to it
                numpy.save(stream, numpy.asarray(values, dtype=dtype))
    except OSError as error:
        hint = "name a file in a folder that you can write to"
        raise InputError(f"{path}: {error.strerror or error}", hint) from error


def writable(path: str) -> str:
    """Return the suffix of a file that can be written, or refuse it before any work is done."""
    suffix = _suffix(path, (".csv", ".npy"))
    if suffix == ".npy":
        _numpy(path)
    return suffix


def _suffix(path: str, known: Sequence[str]) -> str:
    suffix = Path(path).suffix.lower()
    if suffix not in known:
        raise InputError(
            f"{path}: the name ends in {suffix!r}" if suffix else f"{path}: the name has no ending",
            f"use one of {', '.join(known)}",
        )
    return suffix


def _numpy(path: str) -> Any:
    try:
        return importlib.import_module("numpy")
    except ImportError as error:
        raise InputError(
            f"{path}: this kind of file needs NumPy, which is not installed",
            'pip install "pinvx[numpy]", or use a .csv file',
        ) from error


def _read_numpy(path: str, role: str) -> Data:
    numpy = _numpy(path)
    try:
        with open(path, "rb") as stream:
            # Objects are refused: to load them is to run code out of the file.
            loaded = numpy.load(stream, allow_pickle=False)
            if not isinstance(loaded, numpy.ndarray):
                path, loaded = _member(path, loaded, role)
    except (OSError, InputError):
        raise
    except Exception as error:  # NumPy and zipfile have many names for a damaged file
        raise InputError(
            f"{path}: NumPy cannot read it ({error})", "save it again with numpy.save"
        ) from error
    _check(path, loaded, numpy)
    # Files of another machine may have its byte order, which only NumPy can read; what integers
    # become would differ from library to library.
    dtype = "float64" if loaded.dtype.kind in "biu" else loaded.dtype.newbyteorder("=")
    return Data(path, loaded.astype(dtype), loaded.shape, None, ())


def _member(path: str, archive: Any, role: str) -> tuple[str, Any]:
    """Choose an array of an .npz file: the only one, or the one called as its role is."""
    found = [name for name in archive.files if name.lower() == role]
    if not found and len(archive.files) == 1:
        found = archive.files
    if len(found) != 1:
        has = ", ".join(archive.files) or "nothing"
        raise InputError(
            f"{path}: holds {has}, and which of them is {role!r} is not clear",
            "save it as numpy.savez(file, a=a, b=b)",
        )
    return f"{path} ({found[0]})", archive[found[0]]


def _check(path: str, array: Any, numpy: Any) -> None:
    if array.dtype.kind not in "biufc":
        raise InputError(
            f"{path}: holds entries of dtype {array.dtype}, which are no numbers",
            "save an array of float64",
        )
    finite = numpy.isfinite(array)
    if not finite.all():
        at = tuple(int(i) for i in numpy.argwhere(~finite)[0])
        places = ("row", "column") if len(at) <= 2 else ("index",) * len(at)
        where = ", ".join(f"{p} {i + 1}" for p, i in zip(places, at, strict=False))
        raise InputError(
            f"{path}, {where}: {array[at]} is not a finite number",
            "leave out the rows that miss a value",
        )
