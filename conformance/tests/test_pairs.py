"""The suite rejects every pair of a fault and a trigger that somebody could see.

Some thousand wrong implementations, each wrong in one way and only in some company: in one dtype,
beyond one size, beside a NaN, for the second of two tolerances, the second time. The quick level
rejects them all.
"""

import numpy as np
import pytest
import right
from pairs import Implementation, Record
from pinvx_conformance._run import Plan
from sensible import Pair, every_pair, insensible, invisible
from triggers import TRIGGERS

# What these judge is no call of a function of NumPy arrays, or not one call.
SKIPPED = ("P14", "P15")


def in_company(one, case):
    """Whether a case belongs to the checks whose subject is the company."""
    del case
    return one.name.endswith("_in_company")


@pytest.fixture(scope="module")
def record():
    return Record(Plan("quick", skipped=SKIPPED), in_company)


@pytest.fixture(scope="module")
def verdicts(record):
    """For each trigger the sensible pairs, and the outcome that rejects each, or None."""
    pairs = [pair for pair in every_pair() if insensible(pair) is None]
    # The rarest first: what rejects one there often rejects another one, which is equal there.
    pairs.sort(key=lambda pair: len(record.met(pair.function, pair.trigger)))
    found = {trigger: [] for trigger in TRIGGERS}
    for pair in pairs:
        found[pair.trigger].append((pair, record.rejects(pair)))
    return found


def test_the_right_implementation_passes(record):
    assert not record.failed, record.failed[0].message


def test_there_are_hundreds(verdicts):
    assert sum(len(found) for found in verdicts.values()) > 5000
    assert all(len(found) > 10 for found in verdicts.values())


@pytest.mark.parametrize("trigger", TRIGGERS)
def test_every_fault_is_seen_where(trigger, verdicts):
    missed = [str(pair) for pair, outcome in verdicts[trigger] if outcome is None]
    assert not missed, "\n".join(missed)


def test_what_a_rule_excludes_changes_nothing(record):
    """A rule is wrong if one of its pairs changes any result of any call."""
    wrong = []
    for pair in every_pair():
        reason = invisible(pair)
        if reason is not None and next(record.spoilt(pair), None) is not None:
            wrong.append(f"{pair}: {reason}")
    assert not wrong, "\n".join(wrong)


def test_a_pair_is_wrong_where_its_trigger_holds_and_right_elsewhere():
    a = np.arange(12.0).reshape(2, 3, 2) + np.eye(3, 2)
    wrong = Implementation(Pair("pinv", "doubled", "a NaN in the batch"))
    assert np.array_equal(wrong.pinv(a), right.pinv(a))
    a[0, 0, 0] = np.nan
    assert np.array_equal(wrong.pinv(a)[1], 2 * right.pinv(a)[1])
    single = Implementation(Pair("pinv", "doubled", "float32"))
    assert np.array_equal(single.pinv(a), right.pinv(a), equal_nan=True)
    assert np.array_equal(single.pinv(a[1].astype("f4")), 2 * right.pinv(a[1].astype("f4")))
