"""Large batches in several threads: the same results, and threads only where they are wanted."""

import os
import signal
import threading
import warnings

import numpy as np
import pytest
from pinvx_backends import _threads
from pinvx_backends._threads import cores, parts, side_by_side

import pinvx

torch = pytest.importorskip("torch")


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
        monkeypatch.setattr(torch, "get_num_threads", lambda: number)

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


@pytest.mark.parametrize("library", [np.asarray, torch.from_numpy], ids=["numpy", "torch"])
@pytest.mark.parametrize("method", ["auto", "svd"])
@pytest.mark.parametrize("shape", BATCHES, ids=str)
@pytest.mark.parametrize("make", [random, deficient])
def test_the_same_bits_in_any_number_of_threads(library, make, shape, method, threads, used):
    a = make(*shape)
    if method == "svd":  # otherwise a part without it may go another way, to rounding the same
        a[(0,) * (a.ndim - 2)] = np.nan
    a = library(a)
    results = []
    for number in (1, 2, 3):
        threads(number)
        x, rank = pinvx.pinv(a, method=method, return_rank=True)
        fit = pinvx.lstsq(a, a[..., :2], method=method)
        results.append([np.asarray(y) for y in (x, rank, fit.x, fit.residuals, fit.rank)])
        assert number > 1 or not used
    assert used or (library is torch.from_numpy and method == "auto")  # nothing was decomposed
    for other in results[1:]:
        for one, two in zip(results[0], other, strict=True):
            np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize("library", [np.asarray, torch.from_numpy], ids=["numpy", "torch"])
@pytest.mark.parametrize("shape", [(1000, 3, 3), (2, 60, 8, 4)], ids=str)
def test_a_small_batch_is_whole_but_for_its_decompositions(library, shape, threads, used):
    results = []
    for make in (deficient, random):
        a = library(make(*shape))
        for number in (1, 2):
            threads(number)
            results.append(np.asarray(pinvx.pinv(a)))
            assert bool(used) == (make is deficient and number == 2)
        used.clear()
    np.testing.assert_array_equal(*results[:2])


def test_tolerances_and_right_sides_are_shared_out_with_their_matrices(threads):
    a, rtol = random(4, 1000, 6, 6), 10.0 ** -np.linspace(0, 3, 1000)
    b = random(1, 6, 3)  # one for all
    expected = []
    for number in (1, 2):
        threads(number)
        x, rank = pinvx.pinv(a, rtol=rtol, return_rank=True)
        fit = pinvx.lstsq(a, b, rtol=rtol[None, :], singular_values=True)
        hermitian = pinvx.pinv(a, hermitian=True)
        expected.append([x, rank, *fit, hermitian])
    for one, two in zip(*expected, strict=True):
        np.testing.assert_array_equal(one, two)
    assert len(np.unique(expected[0][1])) > 1  # the tolerances matter


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
    a = torch.from_numpy(deficient(3000, 6, 5))
    threads(2)
    a.requires_grad_()
    (together,) = torch.autograd.grad(pinvx.pinv(a, method="svd").sum(), a)
    one = a[7].detach().requires_grad_()
    (alone,) = torch.autograd.grad(pinvx.pinv(one, method="svd").sum(), one)
    torch.testing.assert_close(together[7], alone, rtol=1e-10, atol=1e-10)
