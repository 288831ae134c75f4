"""Large batches in several threads: the same to rounding, and threads only where they are wanted.

The bits may differ: PyTorch's decompositions are MKL's, whose bits depend on the number of threads.
"""

import os
import signal
import threading
import warnings

import numpy as np
import pytest
from backend_table import HERE
from bounds import FIRST, VALUE, assert_close, eps_of, unit
from pinvx_backends import _threads
from pinvx_backends._threads import cores, parts, side_by_side

import pinvx

LIBRARIES = [row for row in HERE if row.tag in ("numpy", "torch")]
libraries = pytest.mark.parametrize("library", LIBRARIES, ids=str)


def random(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


def deficient(*shape):
    a = random(*shape)
    a[..., -1] = a[..., 0]
    return a


# Batches of at least twice the size of a part: along one axis, along the longer of two, repeated.
BATCHES = [(20000, 4, 4), (3, 700, 32, 8), (700, 3, 8, 32), (1, 2500, 6, 6)]


@pytest.fixture
def threads(monkeypatch):
    """Let NumPy's and PyTorch's batches be computed in as many threads as the test says."""

    def use(number):
        monkeypatch.setattr("pinvx_backends._numpy.cores", lambda: number)
        for row in LIBRARIES:
            if row.library == "torch":
                monkeypatch.setattr("torch.get_num_threads", lambda: number)

    return use


@pytest.fixture
def used(monkeypatch):
    """Record the names of the threads that compute parts."""
    names = set()
    whole = _threads.side_by_side

    def recorded(function, places):
        def named(place):
            names.add(threading.current_thread().name)
            return function(place)

        return whole(named, places)

    monkeypatch.setattr(_threads, "side_by_side", recorded)
    return names


RTOL = 1e-10  # far from every singular value of `random` and `deficient`, zero or not


def norm(x):
    """The Frobenius norm of each matrix of a batch."""
    return np.linalg.norm(x, axis=(-2, -1))


def assert_same(a, b, rtol, one, two):
    """A⁺, its rank, and x, ‖b − A x‖² and the rank of `lstsq` agree, matrix by matrix, to rounding.

    Either is right for a matrix that is `VALUE` units from A (`bounds.py`): A⁺ moves by κ of them
    beside its norm, x by ‖E‖(2‖A⁺‖‖x‖ + ‖A⁺‖²‖r‖) + ‖A⁺‖‖δb‖ (Wedin), and r by ‖A‖ times that.
    Where σᵣ₊₁ is dropped, what is left of A moves by 1 + 2σᵣ₊₁/(σᵣ − σᵣ₊₁) times as much.
    """
    s = np.linalg.svd(a, compute_uv=False)
    rank = np.sum(s > np.asarray(rtol)[..., None] * s[..., :1], axis=-1)
    s, place = np.concatenate([s, 0 * s[..., :1]], axis=-1), rank[..., None]
    last = np.take_along_axis(s, place - 1, axis=-1)[..., 0]
    dropped = np.take_along_axis(s, place, axis=-1)[..., 0]
    dropped = np.where(dropped < 1e-14 * s[..., 0], 0.0, dropped)  # zero, but for rounding
    eps = 2 * VALUE * max(a.shape[-2:]) * eps_of("float64") * (1 + 2 * dropped / (last - dropped))
    kappa = s[..., 0] / last
    (x, rank1, fit1, squares1, rank2), (y, rank3, fit2, squares2, rank4) = one, two
    for found in (rank1, rank2, rank3, rank4):
        np.testing.assert_array_equal(found, rank)
    assert (norm(x - y) <= eps * kappa * norm(x)).all()
    dx = eps * (kappa * (2 * norm(fit1) + norm(b - a @ fit1) / last) + norm(b) / last)
    assert (norm(fit1 - fit2) <= dx).all()
    dr = s[..., 0] * dx + eps * norm(b)
    lengths = (np.sqrt(np.sum(squares, axis=-1)) for squares in (squares1, squares2))
    assert (np.abs(np.subtract(*lengths)) <= dr).all()


def outputs(row, a, b, **options):
    a, b = row.array(a), row.array(b)
    x, rank = pinvx.pinv(a, return_rank=True, **options)
    fit = pinvx.lstsq(a, b, **options)
    return [row.numpy(y) for y in (x, rank, fit.x, fit.residuals, fit.rank)]


@libraries
@pytest.mark.parametrize("method", ["auto", "svd"])
@pytest.mark.parametrize("shape", BATCHES, ids=str)
@pytest.mark.parametrize("make", [random, deficient])
def test_the_same_in_any_number_of_threads(library, make, shape, method, threads, used):
    a = make(*shape)
    b = a[..., :2] + random(*shape[:-1], 2, seed=1)
    results = []
    for number in (1, 2, 3):
        threads(number)
        results.append(outputs(library, a, b, method=method, rtol=RTOL))
        assert number > 1 or not used
    assert used or (library.library == "torch" and method == "auto")  # nothing was decomposed
    for other in results[1:]:
        assert_same(a, b, RTOL, results[0], other)


@libraries
@pytest.mark.parametrize("shape", [(1000, 3, 3), (2, 60, 8, 4)], ids=str)
def test_a_small_batch_is_whole_but_for_its_decompositions(library, shape, threads, used):
    for make in (deficient, random):
        a, results = make(*shape), []
        for number in (1, 2):
            threads(number)
            results.append(outputs(library, a, a[..., :1], rtol=RTOL))
            assert bool(used) == (make is deficient and number == 2)
        used.clear()
        assert_same(a, a[..., :1], RTOL, *results)


@libraries
def test_tolerances_and_right_sides_are_shared_out_with_their_matrices(library, threads):
    a, rtol = random(4, 1000, 6, 6), 10.0 ** -np.linspace(0.1, 3, 1000)
    b = random(1, 6, 3)  # one for all
    results, hermitian = [], []
    for number in (1, 2):
        threads(number)
        results.append(outputs(library, a, b, rtol=library.array(rtol)))
        hermitian.append(library.numpy(pinvx.pinv(library.array(a), hermitian=True)))
    assert_same(a, b, np.broadcast_to(rtol, a.shape[:2]), *results)
    assert len(np.unique(results[0][1])) > 1  # the tolerances matter
    read = np.tril(a) + np.tril(a, -1).mT
    eps = 2 * VALUE * 6 * eps_of("float64")
    difference = norm(hermitian[0] - hermitian[1])
    assert (difference <= eps * np.linalg.cond(read) * norm(hermitian[0])).all()


def test_one_matrix_for_a_batch_of_right_sides_is_not_decomposed_in_parts(threads, used):
    threads(2)
    pinvx.lstsq(random(1, 6, 6), random(20000, 6, 1))
    assert not used


@pytest.mark.parametrize("shape", [(20000, 4, 4), (500, 16, 16)])
def test_a_batch_is_shared_out_evenly(shape):
    places = parts(shape, lambda: 3)
    lengths = [place[-1].stop - place[-1].start for place in places]
    assert sum(lengths) == shape[0]
    assert len(lengths) == 3
    assert max(lengths) - min(lengths) <= 1


@pytest.mark.parametrize(
    ("shape", "why"),
    [
        ((1000, 3, 3), "small"),
        ((500, 65, 65), "wide"),
        ((100, 128, 128), "the products of such matrices have threads"),
        ((2000, 2000), "no batch"),
        ((200000, 1), "no batch"),
        ((1, 300, 300), "one matrix"),
        ((0, 300, 3), "none"),
    ],
)
def test_what_is_not_shared_out(shape, why):
    assert parts(shape, lambda: 8) == [], why


def test_who_calls_from_another_thread_stays_there():
    found = []
    thread = threading.Thread(target=lambda: found.append(parts((20000, 4, 4), lambda: 8)))
    thread.start()
    thread.join()
    assert found == [[]]
    assert parts((20000, 4, 4), lambda: 8)


@pytest.mark.parametrize("name", ["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"])
def test_the_limits_of_blas_hold(name, monkeypatch):
    for limit in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        monkeypatch.delenv(limit, raising=False)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: range(6), raising=False)
    assert cores() == 6
    monkeypatch.setenv(name, "4")
    assert cores() == 4
    monkeypatch.setenv(name, "64")
    assert cores() == 6
    monkeypatch.setenv(name, "2,1")  # for nested loops: not one number, so not for us
    assert cores() == 6


def test_an_error_in_a_thread_is_raised_by_the_call():
    def fail(place):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        side_by_side(fail, [1, 2])


def test_threads_do_not_warn(threads):
    a = random(20000, 4, 4)
    a[:, 0] = np.inf
    threads(2)
    with warnings.catch_warnings(), np.errstate(all="warn"):
        warnings.simplefilter("error")
        assert np.isnan(pinvx.pinv(a)).all()


def test_without_threads_all_is_computed_by_the_caller(monkeypatch):
    def none(*_):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(_threads, "_pool", none)
    assert side_by_side(lambda x: 2 * x, [1, 2]) == [2, 4]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this platform has no fork")
def test_a_forked_process_has_threads_of_its_own():
    assert side_by_side(lambda x: 2 * x, [1, 2]) == [2, 4]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Python warns of forks beside threads: that is the point
        child = os.fork()
    if child == 0:
        signal.alarm(60)  # if it waits for threads that are not there
        os._exit(0 if side_by_side(lambda x: 2 * x, [1, 2]) == [2, 4] else 1)
    assert os.waitpid(child, 0)[1] == 0


def test_gradients_of_a_large_batch_are_those_of_its_items(threads):
    torch = pytest.importorskip("torch")
    a = torch.from_numpy(deficient(3000, 6, 5))
    threads(2)
    a.requires_grad_()
    (together,) = torch.autograd.grad(pinvx.pinv(a, method="svd").sum(), a)
    one = a[7].detach().requires_grad_()
    x = pinvx.pinv(one, method="svd")
    (alone,) = torch.autograd.grad(x.sum(), one)
    size, ones = float(torch.linalg.norm(x.detach(), 2)), np.sqrt(30)
    kappa = size * float(torch.linalg.norm(one.detach(), 2))
    allowed = 2 * FIRST * unit((6, 5), "float64", kappa)
    assert_close(together[7], alone, allowed, scale=size**2 * ones)
