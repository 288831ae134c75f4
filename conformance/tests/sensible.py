"""Which pairs of a fault and a trigger make sense, and by which rule the others do not."""

from dataclasses import dataclass

import faults_of_derivatives  # noqa: F401 — registers its faults
from faults import EVERY, FAULTS, FORMS
from triggers import OF_B, TRIGGERS

NAN = {"a NaN spreads", "a NaN is lost", "a NaN has a rank"}
NAN_IN_B = {
    "a NaN in b is lost", "a NaN in b spreads to columns", "a NaN in b takes the rank",
}  # fmt: skip
OF_ONE_TOLERANCE = {"the first tolerance for all"}
OF_ONE_ITEM = OF_ONE_TOLERANCE | {"a NaN spreads"}
RESIDUALS = {"the change of residuals is halved", "the cotangent of residuals is ignored"}

# The faults that show in an answer of NaN.
SEEN_IN_NAN = {
    "a NaN is lost", "a NaN has a rank", "a NaN in b is lost", "in another precision",
    "modifies its input", "items shifted", "rank off by one", "the last row is zero",
    "the last column is zero",
}  # fmt: skip
# And those of hermitian=True, which find the NaN in another triangle.
SEEN_IN_A_TRIANGLE = {"reads the upper triangle", "read in the other order"}
# The faults that show in a cotangent of zeros beside one of NaN.
OF_NAN_ALONE = {
    "the last row is zero", "the last column is zero", "items shifted", "a NaN spreads",
    "a NaN is lost",
}  # fmt: skip
# The faults that show where b has no column: x is empty, and a cotangent of A is zero.
SEEN_WITHOUT_COLUMNS = {
    "lstsq_jvp": {"in another precision", "modifies its input"},
    "lstsq_vjp": {"in another precision", "modifies its input"} | OF_NAN_ALONE,
    "singular_values": {
        "singular values ascend", "singular values are those of half of it",
        "a NaN is lost", "a NaN spreads",
    },
}  # fmt: skip
OF_RANK = {
    "a NaN has a rank", "cutoff too high", "cutoff too low", "modifies its input",
    "in another precision", "items shifted", "rank off by one", "read in the other order",
    "single precision inside", "the first tolerance for all", "tolerances ignored",
}  # fmt: skip


@dataclass(frozen=True)
class Pair:
    """A fault of a function, and the trigger that it needs."""

    function: str
    fault: str
    trigger: str

    def __str__(self):
        return f"{self.function}: {self.fault}, where {self.trigger}"


def every_pair():
    """Yield every fault of every function with every trigger."""
    for fault in FAULTS.values():
        for function in fault.functions:
            yield from (Pair(function, fault.name, trigger) for trigger in TRIGGERS)


# (triggers, faults, functions, reason): None stands for all of them, a set for its members.
RULES = [
    (OF_B, None, {"pinv", "hermitian", "pinv_jvp", "pinv_vjp"}, "there is no right-hand side"),
    ({"tall", "wide"}, None, {"hermitian"}, "a Hermitian matrix is square"),
    ({"float32", "float64", "float16", "int32", "int64", "uint8 or bool"}, {"conjugated"}, None,
     "a real number is its conjugate"),
    ({"float32", "complex64", "float16"}, {"single precision inside"}, None,
     "single precision is what is computed in"),
    ({"read-only", "stride 0"}, {"modifies its input"}, None, "nobody can write there"),
    ({"int32", "int64", "uint8 or bool"}, NAN, None, "integers hold no NaN"),
    ({"one row", "one column"}, {"read in the other order"}, None,
     "a row lies in memory as a column does"),
    ({"one row", "one column"}, {"conjugated", "nearly hermitian", "reads the upper triangle"},
     {"hermitian"}, "a Hermitian 1×1 matrix is one real number"),
    ({"one row", "one column"}, {"singular values ascend"}, None, "there is one singular value"),
    ({"one row"}, {"without the left null space"}, None,
     "a row has a left null space only if it is zero, and then the term is zero"),
    ({"one column"}, {"without the null space", "not of minimum norm"}, None,
     "a column has a null space only if it is zero, and then so is the answer"),
    ({"batch of one"}, OF_ONE_ITEM | {"items shifted", "the first b for all"}, None,
     "there is one item"),
    ({"one matrix for many b"}, OF_ONE_ITEM, None, "there is one matrix"),
    ({"rtol as a number", "atol as a number"}, OF_ONE_TOLERANCE, None, "there is one tolerance"),
    ({"a vector b", "one b for a batch"}, {"the first b for all"}, None,
     "there is one right-hand side"),
    ({"a vector b", "one column of b"}, {"a NaN in b spreads to columns"}, None,
     "there is one column"),
    ({"deficient", "ill-conditioned"}, {"a NaN has a rank", "a NaN is lost"}, None,
     "a matrix that is not finite has neither a rank nor a condition number"),
    ({"a NaN in a matrix"}, set(FAULTS) - SEEN_IN_NAN, set(EVERY) - {"hermitian"},
     "the answer is NaN, whatever else is done to it"),
    ({"a NaN in a matrix"}, set(FAULTS) - SEEN_IN_NAN - SEEN_IN_A_TRIANGLE, {"hermitian"},
     "the answer is NaN, whatever else is done to it"),
    ({"a NaN in b", "an infinity in b"}, None, set(FORMS),
     "nothing is promised of derivatives at a right-hand side that is not finite"),
]  # fmt: skip

# What changes a result of which nothing is promised, or by less than its bound.
NOT_JUDGED = [
    ({"no column"}, OF_NAN_ALONE, {"lstsq_vjp"},
     "whether a cotangent that comes from no column is zero or NaN is nobody's business"),
    ({"ill-conditioned"}, RESIDUALS, None,
     "at κ = 1/√eps the error of x leaves no bound for what it multiplies the residual by"),
]  # fmt: skip


def applies(rules, pair):
    """Return the reason of the first rule that names a pair, or None."""
    for triggers, faults, functions, reason in rules:
        members = ((pair.trigger, triggers), (pair.fault, faults), (pair.function, functions))
        if all(among is None or one in among for one, among in members):
            return reason
    return None


def invisible(pair):
    """Return why a pair changes nothing, or None."""
    reason = applies(RULES, pair)
    if reason is None and pair.trigger == "no column":
        seen = SEEN_WITHOUT_COLUMNS.get(pair.function, set())
        seen = seen if pair.function in FORMS else seen | OF_RANK
        if pair.fault not in seen:
            return "without a column there is nothing to see but what belongs to the matrix"
    return reason


def insensible(pair):
    """Return why nobody could see a pair, or None."""
    return invisible(pair) or applies(NOT_JUDGED, pair)
