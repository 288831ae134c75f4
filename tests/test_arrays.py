"""P1, P2, P3 and P18: what comes in goes out — library, device, dtype, shape — and no state."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import array_api_compat
import matrix_cases as cases
import numpy as np
import pytest
from backend_table import HERE, library
from bounds import VALUE, assert_close, eps_of, stored_eps, unit
from matrix_cases import CASES, fitting

import pinvx

torch, array_api_strict = library("torch"), library("array_api_strict")

RNG = np.random.default_rng(0)
TALL = cases.named("tall, deficient")
KAPPA_MAX = max(case.kappa for case in CASES)


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


def test_the_values_are_right(lib, dtype):
    for case in lib.some(fitting(dtype)):
        x, rank = pinvx.pinv(lib.array(case.a, dtype), return_rank=True)
        tolerance = VALUE * unit(case.a.shape, dtype, case.kappa)
        assert_close(lib.numpy(x), case.x, tolerance, what=f"pinv of {case} in {dtype}")
        assert int(rank) == case.rank, case


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


def test_half_types_are_computed_in_float32(lib, half):
    a = lib.array(TALL.a, half)
    b = lib.array(TALL.b(), half)
    for name, x in outputs(a, b).items():
        if "rank" not in name and not name.startswith("penrose"):
            assert x.dtype == a.dtype, name
    x = lib.numpy(pinvx.pinv(a))
    # Small integers are exact in every half type, so only the result is rounded to half.
    allowed = VALUE * unit(TALL.a.shape, "float32", TALL.kappa) + stored_eps(half)
    assert_close(x, TALL.x, allowed)


def test_half_types_use_the_epsilon_of_float32(lib, half):
    # 2⁻⁹ is above the cutoff of float32, and below that of both half types.
    a = lib.array([[1.0, 0.0], [0.0, 2.0**-9]], half)
    assert pinvx.default_rtol(a) == 2 * 2.0**-23
    x, rank = pinvx.pinv(a, return_rank=True)
    assert int(rank) == 2
    allowed = VALUE * unit((2, 2), "float32", 2.0**9) + stored_eps(half)
    assert_close(lib.numpy(x), [[1.0, 0.0], [0.0, 512.0]], allowed)


@pytest.mark.parametrize("name", ["bool", "uint8", "int16", "int32", "int64"])
def test_integers_and_booleans_become_the_default_float(lib, name):
    if name == "int64" and lib.tag == "jax:x32":
        name = "int32"  # what that mode makes of it
    default = lib.xp.asarray(1.0).dtype
    values = [[1, 0], [1, 1], [0, 1]] if name == "bool" else [[3, 0], [1, 7], [0, 2]]
    a = lib.array(values, name)
    x = pinvx.pinv(a)
    assert x.dtype == default
    expected = np.linalg.inv(np.transpose(values) @ values) @ np.transpose(values)
    dtype = str(default).rpartition(".")[2]
    assert_close(lib.numpy(x), expected, VALUE * unit((3, 2), dtype, 10.0))
    fit = pinvx.lstsq(a, lib.array([1, 1, 0], name))
    assert fit.x.dtype == default
    assert fit.residuals.dtype == default
    assert pinvx.default_rtol(a) == 3 * eps_of(dtype)


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


@pytest.mark.parametrize("hermitian", [False, True])
def test_one_in_a_batch(lib, dtype, hermitian):
    """P17: an item of a batch is what it is on its own."""
    squares = [c for c in fitting(dtype) if c.m == c.n == 5] if not hermitian else None
    if hermitian:
        a = np.stack([c.a.conj().T @ c.a for c in fitting(dtype) if c.n == 3])
        kappa = max(c.kappa**2 for c in fitting(dtype) if c.n == 3)
    else:
        a = np.stack([c.a for c in squares])
        kappa = max(c.kappa for c in squares)
    batch = lib.array(np.stack([a, a[::-1]]), dtype)
    x, rank = pinvx.pinv(batch, hermitian=hermitian, return_rank=True)
    for i in range(2):
        for j in range(len(a)):
            one, one_rank = pinvx.pinv(batch[i, j, ...], hermitian=hermitian, return_rank=True)
            tolerance = 2 * VALUE * unit(a.shape, dtype, kappa)
            assert_close(lib.numpy(x[i, j, ...]), lib.numpy(one), tolerance, what=f"{i}, {j}")
            assert int(rank[i, j]) == int(one_rank)


# Layouts


def views(a):
    """One NumPy matrix in many layouts."""
    m, n = a.shape
    spaced = np.zeros((2 * m, 3 * n), dtype=a.dtype)
    spaced[::2, ::3] = a
    negative = a[::-1, ::-1].copy()[::-1, ::-1]
    read_only = a.copy()
    read_only.flags.writeable = False
    unaligned = np.frombuffer(b"\0" + a.tobytes(), dtype=a.dtype, offset=1).reshape(m, n)
    return {
        "Fortran": np.asfortranarray(a),
        "transposed": a.T.copy().T,
        "spaced": spaced[::2, ::3],
        "negative strides": negative,
        "read-only": read_only,
        "unaligned": unaligned,
        "big-endian": a.astype(a.dtype.newbyteorder(">")),
        "little-endian": a.astype(a.dtype.newbyteorder("<")),
    }


@pytest.mark.parametrize("case", [c for c in CASES if c.m > 1 and c.n > 1 and c.rank], ids=str)
def test_layouts_of_numpy(case):
    dtype = str(case.a.dtype)
    tolerance = VALUE * unit(case.a.shape, dtype, case.kappa)
    for name, view in views(case.a).items():
        np.testing.assert_array_equal(view, case.a)
        x = pinvx.pinv(view)
        assert_close(x, case.x, tolerance, what=name)
        assert x.dtype == case.a.dtype, name
        assert x.dtype.isnative, name
        fit = pinvx.lstsq(view, views(case.b())[name])
        scale = np.linalg.norm(case.x) * np.linalg.norm(case.b())
        allowed = 4 * tolerance * max(1.0, case.kappa)
        assert_close(fit.x, case.x @ case.b(), allowed, scale=scale, what=name)


def test_layouts_of_torch():
    a = torch.asarray(TALL.a)
    wide = torch.zeros(14, 12, dtype=a.dtype)
    wide[::2, ::3] = a
    z = torch.complex(torch.asarray(TALL.a), torch.asarray(TALL.a).flip(0))
    views = {
        "transposed": (a.mT.contiguous().mT, a),
        "spaced": (wide[::2, ::3], a),
        "lazily conjugated": (z.conj(), z.conj().resolve_conj()),
        "lazily negated": (z.conj().imag, z.conj().imag.resolve_neg()),
        "inference": (_inference(a), a),
        "a parameter": (torch.nn.Parameter(a), a),
    }
    for name, (view, plain) in views.items():
        x = pinvx.pinv(view)
        tolerance = 2 * VALUE * unit((7, 4), "float64", TALL.kappa)
        assert_close(x.detach().resolve_conj(), pinvx.pinv(plain), tolerance, what=name)


def _inference(a):
    with torch.inference_mode():
        return a.clone()


@pytest.mark.parametrize(
    "repeat",
    [np.broadcast_to, lambda x, shape: torch.asarray(x).expand(shape)],
    ids=["numpy", "torch"],
)
def test_broadcast_without_memory(repeat):
    """Stride 0: a batch that is one matrix many times, and a matrix that is one number."""
    x = pinvx.pinv(repeat(TALL.a, (4, 7, 4)))
    tolerance = VALUE * unit((7, 4), "float64", TALL.kappa)
    assert_close(x, np.broadcast_to(TALL.x, (4, 4, 7)), tolerance)
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
    for case in lib.some(fitting(dtype)):
        a, b = lib.array(case.a, dtype), lib.array(case.b(), dtype)
        once, again = ([pinvx.pinv(a), *pinvx.lstsq(a, b)[:3]] for _ in range(2))
        for x, y in zip(once, again, strict=True):
            assert lib.numpy(x).tobytes() == lib.numpy(y).tobytes(), case
    once, again = (outputs(lib.array(TALL.a, dtype), lib.array(TALL.b(), dtype)) for _ in range(2))
    for name, x in once.items():
        assert lib.numpy(x).tobytes() == lib.numpy(again[name]).tobytes(), name


# The global state of the libraries that a careless call could change.
SETTINGS = {
    "numpy": lambda np: (np.geterr(), np.get_printoptions()),
    "torch": lambda torch: (
        torch.get_default_dtype(),
        torch.get_float32_matmul_precision(),
        torch.backends.cuda.matmul.allow_tf32,
        torch.is_grad_enabled(),
        torch.get_num_threads(),
        torch.are_deterministic_algorithms_enabled(),
    ),
    "jax": lambda jax: (jax.config.jax_enable_x64, jax.config.jax_default_matmul_precision),
    "array_api_strict": lambda strict: strict.get_array_api_strict_flags(),
}


def settings():
    here = {row.library for row in HERE}
    return [read(library(name)) for name, read in SETTINGS.items() if name in here]


def test_global_settings_are_left_alone(lib):
    before = settings()
    for case in lib.some(CASES[:8]):
        outputs(lib.array(case.a), lib.array(case.b()))
        assert settings() == before


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


@pytest.mark.parametrize("row", [lib for lib in HERE if lib.writes], ids=str)
@pytest.mark.parametrize("case", fitting("float64"), ids=str)
def test_out(row, case):
    a = row.array(case.a)
    out = row.array(np.full(case.x.shape, 7.0))
    x, rank = pinvx.pinv(a, out=out, return_rank=True)
    assert x is out
    assert int(rank) == case.rank
    assert_close(row.numpy(out), case.x, VALUE * unit(case.a.shape, row.float, case.kappa))


def test_out_half(lib, half):
    if not lib.writes:
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


@pytest.mark.parametrize("row", [lib for lib in HERE if lib.writes], ids=str)
def test_out_may_be_the_input(row):
    case = cases.named("square")
    a = row.array(case.a)
    assert pinvx.pinv(a, out=a) is a
    assert_close(row.numpy(a), case.x, VALUE * unit((5, 5), row.float, case.kappa))


def test_every_row_has_a_namespace_of_its_own():
    for row in HERE:
        with row.scope():
            assert array_api_compat.array_namespace(row.array([1.0])) is row.xp


def test_the_hardest_case_is_still_easy():
    """The bounds above say something only while p·eps·κ is far below 1."""
    assert VALUE * 60 * eps_of("float32") * KAPPA_MAX < 0.05
