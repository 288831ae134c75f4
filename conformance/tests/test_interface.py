"""The three ways to run the suite: the command, the plugin, and the functions."""

import json
import re
import subprocess
import sys
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from pinvx_conformance import check_lstsq, check_pinv, matrices, strategies
from pinvx_conformance.__main__ import main
from pinvx_conformance._check import CHECKS, PROMISES
from pinvx_conformance._libraries import available, library
from pinvx_conformance._run import PARTS, Plan, run_all
from pinvx_conformance._schedule import group_of
from pinvx_conformance._targets import stranger, target


def transpose(a):
    return np.conj(np.swapaxes(a, -1, -2))


def test_every_promise_has_a_check():
    assert {one.promise for one in CHECKS.values()} == set(PROMISES)


def test_every_need_is_known_to_be_a_feature():
    needs = {need for one in CHECKS.values() for need in one.needs}
    known = {
        "any number", "array tolerances", "atol", "batches", "cutoff warning", "half",
        "hermitian", "host reads", "immutable out", "integers", "jvp", "lstsq", "lstsq batches",
        "lstsq rank", "lstsq rtol", "lstsq_jvp", "lstsq_vjp", "method", "mixed namespaces", "out",
        "peers", "pinv", "pinv_jvp", "pinv_vjp", "positional rtol", "quiet", "rcond", "residuals",
        "residuals cotangent", "return_rank", "rtol", "second order", "singular_values",
        "subnormals", "tolerance errors", "transformations", "vjp",
    }  # fmt: skip
    assert needs == known


def test_check_pinv_accepts_a_right_function():
    check_pinv(np.linalg.pinv, matrices.spectrum(12, 5, kappa=1e5), matrices.integers(2, 2))


def test_a_failure_says_everything():
    with pytest.raises(AssertionError) as caught:
        check_pinv(transpose, matrices.spectrum(12, 5, kappa=1e5), promises=["P6"])
    message = str(caught.value)
    for part in (
        "P6 (accuracy)",
        "transpose",
        "matrices.spectrum(12, 5, kappa=100000.0)",
        "κ = 1e+05",
        "rank 5",
        "bound",
        "from pinvx_conformance import matrices",
        "Hint:",
    ):
        assert part in message


def test_check_pinv_without_recipes_runs_the_gallery():
    with pytest.raises(AssertionError, match="P16"):
        check_pinv(transpose, promises=["P16"])


def test_check_lstsq():
    check_lstsq(partial(np.linalg.lstsq, rcond=None), matrices.low_rank(12, 5, 3), promises=["P9"])
    with pytest.raises(AssertionError, match="residuals"):
        check_lstsq(np.linalg.lstsq, matrices.low_rank(12, 5, 3), promises=["P10"])


def test_lacking_features_are_not_judged():
    with pytest.raises(AssertionError, match="P11"):
        check_pinv(np.linalg.pinv, promises=["P11"])
    check_pinv(np.linalg.pinv, promises=["P11"], lacks={"pinv": "on holiday"})


@settings(max_examples=5, deadline=None, derandomize=True)
@given(strategies.recipes("complex"))
def test_strategies_draw_recipes(recipe):
    check_pinv(np.linalg.pinv, recipe, promises=["P5"], dtypes=["complex128"])


def test_a_stranger_claims_what_its_signature_has():
    def pinv(a, *, rtol=None):
        return np.linalg.pinv(a, rcond=rtol)

    judged = stranger(pinv, "numpy")
    assert judged.claims("rtol")
    assert not judged.claims("hermitian")
    assert not judged.claims("vjp")


def test_an_unknown_target_is_explained():
    with pytest.raises(ValueError, match="Hint: pinvx@LIBRARY"):
        target("no_such_target")
    with pytest.raises(ValueError, match="No array namespace"):
        target("numpy.linalg:pinv", "no_such_namespace")


def test_the_command_writes_its_reports(tmp_path, capsys):
    files = {k: tmp_path / f"report.{k}" for k in ("json", "html", "md")}
    arguments = ["--targets", "scipy.linalg:pinv", "--namespace", "numpy", "--level", "quick"]
    arguments += ["--promises", "P6,P11", "--dtypes", "float64", "--jobs", "1"]
    arguments += ["--json", str(files["json"]), "--report", str(files["html"])]
    arguments += ["--markdown", str(files["md"])]
    assert main(arguments) == 1  # SciPy raises on NaN
    out = capsys.readouterr().out
    assert "P11 (non-finite) is broken by scipy.linalg:pinv" in out
    document = json.loads(files["json"].read_text())
    outcomes = document["verdicts"][0]["outcomes"]
    assert {o["promise"] for o in outcomes} == {"P6", "P11"}
    assert {o["status"] for o in outcomes if o["promise"] == "P6"} == {"pass", "n/a"}
    page = files["html"].read_text()
    assert "<svg" in page
    assert "must not contain infs" in page
    assert "<!--" not in page
    assert "http" not in page.replace("http://www.w3.org", "")
    assert "| P11 non-finite | ✗" in files["md"].read_text()


def test_the_command_lists_targets(capsys):
    assert main(["--targets", "all", "--list"]) == 0
    assert "pinvx@numpy" in capsys.readouterr().out.split()


def test_an_unknown_promise_is_refused():
    with pytest.raises(SystemExit, match="Hint: P1 to P20"):
        main(["--promises", "P77"])


def test_every_dtype_is_judged_in_one_part():
    parts = [dtype for part in PARTS for dtype in part]
    assert len(set(parts)) == len(parts)
    for name in available():
        known = library(name)
        assert {*known.dtypes, *known.half, *known.integers} <= set(parts)


def test_targets_of_two_processes_are_compared():
    plan = Plan("quick", ("P15",), ("float64", "complex128"))
    verdicts = run_all(["numpy", "scipy"], plan, jobs=2)
    assert [verdict.target for verdict in verdicts] == ["numpy", "scipy"]
    for verdict in verdicts:
        assert {o.promise for o in verdict.outcomes} == {"P15"}
        assert not [o.message for o in verdict.outcomes if o.status == "fail"]
        compared = {(o.check, o.dtype) for o in verdict.outcomes if o.status == "pass"}
        for dtype in plan.dtypes:
            assert {("values", dtype), ("solutions", dtype), ("lstsq_ranks", dtype)} <= compared
        left_out = [o.message for o in verdict.outcomes if o.check == "left_out"]
        assert any("1e-15" in message for message in left_out)


def test_a_plan_selects():
    plan = Plan("quick", ("P8",), ("float32",))
    assert {one.promise for one in plan.checks()} == {"P8"}
    judged = target("numpy")
    cases = [case for one in plan.checks() for case in plan.cases(one, judged)]
    assert cases
    assert {case.dtype for case in cases} == {"float32"}


def run_plugin(directory, *arguments):
    command = [sys.executable, "-m", "pytest", "-p", "pinvx_conformance.plugin", "--pyargs"]
    command += ["pinvx_conformance", "-q", "-p", "no:cacheprovider", "--level", "quick"]
    command += ["--max-examples", "3", "--derandomize", *arguments]
    return subprocess.run(command, cwd=directory, capture_output=True, text=True, check=False)


def test_the_plugin_judges_and_obeys_the_files_of_a_third_party(tmp_path):
    known = tmp_path / "xfails.txt"
    known.write_text(
        "# SciPy raises\nP11-one_matrix\nP11-the_others  # documented\nP11-returns\n"
        "P11-*_in_company*\nP5-nothing\n"
    )
    skips = tmp_path / "skips.txt"
    skips.write_text("P11-one_system\n")
    arguments = ["--target", "scipy", "--promises", "P11,P7", "--dtypes", "float64"]
    result = run_plugin(
        tmp_path, *arguments, "--xfails-file", str(known), "--skips-file", str(skips)
    )
    assert result.returncode == 0, result.stdout
    assert "xfailed" in result.stdout
    assert "skipped" in result.stdout
    assert "'P5-nothing'" in result.stdout
    assert "matches no test" in result.stdout


def test_the_plugin_fails_with_the_whole_message(tmp_path):
    result = run_plugin(tmp_path, "--target", "scipy", "--promises", "P11", "--dtypes", "float64")
    assert result.returncode == 1
    assert "P11 (non-finite) is broken by scipy" in result.stdout
    assert "a = matrices.poisoned(" in result.stdout


def test_a_target_stays_in_one_process_with_its_dtype(tmp_path):
    arguments = ["--target", "numpy", "--promises", "P12", "-vv", "-n", "2", "--dist", "loadgroup"]
    result = run_plugin(tmp_path, *arguments)
    ran = re.findall(r"\[(gw\d)\].*PASSED.*-((?:float|complex)\d+)\b", result.stdout)
    workers = {dtype: {worker for worker, one in ran if one == dtype} for _, dtype in ran}
    assert set(workers) == {"float32", "float64", "complex64", "complex128"}
    assert {len(where) for where in workers.values()} == {1}, workers
    assert len(set.union(*workers.values())) == 2


@pytest.mark.parametrize(
    ("name", "group"),
    [
        ("a.py::test_promise[pinvx@torch::P6-rank-hilbert-6-6-float64]", "pinvx@torch float64"),
        ("a.py::test_promise[pinvx@torch::P2-half-integers-3-2-bfloat16]", "pinvx@torch float32"),
        ("a.py::test_promise[my:pinv::P9-one-low_rank-3-2-complex64]", "my:pinv complex64"),
        ("a.py::test_promise[pinvx@numpy::P15-ranks-zeros-3-2-float32]", "pinvx@jax float32"),
        ("a.py::test_promise[pinvx@torch::P13-not_claimed]", "pinvx@torch float64"),
        ("b.py::test_drawn[pinvx@torch-P5-penrose_equations-complex128]", "pinvx@torch complex128"),
        ("c.py::test_of_somebody_else[3-P5]", None),
    ],
)  # fmt: skip
def test_groups_are_read_from_names(name, group):
    assert group_of(name, ["pinvx@numpy", "pinvx@jax", "pinvx@torch"]) == group


def test_the_plugin_wants_a_target(tmp_path):
    result = run_plugin(tmp_path)
    assert result.returncode != 0
    assert "Hint: pass --target" in result.stdout + result.stderr
