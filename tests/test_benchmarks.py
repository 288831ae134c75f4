"""The benchmark: what it computes with, what it makes of it, and what it writes; never a time."""

from __future__ import annotations

import ast
import gc
import itertools
import json
import os
import subprocess
import sys
from collections import Counter
from fractions import Fraction
from pathlib import Path
from xml.etree import ElementTree

import exact
import numpy as np
import pytest

import pinvx
from benchmarks import cell, reference, summary, table
from benchmarks.__main__ import main
from benchmarks.cell import Cell
from benchmarks.contenders import Contender, Match, Rivals
from benchmarks.extended_product import EXTENDED, product
from benchmarks.grid import KINDS, SHAPES, Shape
from benchmarks.problems import problem
from benchmarks.report import Report
from benchmarks.timing import in_turns

ROOT = Path(__file__).parent.parent
extended = pytest.mark.skipif(
    not reference.AVAILABLE, reason="long double is no longer than double on this machine"
)


# Timing


class Clock:
    """A clock that moves when a function says so."""

    def __init__(self):
        self.now = 0.0
        self.calls = []

    def __call__(self):
        return self.now

    def function(self, name, *durations):
        durations = itertools.chain(durations, itertools.repeat(durations[-1]))

        def call():
            self.calls.append(name)
            self.now += next(durations)

        return call


def test_functions_take_turns():
    clock = Clock()
    a, b = clock.function("a", 1.0, 3.0, 2.0, 8.0, 7.0), clock.function("b", 0.5)
    first, second = in_turns(a, b, budget=0.0, least=5, clock=clock)
    assert "".join(clock.calls) == "ab" * 5
    assert first == (3.0, 5, 1)
    assert second == (0.5, 5, 1)


def test_a_budget_is_spent_and_not_much_more():
    clock = Clock()
    in_turns(clock.function("a", 1.0), clock.function("b", 2.0), budget=10.0, clock=clock)
    assert clock.now == 12.0


def test_short_calls_are_timed_together():
    clock = Clock()
    fast, slow = clock.function("f", 2e-6), clock.function("s", 5e-3)
    first, second = in_turns(fast, slow, budget=0.0, clock=clock)
    assert first.seconds == pytest.approx(2e-6)
    assert 250 <= first.calls <= 1000
    assert second.calls == 1
    # In turns as well: no call of the slow one between two of a round.
    runs = [name for name, _ in itertools.groupby(clock.calls)]
    assert runs == ["f", "s"] * 3


def test_an_interruption_does_not_make_a_function_slow():
    clock = Clock()
    (timing,) = in_turns(clock.function("a", 4e-3, 1e-6), budget=0.0, clock=clock)
    assert timing.calls > 100


def test_garbage_is_collected_again():
    with pytest.raises(ZeroDivisionError):
        in_turns(lambda: 1 / 0, budget=0.0)
    assert gc.isenabled()


# Exact answers


def fraction(x):
    """A long double as a Fraction."""
    head = float(x)
    return Fraction(head) + Fraction(float(x - np.longdouble(head)))


@extended
def test_product_rounds_once():
    random = np.random.default_rng(0)
    a, b = (random.standard_normal((2, *s)).astype(np.longdouble) for s in ((3, 40), (40, 2)))
    a, b = (x + random.standard_normal(x.shape) * np.longdouble(2) ** -54 for x in (a, b))
    a[0] *= np.longdouble(2) ** np.arange(-60, 60, 3)  # entries of one row of many sizes
    c = product(a, b)
    for k, i, j in itertools.product(range(2), range(3), range(2)):
        terms = [fraction(x) * fraction(y) for x, y in zip(a[k, i], b[k, :, j], strict=True)]
        # Two units for each of the sums over levels, of what is as large as the largest terms.
        bound = 8 * len(terms) * EXTENDED * float(np.max(np.abs(a[k, i])) * np.max(np.abs(b[k])))
        assert abs(float(fraction(c[k, i, j]) - sum(terms))) <= bound


@extended
@pytest.mark.parametrize("real", [(True, True), (True, False), (False, True), (False, False)])
def test_product_of_complex_numbers(real):
    random = np.random.default_rng(1)
    a, b = (random.integers(-(2**24), 2**24, s).astype(float) for s in ((3, 4), (4, 2)))
    a, b = (x if r else x + 1j * x[::-1] for x, r in zip((a, b), real, strict=True))
    # Every sum is an integer below 2⁵³, so NumPy's own product is exact, too.
    assert (product(a, b) == a @ b).all()


def distance(found, wanted):
    """The relative distance of an array of long doubles from an exact matrix, as embedded."""
    rows, columns = found.shape
    off, size = Fraction(0), Fraction(0)
    for i, j in itertools.product(range(rows), range(columns)):
        for part, row in ((found[i, j].real, i), (found[i, j].imag, i + rows)):
            value = wanted[row, j]
            value = Fraction(int(value.p), int(value.q))
            off += (fraction(part) - value) ** 2
            size += value**2
    return float(off / size) ** 0.5


def pinv_of(p):
    """The exact pseudoinverse of the matrix of a problem, as embedded."""
    if p.factors is not None:
        return exact.pinv(*map(exact.rational, p.factors))
    identity = exact.rational(np.eye(min(p.a.shape)))
    a = exact.rational(p.a)
    return exact.pinv(a, identity) if p.shape.m >= p.shape.n else exact.pinv(identity, a)


@extended
@pytest.mark.parametrize("dtype", ["float64", "complex128"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", [Shape(7, 4), Shape(4, 7), Shape(5, 5)], ids=str)
def test_the_reference_has_more_digits_than_the_dtype(shape, kind, dtype):
    p = problem(shape, dtype, kind)
    kappa = 1e6 if kind == "kappa1e6" else 100.0
    assert distance(p.pinv, pinv_of(p)) < 100 * kappa * EXTENDED


@pytest.mark.parametrize("kind", KINDS)
def test_single_precision_has_its_own_cutoff(kind):
    p = problem(Shape(20, 16), "float32", kind)
    s = np.linalg.svd(p.a.astype(float), compute_uv=False)
    rank = np.linalg.matrix_rank(p.pinv)
    assert rank == np.sum(s > 20 * np.finfo(np.float32).eps * s[0])
    assert rank == {"well": 16, "deficient": 8}.get(kind, rank)
    assert (rank < 16) == (kind != "well")


def test_a_matrix_near_lower_rank_has_no_reference():
    with pytest.raises(ValueError, match=r"no reference for a matrix of shape \(2, 2\).*Hint: "):
        reference.pinv(np.asarray([[1.0, 1.0], [1.0, 1.0 + 1e-12]]))


@extended
@pytest.mark.parametrize("dtype", ["float64", "complex128"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", [Shape(6, 4), Shape(4, 6)], ids=str)
def test_the_gradients_are_those_of_exact_arithmetic(shape, kind, dtype):
    """d Re⟨G, A⁺⟩ = Re⟨Ā, dA⟩ in a direction that keeps the rank."""
    p = problem(shape, dtype, kind)
    if p.factors is None:
        b = np.eye(min(shape.m, shape.n))
        factors = (p.a, b) if shape.m >= shape.n else (b, p.a)
    else:
        factors = p.factors
    b, c = map(exact.rational, factors)
    random = np.random.default_rng(2)
    moved = [random.integers(-3, 3, x.shape).astype(np.longdouble) for x in factors]
    db, dc = (exact.rational(x.astype(float)) for x in moved)
    right, g = exact.rational(p.b.reshape(-1, 1)), p.solution_cotangent.reshape(-1, 1)

    dx = exact.derivative(lambda t: exact.pinv(b + t * db, c + t * dc))
    da = moved[0] @ factors[1] + factors[0] @ moved[1]
    of_a, of_b = p.lstsq_gradients
    # X has a relative error of some κ·eps, hence I − A X one of κ²·eps, in the formula of Ā a
    # factor beside ‖X‖²‖G‖. (Double precision leaves κ²·1e-16, so the digits won are the same.)
    bound = 10 * (1e6 if kind == "kappa1e6" else 100.0) ** 2 * EXTENDED
    for gradient, wanted in (
        (p.pinv_gradient, inner(exact.rational(p.x_cotangent), dx)),
        (of_a, inner(exact.rational(g), dx * right)),
    ):
        found = float(np.sum((gradient.conj() * da).real))
        assert abs(found - wanted) <= bound * norm(da) * norm(gradient)
    assert distance(of_b[:, None], pinv_of(p).transpose() * exact.rational(g)) < bound


def norm(x):
    return float(np.sqrt(np.sum(np.abs(x) ** 2)))


def inner(g, x):
    """Re⟨G, X⟩ of embedded matrices: each number stands there twice."""
    product = g.transpose() * x
    trace = sum(Fraction(int(v.p), int(v.q)) for v in (product[i, i] for i in range(x.ncols())))
    return float(trace / 2)


def test_the_error_is_the_largest_of_a_batch():
    right = np.asarray([[[3.0, 4.0]], [[0.0, 2.0]]], dtype=np.longdouble)
    found = np.asarray([[[3.0, 4.5]], [[0.5, 2.0]]])
    assert reference.error(found, right) == 0.25
    assert reference.error(found[0], right[0]) == 0.1
    assert np.isnan(reference.error(found * np.nan, right))


# The grid


def test_the_problems_are_what_they_are_called():
    for shape, dtype in itertools.product((Shape(9, 6), Shape(6, 9, 3)), ("float64", "complex128")):
        s = np.linalg.svd(problem(shape, dtype, "kappa1e6").a, compute_uv=False)
        np.testing.assert_allclose(s[..., 0] / s[..., -1], 1e6, rtol=1e-6)
        p = problem(shape, dtype, "deficient")
        assert (np.linalg.matrix_rank(p.a) == 3).all()
        single = "complex64" if dtype == "complex128" else "float32"
        assert (p.a.astype(single) == p.a).all()
        assert p.a.dtype == p.b.dtype == dtype
        assert (p.a == problem(shape, dtype, "deficient").a).all()
    s = np.linalg.svd(problem(Shape(6, 6), "float64", "well").a, compute_uv=False)
    np.testing.assert_allclose(s[0] / s[-1], 10)


def test_shapes_are_read_as_they_are_written():
    assert all(Shape.parse(str(shape)) == shape for shape in SHAPES)
    assert len(set(SHAPES)) == 20
    assert Shape(32, 8, 500).label == "500×(32×8)"
    for text in ("3", "3x", "0x3", "3x3x3", "*3x3", "-3x3"):
        with pytest.raises(ValueError, match=r"is no shape\. Hint: "):
            Shape.parse(text)


# What is made of the cells


def made(own=2.0, pinvx=1.0, **fields):
    defaults = {
        "library": "numpy",
        "device": "cpu",
        "function": "pinv",
        "mode": "forward",
        "own": "numpy.linalg.pinv",
        "dtype": "float64",
        "kind": "well",
        "shape": "3x3",
    }
    return Cell(**(defaults | fields), own_seconds=own, pinvx_seconds=pinvx)


def test_the_geometric_mean():
    cells = [made(2.0), made(8.0, shape="5x3"), made(None, shape="4x4")]
    assert summary.geometric_mean(cells) == pytest.approx(4)
    assert summary.geometric_mean([made(None)]) is None
    assert summary.lowest(cells) is cells[0]


def test_the_best_of_two_drivers_counts():
    drivers = [made(own=t, library="scipy", function="lstsq") for t in (12.0, 3.0)]
    assert summary.geometric_mean(drivers) == pytest.approx(3)


def test_errors_below_eps_are_rounding():
    eps = np.finfo(np.float64).eps
    for own, mine, ratio in ((0.0, eps / 2, 1), (0.0, 4 * eps, 4), (8 * eps, 2 * eps, 0.25)):
        assert made(own_error=own, pinvx_error=mine).error_ratio == ratio
    cells = [made(own_error=1e-8, pinvx_error=e * 1e-8) for e in (1, 2, 7)]
    assert summary.median_error_ratio(cells) == pytest.approx(2)


def test_figures_wanted():
    """Of float64 on the CPU alone, each beside its own figure."""
    cells = [
        made(8.0, kind="well", own_error=1e-9, pinvx_error=2e-9),
        made(2.0, kind="kappa1e6"),
        made(1e-9, dtype="float32"),
        made(1e-9, device="cuda:0"),
        made(3.0, kind="deficient"),
        made(0.5, library="torch", function="lstsq"),
    ]
    rows = {row[0]: row for row in table.wanted(Report({}, {}, cells)).rows}
    assert rows["pinv, NumPy"][2:] == ("2", "4.00", "≥ 4", "8", "yes")
    assert rows["lstsq, PyTorch"][2:] == ("1", "0.50", "≥ 1.5", "8", "no")
    assert rows["any cell of those"][2:] == ("3", "0.50", "≥ 0.9", "1", "no")
    assert rows["rank-deficient"][2:4] == ("1", "3.00")
    assert rows["pinv, error over that of the SVD formula"][3:] == ("2.00", "≤ 1", "0.5", "no")
    assert "lstsq, NumPy" not in rows


def test_a_cell_without_a_ratio_is_told():
    cells = [
        made(None, own_failed="needs 640 GB of memory, of 25 GB"),
        made(1.0, None, pinvx_failed="ValueError: no"),
        made(1.0, own_error=1e-15, pinvx_error=1e-14),
        made(1.0, own_error=1e-14, pinvx_error=1e-15),
    ]
    assert [table.mark(c) for c in cells] == ["–", "×", "1.00!", "1.00"]
    report = Report({}, {}, cells)
    assert summary.failures(report) == [
        "numpy.linalg.pinv: needs 640 GB of memory, of 25 GB: 3×3 well float64",
        "pinvx.pinv (numpy): ValueError: no: 3×3 well float64",
    ]
    (line,) = summary.lines(report)
    assert (line.cells, line.failed) == (2, 2)


class Stranger(Contender):
    """A library whose function is given."""

    name = "stranger"

    def measure(self, own, *, memory=0):
        match = Match(
            "pinv", "forward", "own", lambda *_: Rivals(own, np.linalg.pinv), lambda *_: memory
        )
        posed = problem(Shape(3, 2), "float64", "well")
        return cell.measure(self, "cpu", match, posed, None, budget=0.0)


def refused(a):
    raise RuntimeError("not today\nnor tomorrow")


@pytest.mark.parametrize(
    ("own", "memory", "why"),
    [
        (refused, 0, "RuntimeError: not today"),
        (lambda a: a.mT * np.nan, 0, "the result has NaN or infinity"),
        (refused, 10**15, "needs 1000000 GB of memory, of "),
    ],
    ids=["raises", "nan", "memory"],
)
def test_a_library_that_fails_is_a_result(own, memory, why):
    found = Stranger().measure(own, memory=memory)
    assert found.own_failed.startswith(why)
    assert found.ratio is found.own_seconds is None
    assert found.pinvx_seconds > 0
    assert found.pinvx_failed == ""


@extended
def test_a_wrong_answer_shows_in_the_error():
    found = Stranger().measure(lambda a: np.linalg.pinv(a) * 1.5)
    assert found.own_error == pytest.approx(0.5)
    assert found.pinvx_error < 1e-13
    assert found.rounds == 3


# The command


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A small real run, with all that it writes."""
    for library in ("scipy", "rich"):
        pytest.importorskip(library)
    folder = tmp_path_factory.mktemp("run")
    files = {name: folder / f"r.{name}" for name in ("json", "markdown", "svg")}
    options = ["--shapes", "9x7,2*5x3", "--libraries", "numpy,scipy", "--dtypes", "float64"]
    options += ["--budget", "0", "--json", files["json"], "--markdown", files["markdown"]]
    assert main([*map(str, options), "--chart", str(files["svg"])]) == 0
    return files


def test_a_run_measures_every_cell(run):
    report = Report.load(run["json"])
    assert len(report.cells) == 2 * 3 * 4
    for c in report.cells:
        assert not c.own_failed + c.pinvx_failed
        assert c.ratio == c.own_seconds / c.pinvx_seconds
        assert c.rounds >= 3
        assert c.product_seconds > 0
        assert (c.remark != "") == (c.function == "lstsq" and "*" in c.shape)
    assert report.machine["versions"]["numpy"] == np.__version__
    assert {"cpu", "threads", "blas", "load_at_start", "load_at_end", "date"} <= set(report.machine)


@extended
def test_a_run_finds_both_accurate(run):
    for c in Report.load(run["json"]).cells:
        bound = 100 * (1e6 if c.kind == "kappa1e6" else 100.0) * np.finfo(np.float64).eps
        assert max(c.own_error, c.pinvx_error) < bound, c


def test_what_is_kept_can_be_read_again(run, tmp_path, capsys):
    report = Report.load(run["json"])
    report.save(tmp_path / "again.json")
    assert (tmp_path / "again.json").read_text() == run["json"].read_text()
    assert json.loads(run["json"].read_text())["cells"][0]["ratio"] == report.cells[0].ratio
    assert main(["--from", str(run["json"]), "--detail"]) == 0
    printed = capsys.readouterr().out
    for part in ("2×(5×3)", "κ = 1e6", "gelsy", "Python loop over the batch", "numpy.linalg.pinv"):
        assert part in printed


def test_markdown_has_every_cell_and_whole_tables(run):
    text = run["markdown"].read_text(encoding="utf-8")
    tables = [
        list(g) for bar, g in itertools.groupby(text.splitlines(), lambda t: t[:1] == "|") if bar
    ]
    assert all(len({line.count("|") for line in lines}) == 1 for lines in tables)
    assert sum(len(lines) - 2 for lines in tables[-4:]) == 2 * 3 * 4
    assert "numpy" in text.splitlines()[6]


def test_the_chart_is_drawn(run):
    picture = ElementTree.fromstring(run["svg"].read_text(encoding="utf-8"))
    named = {element.get("id"): element.text for element in picture.iter() if element.get("id")}
    assert list(named) == picture.get("aria-labelledby").split()
    assert named["title"] == "How many times as fast pinvx is: float64"
    assert "numpy.linalg.pinv, full rank: " in named["description"]
    written = Counter(element.text for element in picture.iter() if element.tag.endswith("text"))
    assert Counter(map(table.mark, Report.load(run["json"]).cells)) <= written
    colours = {element.get("fill") for element in picture.iter() if element.tag.endswith("path")}
    assert len(colours - {"#000", "#e8e8e8"}) >= 7  # of the legend alone


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--libraries nunpy", "'nunpy' is not among those measured. Hint: use numpy, "),
        ("--shapes 3", "'3' is no shape. Hint: write 32x8"),
        ("--kinds bad", "'bad' is not known. Hint: use well, "),
        ("--functions svd", "Hint: use pinv, lstsq."),
        ("--budget soon", "'soon' is no time. Hint: "),
        ("--threads 0", "'0' is no number of processors. Hint: "),
        ("--libraries numpy --modes backward", "nothing is left to measure. Hint: "),
        ("--device tpu:9 --libraries numpy", "nothing is left to measure. Hint: "),
        ("--json nowhere/r.json", "there is no folder nowhere. Hint: "),
        ("--from nowhere.json", "there is no such file. Hint: "),
        ("--chart r.png", "the chart is SVG. Hint: "),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(options, message, capsys):
    try:
        status = main(options.split())
    except SystemExit as refusal:
        status = refusal.code
    assert status == 2
    said = capsys.readouterr().err
    assert said.startswith("benchmarks: ")
    assert message in said
    assert said.count("\n") == 1


def test_threads_are_limited_before_anything_is_imported():
    """A library that was there already would not notice."""
    code = (
        "import os, sys; from benchmarks import options, threads, __main__;"
        "early = {'numpy', 'torch', 'jax', 'scipy', 'pinvx'} & set(sys.modules); threads.limit(1);"
        "print(sorted(early), os.environ['OMP_NUM_THREADS'], __import__('benchmarks.machine')"
        ".machine.usable_cpus())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    cpus = 1 if hasattr(os, "sched_setaffinity") else os.cpu_count()
    assert done.stdout.split() == ["[]", "1", str(cpus)]


# Who imports whom


def imported(folder):
    """The modules and names that the files of a folder import, wherever in them."""
    for path in (ROOT / folder).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_the_benchmark_uses_what_is_public_and_nothing_uses_the_benchmark():
    allowed = {"pinvx", *(f"pinvx.{name}" for name in pinvx.__all__)}
    # Each method alone has no public function, and how arrays are made is stated once.
    allowed |= {"pinvx._dispatch.adapter_of", "pinvx._problem.Problem"}
    allowed |= {f"pinvx._plan.{name}" for name in ("METHODS", "names")}
    allowed |= {f"pinvx._command._libraries.{name}" for name in ("Library", "library")}
    assert {name for name in imported("benchmarks") if name.startswith("pinvx")} <= allowed
    for folder in ("pinvx", "backends", "conformance"):
        assert not [name for name in imported(folder) if name.startswith("benchmarks")]
