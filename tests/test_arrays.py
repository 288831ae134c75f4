"""P1, P2, P3 and P18: what comes in goes out — library, device, dtype, shape — and no state.

The conformance suite judges `pinv` and `lstsq`; here is all that every function returns, and what
one library has and the others have not.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import array_api_compat
import matrix_cases as cases
import numpy as np
import pytest
from backend_table import HERE, library
from bounds import VALUE, assert_close, stored_eps, unit
from matrix_cases import CASES

import pinvx

torch, array_api_strict = library("torch"), library("array_api_strict")

RNG = np.random.default_rng(0)
TALL = cases.named("tall, deficient")


def outputs(a, b):
    """Everything that comes out of a function of a matrix and a right-hand side, by name."""
    x, rank = pinvx.pinv(a, return_rank=True)
    fit = pinvx.lstsq(a, b, singular_values=True)
    dx, dresiduals = pinvx.lstsq_jvp(a, b, a, b)
    a_bar, b_bar = pinvx.lstsq_vjp(a, b, fit.x, fit.residuals)
    residuals = pinvx.penrose_residuals(a, x)
    return {
        "pinv": x,
        "pinv rank": rank,
        "pinverse": pinvx.pinverse(a),
        "lstsq x": fit.x,
        "lstsq residuals": fit.residuals,
        "lstsq rank": fit.rank,
        "lstsq s": fit.s,
        "pinv_jvp": pinvx.pinv_jvp(a, a),
        "pinv_vjp": pinvx.pinv_vjp(a, x),
        "lstsq_jvp x": dx,
        "lstsq_jvp residuals": dresiduals,
        "lstsq_vjp a": a_bar,
        "lstsq_vjp b": b_bar,
        **{f"penrose {name}": value for name, value in residuals._asdict().items()},
    }


REAL_VALUED = ("lstsq residuals", "lstsq s", "lstsq_jvp residuals")


def shapes(batch, m, n, k):
    """The shapes of `outputs`, from the shapes of the input alone."""
    matrix, transposed = (*batch, m, n), (*batch, n, m)
    return {
        "pinv": transposed,
        "pinv rank": batch,
        "pinverse": transposed,
        "lstsq x": (*batch, n, k),
        "lstsq residuals": (*batch, k),
        "lstsq rank": batch,
        "lstsq s": (*batch, min(m, n)),
        "pinv_jvp": transposed,
        "pinv_vjp": matrix,
        "lstsq_jvp x": (*batch, n, k),
        "lstsq_jvp residuals": (*batch, k),
        "lstsq_vjp a": matrix,
        "lstsq_vjp b": (*batch, m, k),
        **dict.fromkeys(("penrose axa", "penrose xax", "penrose ax", "penrose xa"), batch),
    }


SHAPES = ((7, 4), (1, 1), (3, 7), (1, 2, 7, 4), (2, 3, 7), (2, 1))


def test_same_library_dtype_device_and_shape(lib, dtype):
    for shape in lib.some(SHAPES):
        check_library_dtype_device_and_shape(lib, dtype, shape)


def check_library_dtype_device_and_shape(lib, dtype, shape):
    a = lib.array(RNG.integers(-4, 5, shape), dtype)
    b = lib.array(RNG.integers(-4, 5, (*shape[:-1], 2)), dtype)
    expected = shapes(shape[:-2], *shape[-2:], 2)
    real = lib.dtype({"complex64": "float32", "complex128": "float64"}.get(dtype, dtype))
    for name, x in outputs(a, b).items():
        # A NumPy result without dimensions is a scalar of NumPy's, as everywhere in NumPy.
        assert isinstance(x, (type(a), np.generic)), name
        assert x.device == a.device, name
        assert tuple(x.shape) == expected[name], name
        if "rank" in name:
            assert lib.xp.isdtype(x.dtype, "integral"), name
        elif name in REAL_VALUED or name.startswith("penrose"):
            assert x.dtype == real, name
        else:
            assert x.dtype == a.dtype, name


@pytest.mark.parametrize("name", ["CPU_DEVICE", "device1", "device2"])
def test_every_device_of_the_strict_library(name):
    device = array_api_strict.Device(name)
    a = array_api_strict.asarray(TALL.a, device=device)
    b = array_api_strict.asarray(TALL.b(), device=device)
    for output, x in outputs(a, b).items():
        assert x.device == device, output
    x = pinvx.pinv(array_api_strict.asarray(TALL.a.T @ TALL.a, device=device), hermitian=True)
    assert x.device == device


# Dtypes


def test_half_types_use_the_epsilon_of_float32(lib, half):
    # 2⁻⁹ is above the cutoff of float32, and below that of both half types.
    a = lib.array([[1.0, 0.0], [0.0, 2.0**-9]], half)
    assert pinvx.default_rtol(a) == 2 * 2.0**-23
    x, rank = pinvx.pinv(a, return_rank=True)
    assert int(rank) == 2
    allowed = VALUE * unit((2, 2), "float32", 2.0**9) + stored_eps(half)
    assert_close(lib.numpy(x), [[1.0, 0.0], [0.0, 512.0]], allowed)


def test_the_default_float_of_torch_is_looked_up_at_each_call():
    a = torch.tensor([[2, 0], [0, 4]])
    assert pinvx.pinv(a).dtype == torch.float32
    torch.set_default_dtype(torch.float64)
    try:
        assert pinvx.pinv(a).dtype == torch.float64
    finally:
        torch.set_default_dtype(torch.float32)


def test_dtypes_of_a_and_b_are_promoted(lib):
    a, b = lib.array(TALL.a, "float32"), lib.array(TALL.b(), lib.complex)
    fit = pinvx.lstsq(a, b)
    assert fit.x.dtype == b.dtype
    assert fit.residuals.dtype == lib.dtype(lib.float)
    assert_close(
        lib.numpy(fit.x), TALL.x @ TALL.b(), VALUE * 4 * unit((7, 4), lib.float, TALL.kappa**2)
    )
    assert pinvx.lstsq(lib.array(TALL.a, lib.complex), lib.array(TALL.b())).x.dtype == b.dtype
    wide = pinvx.lstsq(a, lib.array(TALL.b(), lib.float))
    assert wide.x.dtype == lib.dtype(lib.float)


# Shapes


EMPTY = ((0, 3), (0, 0), (3, 0), (0, 3, 2), (2, 0, 3), (2, 3, 0), (2, 0, 3, 3))


@pytest.mark.parametrize("columns", [0, 2])
def test_zero_sizes(lib, dtype, columns):
    for shape in lib.some(EMPTY):
        a = lib.xp.zeros(shape, dtype=lib.dtype(dtype))
        b = lib.xp.ones((*shape[:-1], columns), dtype=lib.dtype(dtype))
        expected = shapes(shape[:-2], *shape[-2:], columns)
        for name, x in outputs(a, b).items():
            assert tuple(x.shape) == expected[name], name
            # Nothing of A is there: all is zero, apart from ‖b‖² and its derivatives.
            if name == "lstsq residuals":
                norms = np.sum(np.ones(b.shape), axis=-2)
                assert_close(lib.numpy(x), norms, VALUE * unit(shape, dtype, 1.0), what=name)
            elif name not in ("lstsq_jvp residuals", "lstsq_vjp b"):
                assert not lib.numpy(x).any(), name


def test_zero_sizes_hermitian(lib, dtype):
    for shape in ((0, 0), (0, 2, 2), (3, 0, 0)):
        a = lib.xp.zeros(shape, dtype=lib.dtype(dtype))
        x, rank = pinvx.pinv(a, hermitian=True, return_rank=True)
        assert tuple(x.shape) == shape
        assert x.dtype == a.dtype
        assert tuple(rank.shape) == shape[:-2]
        assert tuple(pinvx.pinv_vjp(a, x, hermitian=True).shape) == shape


# The shapes of A and b, and of x, residuals and rank, whatever the values.
OF_LSTSQ = (
    ((5, 3), (5,), (3,), (), ()),
    ((5, 3), (5, 1), (3, 1), (1,), ()),
    ((3, 5), (3, 2), (5, 2), (2,), ()),
    ((5, 3), (5, 0), (3, 0), (0,), ()),
    ((2, 5, 3), (5,), (2, 3), (2,), (2,)),
    ((2, 5, 3), (2, 5, 4), (2, 3, 4), (2, 4), (2,)),
    ((2, 5, 3), (5, 4), (2, 3, 4), (2, 4), (2,)),
    ((5, 3), (2, 5, 4), (2, 3, 4), (2, 4), ()),
    ((1, 5, 3), (2, 5, 4), (2, 3, 4), (2, 4), (1,)),
    ((2, 1, 5, 3), (4, 5, 1), (2, 4, 3, 1), (2, 4, 1), (2, 1)),
    ((4, 5, 3), (2, 1, 5, 1), (2, 4, 3, 1), (2, 4, 1), (4,)),
    ((0, 5, 3), (5,), (0, 3), (0,), (0,)),
    ((0, 5, 3), (1, 5, 2), (0, 3, 2), (0, 2), (0,)),
)


@pytest.mark.parametrize("values", ["ones", "zeros", "random"])
def test_shapes_of_lstsq_depend_on_shapes_alone(lib, values):
    rng = np.random.default_rng(0)
    for a_shape, b_shape, x_shape, residuals_shape, rank_shape in lib.some(OF_LSTSQ):
        a = rng.integers(-9, 10, a_shape) if values == "random" else getattr(np, values)(a_shape)
        fit = pinvx.lstsq(
            lib.array(np.asarray(a, dtype=float)), lib.array(np.ones(b_shape)), singular_values=True
        )
        assert isinstance(fit, pinvx.LstsqResult)
        assert tuple(fit.x.shape) == x_shape
        assert tuple(fit.residuals.shape) == residuals_shape
        assert tuple(fit.rank.shape) == rank_shape
        assert tuple(fit.s.shape) == (*rank_shape, min(a_shape[-2:]))


def test_the_fields_have_names_and_an_order(lib):
    fit = pinvx.lstsq(lib.array(np.eye(2)), lib.array([1.0, 2.0]))
    assert fit._fields == ("x", "residuals", "rank", "s")
    x, residuals, rank, s = fit
    assert x is fit.x
    assert residuals is fit.residuals
    assert rank is fit.rank
    assert s is None


# Layouts


def test_numbers_of_numpy_in_another_order_of_bytes():
    for case in (TALL, cases.named("complex")):
        a = case.a
        tolerance = 2 * VALUE * unit(a.shape, str(a.dtype), case.kappa)
        unaligned = np.frombuffer(b"\0" + a.tobytes(), dtype=a.dtype, offset=1).reshape(a.shape)
        for view in (unaligned, a.astype(a.dtype.newbyteorder(">"))):
            x, fit = pinvx.pinv(view), pinvx.lstsq(view, view)
            assert x.dtype == fit.x.dtype == a.dtype
            assert x.dtype.isnative
            assert_close(x, pinvx.pinv(a), tolerance)
            assert_close(fit.x, pinvx.lstsq(a, a).x, tolerance * case.kappa)


def test_tensors_that_are_more_than_numbers():
    a = torch.asarray(TALL.a)
    z = torch.complex(a, a.flip(0))
    with torch.inference_mode():
        inference = a.clone()
    tolerance = 2 * VALUE * unit((7, 4), "float64", TALL.kappa)
    for view, plain in (
        (z.conj().imag, z.conj().imag.resolve_neg()),  # lazily negated
        (inference, a),
        (torch.nn.Parameter(a), a),
    ):
        assert_close(pinvx.pinv(view).detach(), pinvx.pinv(plain), tolerance)


@pytest.mark.parametrize(
    "repeat",
    [np.broadcast_to, lambda x, shape: torch.asarray(x).expand(shape)],
    ids=["numpy", "torch"],
)
def test_a_matrix_that_is_one_number(repeat):
    """Both strides are 0."""
    x = pinvx.pinv(repeat(np.ones((1, 1)), (3, 2)))
    assert_close(x, np.full((2, 3), 1 / 6), VALUE * unit((3, 2), "float64", 1.0))


# Nothing else changes


@pytest.mark.parametrize("hermitian", [False, True])
def test_inputs_are_not_modified(lib, dtype, hermitian):
    a0 = TALL.a.T @ TALL.a if hermitian else TALL.a
    b0 = TALL.b()[: len(a0)]
    a, b = lib.array(a0, dtype), lib.array(b0, dtype)
    x, tolerance = lib.array(a0.T, dtype), lib.array([0.5, 0.25], lib.real[0])
    kept = [lib.numpy(v).copy() for v in (a, b, x, tolerance)]
    outputs(a, b)
    pinvx.pinv(a, hermitian=hermitian)
    if hermitian:
        pinvx.pinv_vjp(a, x, hermitian=True)
    pinvx.pinv_vjp(a, x, x=x)
    pinvx.pinv(lib.xp.stack([a, a]), rtol=tolerance, atol=tolerance)
    for value, before in zip((a, b, x, tolerance), kept, strict=True):
        np.testing.assert_array_equal(lib.numpy(value), before)


def test_the_result_is_no_view_of_the_input():
    """A 0-by-n or 1-by-1 matrix tempts to return the input."""
    for a in (np.ones((1, 1)), np.eye(3), np.zeros((2, 2))):
        x = pinvx.pinv(a)
        assert not np.shares_memory(a, x)
        b = np.zeros((len(a), 1))
        assert not np.shares_memory(b, pinvx.lstsq(a, b).x)


def test_the_same_bits_twice(lib, dtype):
    """P18: in the same number of threads, and without another call between."""
    a, b = lib.array(TALL.a, dtype), lib.array(TALL.b(), dtype)
    once, again = outputs(a, b), outputs(a, b)
    for name, x in once.items():
        assert lib.numpy(x).tobytes() == lib.numpy(again[name]).tobytes(), name


def test_global_settings_are_left_alone(lib):
    before = lib.facts.global_state()
    outputs(lib.array(TALL.a), lib.array(TALL.b()))
    assert lib.facts.global_state() == before


@pytest.mark.parametrize("row", HERE, ids=str)
def test_threads_do_not_disturb_each_other(row):
    """Each thread has its matrix and its dtype, and finds what it finds on its own.

    "On its own" is in a thread, too: the main thread may share out its work to others.
    """
    if row.tag == "jax:x32":
        pytest.skip("the mode of JAX is a setting of the thread: one of its rows is enough")

    def work(i):
        with row.scope():
            table = row.some(CASES)
            case = table[i % min(8, len(table))]
            dtype = row.dtypes[-1] if case.is_complex else row.real[i % len(row.real)]
            got = outputs(row.array(case.a, dtype), row.array(case.b(), dtype))
            return [row.numpy(x).tobytes() for x in got.values()]

    with ThreadPoolExecutor(1) as pool:
        alone = list(pool.map(work, range(16)))
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(work, list(range(16)) * 3))
    assert together == alone * 3


# A destination


def test_out_half(lib, half):
    if not lib.facts.writeable:
        pytest.skip("arrays that cannot be written to")
    out = lib.array(np.zeros((4, 7)), half)
    assert pinvx.pinv(lib.array(TALL.a, half), out=out) is out
    allowed = VALUE * unit(TALL.a.shape, "float32", TALL.kappa) + stored_eps(half)
    assert_close(lib.numpy(out), TALL.x, allowed)


def test_out_may_be_a_view():
    room = np.zeros((8, 14))
    out = room[::2, ::2]
    assert pinvx.pinv(TALL.a, out=out) is out
    assert_close(room[::2, ::2], TALL.x, VALUE * unit((7, 4), "float64", TALL.kappa))
    assert not room[1::2].any()
    assert not room[:, 1::2].any()


@pytest.mark.parametrize("row", [lib for lib in HERE if lib.facts.writeable], ids=str)
def test_out_may_be_the_input(row):
    case = cases.named("square")
    a = row.array(case.a)
    assert pinvx.pinv(a, out=a) is a
    assert_close(row.numpy(a), case.x, VALUE * unit((5, 5), row.float, case.kappa))


def test_every_row_has_a_namespace_of_its_own():
    for row in HERE:
        with row.scope():
            assert array_api_compat.array_namespace(row.array([1.0])) is row.xp
