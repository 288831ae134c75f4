"""`python -m pinvx solve` with files and options that are wrong: one clear line, and status 2."""

import sys

import pytest

from pinvx.__main__ import main


@pytest.fixture(autouse=True)
def in_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(name, *lines):
    with open(name, "w", encoding="utf-8", newline="") as stream:
        stream.write("".join(f"{line}\n" for line in lines))


def solve(capsys, *arguments):
    status = main(["solve", *arguments])
    captured = capsys.readouterr()
    return status, captured.out, captured.err


# What stands in A.csv, and what is said about it; b.csv has two rows.
BAD = {
    "empty": ([], "A.csv: the file is empty. Hint: write one row of the matrix a line."),
    "header alone": (
        ["u,v"],
        "A.csv: there is a header in row 1, and no row of numbers. "
        "Hint: write one row of the matrix a line.",
    ),
    "ragged": (
        ["1,2", "", "3"],
        "A.csv, row 3: 1 cell, and row 1 has 2. "
        "Hint: give every row the same number of cells, separated by commas.",
    ),
    "longer than the header": (
        ["u,v", "1,2,3"],
        "A.csv, row 2: 3 cells, and row 1 has 2. "
        "Hint: give every row the same number of cells, separated by commas.",
    ),
    "text in a cell": (
        ["u,v", "1,2", "3,four"],
        "A.csv, row 3, column 2: 'four' is not a number. "
        "Hint: write numbers such as -1.5e3, separated by commas.",
    ),
    "text beside a number in the first row": (
        ["1,v", "1,2"],
        "A.csv, row 1, column 2: 'v' is not a number. "
        "Hint: write numbers such as -1.5e3, separated by commas.",
    ),
    "semicolons": (
        ["1;2", "3;4"],
        "A.csv, row 2, column 1: '3;4' is not a number. "
        "Hint: write numbers such as -1.5e3, separated by commas.",
    ),
    "digits that Python groups": (
        ["1,2", "1_000,2"],
        "A.csv, row 2, column 1: '1_000' is not a number. "
        "Hint: write numbers such as -1.5e3, separated by commas.",
    ),
    "long text": (
        ["1", "x" * 1000],
        f"A.csv, row 2, column 1: '{'x' * 37}…' is not a number. "
        "Hint: write numbers such as -1.5e3, separated by commas.",
    ),
    "empty cell": (
        ["1,2", "3,"],
        "A.csv, row 2, column 2: the cell is empty. Hint: fill it in, or leave out the row.",
    ),
    "NaN": (
        ["nan,2", "3,4"],
        "A.csv, row 1, column 1: 'nan' is not a finite number. "
        "Hint: leave out the rows that miss a value.",
    ),
    "overflow": (
        ["1,2", "3,1e999"],
        "A.csv, row 2, column 2: '1e999' is not a finite number. "
        "Hint: leave out the rows that miss a value.",
    ),
    "row numbers by pandas": (
        [",u,v", "0,1,2", "1,3,4"],
        "A.csv, row 1, column 1: the name in the header is empty. "
        "Hint: name every column; if pandas wrote the file, write it with index=False.",
    ),
    "rows do not fit": (
        ["u,v", "1,2", "3,4", "5,6"],
        "A.csv has 3 rows and b.csv has 2 rows. Hint: give every row of A one row of b.",
    ),
    "one row": (
        ["1,2"],
        "A.csv has 1 row and b.csv has 2 rows. Hint: give every row of A one row of b.",
    ),
    "unbalanced quotes": (
        ["1,2", '3,"4'],
        "A.csv, row 2: unexpected end of data. Hint: save it as comma separated values.",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_csv(case, capsys):
    lines, said = BAD[case]
    write("A.csv", *lines)
    write("b.csv", "1", "2")
    assert solve(capsys, "A.csv", "b.csv") == (2, "", f"pinvx: {said}\n")


def test_bad_b_is_named_as_well(capsys):
    write("A.csv", "1,2", "3,4")
    write("b.csv", "heat", "1", "two")
    status, output, error = solve(capsys, "A.csv", "b.csv")
    assert (status, output) == (2, "")
    assert error.startswith("pinvx: b.csv, row 3, column 1: 'two' is not a number. Hint: ")


def test_files_that_are_none(in_a_folder, capsys):
    write("A.csv", "1")
    (in_a_folder / "folder.csv").mkdir()
    (in_a_folder / "latin.csv").write_bytes(b"\xff\xfe1,2\n")
    for files, said in (
        (["none.csv", "A.csv"], "pinvx: none.csv: No such file or directory. Hint: check the name"),
        (["A.csv", "none.csv"], "pinvx: none.csv: No such file or directory. Hint: check the name"),
        (["A.csv"], "pinvx: A.csv: there is no right-hand side. Hint: name a second file with b"),
        (["folder.csv", "A.csv"], "pinvx: folder.csv: "),
        (["latin.csv", "A.csv"], "pinvx: latin.csv: the file is not text in UTF-8. Hint: save it"),
        (["A.txt", "A.csv"], "pinvx: A.txt: the name ends in '.txt'. Hint: use one of .csv, .npy"),
        (["A", "A.csv"], "pinvx: A: the name has no ending. Hint: use one of .csv, .npy, .npz"),
    ):
        status, output, error = solve(capsys, *files)
        assert (status, output) == (2, "")
        assert error.startswith(said)
        assert error.count("\n") == 1


def test_bad_numpy_files(in_a_folder, capsys):
    np = pytest.importorskip("numpy")
    write("b.csv", "1", "2")
    (in_a_folder / "damaged.npy").write_bytes(b"\x93NUMPY and no more")
    (in_a_folder / "damaged.npz").write_bytes(b"PK\x03\x04 and no more")
    (in_a_folder / "empty.npy").write_bytes(b"")
    np.save("objects.npy", np.asarray([[1, "two"]], dtype=object), allow_pickle=True)
    np.save("text.npy", np.asarray([["1", "2"]]))
    np.save("nan.npy", np.asarray([[1.0, 2.0], [3.0, np.nan]]))
    np.save("vector.npy", np.ones(2))
    np.save("cube.npy", np.ones((2, 2, 2)))
    np.save("square.npy", np.eye(2))
    np.save("long.npy", np.eye(2, dtype=np.longdouble))
    np.savez("many.npz", p=np.eye(2), q=np.ones(2))
    for files, said in (
        (["damaged.npy", "b.csv"], "damaged.npy: NumPy cannot read it ("),
        (["damaged.npz", "b.csv"], "damaged.npz: NumPy cannot read it ("),
        (["empty.npy", "b.csv"], "empty.npy: NumPy cannot read it (No data left in file). Hint"),
        (["objects.npy", "b.csv"], "objects.npy: NumPy cannot read it (Object arrays cannot"),
        (["text.npy", "b.csv"], "text.npy: holds entries of dtype <U1, which are no numbers. Hint"),
        (["nan.npy", "b.csv"], "nan.npy, row 2, column 2: nan is not a finite number. Hint"),
        (["vector.npy", "b.csv"], "vector.npy: an array of shape (2,), and A is a matrix. Hint"),
        (["square.npy", "cube.npy"], "cube.npy: an array of shape (2, 2, 2), and b is a vector"),
        (["long.npy", "b.csv"], "long.npy and b.csv: numpy does not take them (lstsq: `a` has"),
        (["many.npz"], "many.npz: holds p, q, and which of them is 'a' is not clear. Hint: save"),
        (["none.npy", "b.csv"], "none.npy: No such file or directory. Hint"),
    ):
        status, output, error = solve(capsys, *files)
        assert (status, output) == (2, "")
        assert error.startswith(f"pinvx: {said}")
        assert "Hint: " in error
        assert error.count("\n") == 1


def test_bad_options(capsys, monkeypatch):
    write("A.csv", "1,2", "3,4")
    write("b.csv", "5", "6")
    monkeypatch.setitem(sys.modules, "cupy", None)
    for options, said in (
        (["--backend", "matlab"], "--backend matlab is not known. Hint: pass one of numpy, torch"),
        (["--backend", "cupy"], '--backend cupy: it is not installed. Hint: pip install "pinvx[c'),
        (["--rtol", "-1"], "--rtol is -1.0. Hint: pass a number that is 0 or more."),
        (["--rtol", "nan"], "--rtol is nan. Hint: pass a number that is 0 or more."),
        (["-o", "x.txt"], "x.txt: the name ends in '.txt'. Hint: use one of .csv, .npy."),
        (["-o", "none/x.csv"], "none/x.csv: No such file or directory. Hint: name a file in a"),
    ):
        status, _, error = solve(capsys, "A.csv", "b.csv", *options)
        assert status == 2
        assert error.startswith(f"pinvx: {said}")
        assert error.count("\n") == 1
    for arguments in (["A.csv", "b.csv", "--rtol", "small"], [], ["A.csv", "b.csv", "--fast"]):
        with pytest.raises(SystemExit) as end:
            main(["solve", *arguments])
        assert end.value.code == 2
        error = capsys.readouterr().err
        assert error.startswith("pinvx: ")
        assert "Hint: see python -m pinvx" in error
        assert error.count("\n") == 1


def test_a_backend_that_is_broken(capsys, monkeypatch, in_a_folder):
    write("A.csv", "1,2", "3,4")
    write("b.csv", "5", "6")
    (in_a_folder / "broken").mkdir()
    (in_a_folder / "broken" / "cupy.py").write_text("raise OSError('no driver')")
    monkeypatch.syspath_prepend(str(in_a_folder / "broken"))
    monkeypatch.delitem(sys.modules, "cupy", raising=False)
    status, output, error = solve(capsys, "A.csv", "b.csv", "--backend", "cupy")
    assert (status, output) == (2, "")
    assert error.startswith("pinvx: --backend cupy: it cannot be imported (no driver). Hint: pip")
