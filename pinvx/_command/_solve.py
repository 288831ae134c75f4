"""`python -m pinvx solve`: least squares for files."""

from __future__ import annotations

import argparse
import math
import sys
from typing import Any

import pinvx

from .._dispatch import installed_version
from ._files import Data, read, writable, write
from ._input_error import InputError
from ._libraries import BACKENDS, Library, library, numbers


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what `solve` takes."""
    parser.add_argument("a", metavar="A", help="the matrix: a .csv, .npy or .npz file")
    parser.add_argument(
        "b",
        metavar="b",
        nargs="?",
        help="the right-hand side, one number a row, or several for several right-hand sides; "
        "without it, A is an .npz file that holds a and b",
    )
    parser.add_argument("-o", "--output", metavar="FILE", help="write x to a .csv or .npy file")
    parser.add_argument(
        "--rtol",
        type=float,
        help="singular values up to this times the largest count as zero; by default max(M, N) eps",
    )
    parser.add_argument(
        "--backend",
        metavar="NAME",
        help=f"the array library to use: {', '.join(BACKENDS)}; by default the first installed",
    )


def run(options: argparse.Namespace) -> int:
    """Solve, print, and return the exit status."""
    try:
        if options.output is not None:
            writable(options.output)
        if options.rtol is not None and not options.rtol >= 0.0:
            raise InputError(f"--rtol is {options.rtol}", "pass a number that is 0 or more")
        a, b = _read(options.a, options.b)
        _solve(_backend(options.backend), a, b, options)
    except InputError as error:
        print(f"pinvx: {error}", file=sys.stderr)
        return 2
    return 0


def _backend(name: str | None) -> Library:
    if name is None:
        name = next((n for n in BACKENDS if installed_version(n) is not None), None)
        if name is None:
            raise InputError("no array library is installed", 'pip install "pinvx[numpy]"')
    elif name not in BACKENDS:
        raise InputError(f"--backend {name} is not known", f"pass one of {', '.join(BACKENDS)}")
    elif installed_version(name) is None:
        raise InputError(f"--backend {name}: it is not installed", _install(name))
    try:
        lib = library(name)
    except Exception as error:  # whatever a broken installation raises
        raise InputError(
            f"--backend {name}: it cannot be imported ({error})", _install(name)
        ) from error
    if not lib.devices():
        raise InputError(f"--backend {name}: it found no device", "pass another backend")
    return lib


def _install(name: str) -> str:
    if name == "array_api_strict":
        return "pip install array-api-strict"
    return f'pip install "pinvx[{name}]", or pass another backend'


def _read(a_path: str, b_path: str | None) -> tuple[Data, Data]:
    a = read(a_path, "a")
    if b_path is None and not a_path.lower().endswith(".npz"):
        raise InputError(f"{a_path}: there is no right-hand side", "name a second file with b")
    b = read(b_path or a_path, "b")
    if len(a.shape) != 2:
        raise InputError(
            f"{a.source}: an array of shape {a.shape}, and A is a matrix",
            "save an array with two dimensions",
        )
    if len(b.shape) not in (1, 2):
        raise InputError(
            f"{b.source}: an array of shape {b.shape}, and b is a vector or a matrix",
            "save an array with one or two dimensions",
        )
    if a.shape[0] != b.shape[0]:
        raise InputError(
            f"{a.source} has {_rows(a)} and {b.source} has {_rows(b)}",
            "give every row of A one row of b",
        )
    return a, b


def _rows(data: Data) -> str:
    return "1 row" if data.shape[0] == 1 else f"{data.shape[0]} rows"


def _solve(lib: Library, a: Data, b: Data, options: argparse.Namespace) -> None:
    device = lib.devices()[0]
    with lib.scope(device, x64=True):
        try:
            a_array = lib.array(a.values, a.dtype, device)
            b_array = lib.array(b.values, b.dtype, device)
            fit = pinvx.lstsq(a_array, b_array, rtol=options.rtol)
        except (TypeError, ValueError) as error:
            raise InputError(
                f"{a.source} and {b.source}: {lib.name} does not take them ({error})",
                "save them as float64",
            ) from error
        x, squares = numbers(fit.x), numbers(fit.residuals)
        rank, dtype = int(fit.rank), str(fit.x.dtype).rpartition(".")[2]
    for line in _words(lib, a, b, x, squares, rank, dtype):
        print(line)
    if options.output is not None:
        write(options.output, x, dtype)
        print(f"x was written to {options.output}")


def _words(
    lib: Library, a: Data, b: Data, x: Any, squares: Any, rank: int, dtype: str
) -> list[str]:
    m, n = a.shape
    residuals = squares if isinstance(squares, list) else [squares]
    deficient = " (of all x that fit equally well, this is the shortest)" if rank < n else ""
    rows = [[f"{v:.12g}" for v in (row if isinstance(row, list) else [row])] for row in x]
    names = a.names or [str(i + 1) for i in range(n)]
    heads = [["x", *b.names]] if len(b.names) == len(residuals) > 1 else [["x"]]
    lines = heads + [[name, *row] for name, row in zip(names, rows, strict=True)]
    widths = [max(len(line[i]) for line in lines if i < len(line)) for i in range(len(lines[-1]))]
    return [
        f"A         {a.source}: {m} x {n}",
        f"b         {b.source}: {' x '.join(map(str, b.shape))}",
        f"computed  by {lib.name} {lib.version} in {dtype}",
        f"rank      {rank} of {min(m, n)}{deficient}",
        f"residual  {' '.join(f'{math.sqrt(value):.12g}' for value in residuals)}",
        *("  ".join(_aligned(line, widths)).rstrip() for line in lines),
    ]


def _aligned(line: list[str], widths: list[int]) -> list[str]:
    return [
        cell.rjust(width) if i else cell.ljust(width)
        for i, (cell, width) in enumerate(zip(line, widths, strict=False))
    ]
