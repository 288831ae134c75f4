"""`python -m pinvx solve`: files in, x out, and one clear line for whatever is wrong with them."""

import importlib.util
import subprocess
import sys

import pytest

from pinvx.__main__ import main
from pinvx._command._problem import cement

NAMES = ("x1", "x2", "x3", "x4", "remainder", "intercept")
BACKENDS = [
    name
    for name in ("numpy", "torch", "jax", "array_api_strict")
    if importlib.util.find_spec(name) is not None
]


@pytest.fixture(autouse=True)
def in_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def cement_files(in_a_folder):
    problem = cement()
    a = [",".join(NAMES), *(",".join(str(float(v)) for v in row) for row in problem.a)]
    write("A.csv", *a)
    write("b.csv", "heat", *(str(float(v)) for v in problem.b))


def write(name, *lines):
    with open(name, "w", encoding="utf-8", newline="") as stream:
        stream.write("".join(f"{line}\n" for line in lines))


def python(*arguments):
    return subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, timeout=300, check=False
    )


def solve(capsys, *arguments):
    status = main(["solve", *arguments])
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def x_of(output):
    lines = output.splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith("x") and "=" not in line)
    rows = [line.split() for line in lines[start + 1 :] if not line.startswith("x was")]
    return {row[0]: [float(value) for value in row[1:]] for row in rows}


def residuals_of(output):
    (line,) = [line for line in output.splitlines() if line.startswith("residual ")]
    return [float(value) for value in line.split()[1:]]


def test_from_the_shell(cement_files):
    done = python("-m", "pinvx", "solve", "A.csv", "b.csv")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[:2] == ["A         A.csv: 13 x 6", "b         b.csv: 13"]
    assert "rank      5 of 6 (of all x that fit equally well, this is the shortest)" in done.stdout
    assert "residual  6.9183552" in done.stdout


@pytest.mark.parametrize("backend", BACKENDS)
def test_every_backend_finds_the_exact_answer(backend, cement_files, capsys):
    status, output, _ = solve(capsys, "A.csv", "b.csv", "--backend", backend)
    assert status == 0
    assert f"computed  by {backend} " in output
    assert "in float64" in output
    found = x_of(output)
    for name, exact in zip(NAMES, cement().x, strict=True):
        assert found[name] == pytest.approx([float(exact)], rel=1e-11)


# Passed over by the finder, as on a machine that does not have it.
WITHOUT_NUMPY = """
import sys, warnings
from importlib.machinery import PathFinder

class Finder:
    def find_spec(name, path=None, target=None):
        return None if name.partition(".")[0] == "numpy" else PathFinder.find_spec(name, path)

sys.meta_path[sys.meta_path.index(PathFinder)] = Finder
warnings.simplefilter("ignore")  # PyTorch regrets that NumPy is missing
from pinvx.__main__ import main
sys.exit(main(sys.argv[1:]))
"""


def test_csv_needs_no_numpy(cement_files):
    pytest.importorskip("torch")
    done = python("-c", WITHOUT_NUMPY, "solve", "A.csv", "b.csv", "-o", "x.csv")
    assert done.returncode == 0, done.stderr
    assert "computed  by torch " in done.stdout
    with open("x.csv") as stream:
        assert [float(line) for line in stream] == pytest.approx([float(v) for v in cement().x])
    for arguments in (["A.npy", "b.csv"], ["A.csv", "b.csv", "-o", "x.npy"]):
        done = python("-c", WITHOUT_NUMPY, "solve", *arguments)
        assert done.returncode == 2
        assert "npy: this kind of file needs NumPy, which is not installed. Hint" in done.stderr
        assert done.stderr.count("\n") == 1


def test_without_a_header_x_is_numbered(capsys):
    write("A.csv", "2,0", "", "0, 4", "  ")
    write("b.csv", "2", "2")
    status, output, _ = solve(capsys, "A.csv", "b.csv")
    assert status == 0
    assert x_of(output) == {"1": pytest.approx([1.0]), "2": pytest.approx([0.5])}
    assert "rank      2 of 2\n" in output
    assert residuals_of(output) == [pytest.approx(0.0, abs=1e-15)]


def test_several_right_hand_sides_keep_their_names(capsys):
    write("A.csv", "\ufeffu,v", "1,0", "0,1", "0,0")
    write("B.csv", '"first, of two",second', "1,2", "3,4", "5,6")
    status, output, _ = solve(capsys, "A.csv", "B.csv", "-o", "x.csv")
    assert status == 0
    assert "first, of two" in output
    assert residuals_of(output) == pytest.approx([5.0, 6.0])
    assert x_of(output) == {"u": pytest.approx([1.0, 2.0]), "v": pytest.approx([3.0, 4.0])}
    with open("x.csv") as stream:
        rows = [[float(cell) for cell in line.split(",")] for line in stream]
    assert rows == [pytest.approx([1.0, 2.0]), pytest.approx([3.0, 4.0])]


def test_rtol(capsys):
    write("A.csv", "1,0", "0,0.01")
    write("b.csv", "1", "1")
    assert "rank      2 of 2\n" in solve(capsys, "A.csv", "b.csv")[1]
    status, output, _ = solve(capsys, "A.csv", "b.csv", "--rtol", "0.1")
    assert status == 0
    assert "rank      1 of 2 (of all x" in output
    assert x_of(output) == {"1": pytest.approx([1.0]), "2": pytest.approx([0.0], abs=1e-15)}


def test_numpy_files(capsys):
    np = pytest.importorskip("numpy")
    a = np.asarray([[1.0, 2.0], [2.0, 4.0], [0.0, 0.0]])
    b = np.asarray([5.0, 0.0, 1.0])
    np.save("a.npy", a)
    np.save("b.npy", b)
    np.savez("both.npz", A=a, b=b, other=b)
    np.savez("one.npz", a)
    for files in (["a.npy", "b.npy"], ["both.npz"], ["one.npz", "both.npz"]):
        status, output, _ = solve(capsys, *files, "-o", "x.npy")
        assert status == 0
        np.testing.assert_allclose(np.load("x.npy"), [0.2, 0.4], rtol=1e-14)
        assert output.endswith("x was written to x.npy\n")


@pytest.mark.parametrize("backend", BACKENDS)
def test_numpy_files_keep_their_precision(backend, capsys):
    # The default cutoff depends on it: float32 data as float64 would make rounding errors count.
    np = pytest.importorskip("numpy")
    b = np.asarray([1.0, 2.0])
    for dtype, found in ((">f4", "float32"), ("i4", "float64")):
        np.save("a.npy", np.eye(2, dtype=dtype))
        np.save("b.npy", b.astype(dtype))
        status, output, error = solve(capsys, "a.npy", "b.npy", "--backend", backend, "-o", "x.npy")
        assert (status, error) == (0, "")
        assert f"in {found}\n" in output
        assert np.load("x.npy").dtype == found


def test_complex_numpy_files(capsys):
    np = pytest.importorskip("numpy")
    np.save("a.npy", 2j * np.eye(2))
    np.save("b.npy", np.asarray([[2.0], [4.0]]))
    assert solve(capsys, "a.npy", "b.npy", "-o", "x.npy")[0] == 0
    np.testing.assert_allclose(np.load("x.npy"), [[-1j], [-2j]])
