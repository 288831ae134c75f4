"""Wrong implementations, generated: every fault, taken only where a trigger holds.

`Implementation` is the right one but for one fault of one function under one trigger. `Record`
knows which cases of the suite make calls that a pair spoils, so that a pair is judged by those
alone. Which pairs nobody could see is said in `sensible`.
"""

import warnings
from collections import defaultdict

import numpy as np
import right
import right_derivatives
from called import Called
from faults import FAULTS
from pinvx_conformance import Solved
from pinvx_conformance._check import judge
from pinvx_conformance._run import not_claimed
from right_target import right_target
from triggers import where

_DIFFERS, _HOLDS = {}, {}
DAMAGE = "modifies its input"


class Implementation:
    """The right implementation, or one that is wrong in one pair; it keeps a list of its calls."""

    def __init__(self, pair=None):
        self.pair, self.calls, self._seen = pair, [], set()

    def answer(self, function, arrays, options):
        """Return the parts of a result by name."""
        given = {k: v for k, v in options.items() if v is not None}
        call = Called(function, arrays, given)
        call = Called(function, arrays, given, again=call.key in self._seen)
        found = call.right()  # raises what is to be raised
        self._seen.add(call.key)
        self.calls.append(call)
        if self.pair is None or self.pair.function != function:
            return found
        taken = holds(self.pair.trigger, call)
        if not np.any(taken):
            return found
        if self.pair.fault == DAMAGE and call.a.flags.writeable:
            call.a[...] = 0
        return mixed(call, self.pair.fault, taken)

    def pinv(self, a, rtol=None, *, out=None, hermitian=False, return_rank=False, **options):
        """The signature of `right.pinv`."""
        if not isinstance(a, np.ndarray) or a.ndim < 2:
            return right.pinv(a)
        found = self.answer("hermitian" if hermitian else "pinv", (a,), {"rtol": rtol, **options})
        x = found["x"].copy() if out is None else right.written(out, found["x"])
        return (x, found["rank"].copy()) if return_rank else x

    def lstsq(self, a, b, rtol=None, *, singular_values=False, **options):
        """The signature of `right.lstsq`."""
        if type(a) is not type(b) or a.ndim < 2:
            return right.lstsq(a, b)
        function = "singular_values" if singular_values else "lstsq"
        found = self.answer(function, (a, b), {"rtol": rtol, **options})
        s = found["s"].copy() if singular_values else None
        return Solved(*(found[k].copy() for k in ("x", "residuals", "rank")), s)

    def closed_form(self, name):
        """One of the derivatives."""

        def form(*arrays, **options):
            parts = tuple(v.copy() for v in self.answer(name, arrays, options).values())
            return parts if len(parts) > 1 else parts[0]

        return form

    @property
    def target(self):
        """The implementation as a target of the suite."""
        forms = {name: self.closed_form(name) for name in right_derivatives.CLOSED_FORMS}
        name = "right" if self.pair is None else str(self.pair)
        return right_target(name=name, pinv=self.pinv, lstsq=self.lstsq, closed_forms=forms)


def holds(trigger, call):
    """Where a trigger holds; found once for each call, but for what depends on other calls."""
    key = (trigger, call.key, call.again, call.a.strides, call.a.flags.num)
    key += tuple((b.strides, b.flags.num) for b in call.arrays[1:2])
    if key not in _HOLDS:
        _HOLDS[key] = where(trigger, call)
    return _HOLDS[key]


def mixed(call, fault, taken):
    """The wrong result where the trigger holds, and the right one elsewhere."""
    found, wrong = call.right(), FAULTS[fault].wrong(call)
    if fault == "in another precision":
        return wrong
    return {name: _mixed(call, name, found[name], wrong[name], taken) for name in found}


def _mixed(call, name, found, wrong, taken):
    batch = call.batch_of(name)
    if name == "bar_b" and batch != call.batch_a:  # a sum over matrices: it is wrong if all are
        return wrong if np.all(taken) else found
    mask = np.broadcast_to(taken, batch).reshape((*batch, *(1,) * (found.ndim - len(batch))))
    return np.where(mask, wrong, found)


def spoils(fault, call, taken):
    """Whether a fault that is taken there changes the result of a call."""
    if not np.any(taken & differs(fault, call)):
        return False
    if call.function != "lstsq_vjp" or np.all(taken):
        return True
    found, made = call.right(), mixed(call, fault, taken)
    return any(np.any(_changed(call, name, found[name], made[name])) for name in found)


def differs(fault, call):
    """For which matrices of a call a fault changes the result."""
    if fault == DAMAGE:
        return np.full(call.batch_a, call.a.flags.writeable and np.any(call.a))
    key = (fault, call.key)
    if key not in _DIFFERS:
        found, wrong = call.right(), FAULTS[fault].wrong(call)
        out = np.zeros(call.batch_a, dtype=bool)
        for name in found:
            out |= _changed(call, name, found[name], wrong[name])
        _DIFFERS[key] = out
    return _DIFFERS[key]


def _changed(call, name, found, wrong):
    if found.dtype != wrong.dtype:
        return np.full(call.batch_a, fill_value=True)
    off = ~((found == wrong) | (np.isnan(found) & np.isnan(wrong)))
    batch = call.batch_of(name)
    if name == "bar_b" and batch != call.batch_a:
        return np.full(call.batch_a, np.any(off))
    off = np.any(off, axis=tuple(range(len(batch), off.ndim)))
    lead = off.ndim - len(call.batch_a)
    off = np.any(off, axis=tuple(range(lead))) if lead else off
    wide = tuple(i for i, n in enumerate(call.batch_a) if off.shape[i] != n)
    return np.any(off, axis=wide, keepdims=True) if wide else off


class Record:
    """The cases of the suite that the right implementation passes, with the calls of each."""

    def __init__(self, plan, only=lambda one, case: True):
        self.cases, self.failed = [], []
        self.by_function = defaultdict(list)
        self.by_trigger, self.outcomes = {}, {}
        implementation = Implementation()
        target = implementation.target
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for one in plan.checks():
                if not_claimed(target, one) is not None:
                    continue
                for case in plan.cases(one, target):
                    if only(one, case):
                        self._add(implementation, target, one, case)
        self.cases.sort(key=lambda entry: entry[0])
        for i, (_, _, _, calls) in enumerate(self.cases):
            for call in calls:
                self.by_function[call.function].append((i, call))

    def _add(self, implementation, target, one, case):
        implementation.calls, implementation._seen = [], set()
        outcome = judge(target, one, case)
        if outcome.status == "fail":
            self.failed.append(outcome)
        elif outcome.status == "pass" and implementation.calls:
            self.cases.append((outcome.seconds, one, case, implementation.calls))

    def met(self, function, trigger):
        """The places of cases with a call in which a trigger holds, and these calls."""
        if (function, trigger) not in self.by_trigger:
            found = defaultdict(list)
            for i, call in self.by_function[function]:
                taken = holds(trigger, call)
                if np.any(taken):
                    found[i].append((call, taken))
            self.by_trigger[function, trigger] = found
        return self.by_trigger[function, trigger]

    def spoilt(self, pair):
        """Yield the places of the cases whose calls a pair makes wrong, and where it does."""
        for i, calls in self.met(pair.function, pair.trigger).items():
            if any(spoils(pair.fault, call, taken) for call, taken in calls):
                yield i, tuple((call.key, taken.tobytes()) for call, taken in calls)

    def rejects(self, pair):
        """Return the first outcome that rejects a pair, by value and not by an exception.

        Two pairs of one fault that are wrong in the same items of a case are one implementation
        there, and are judged once.
        """
        spoilt = [(i, (pair.function, pair.fault, i, taken)) for i, taken in self.spoilt(pair)]
        for _, key in spoilt:
            if self.outcomes.get(key) is not None:
                return self.outcomes[key]
        for i, key in spoilt:
            if key not in self.outcomes:
                self.outcomes[key] = self._judge(pair, *self.cases[i][1:3])
                if self.outcomes[key] is not None:
                    return self.outcomes[key]
        return None

    def _judge(self, pair, one, case):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            outcome = judge(Implementation(pair).target, one, case)
        wrong = outcome.status == "fail" and ": raised " not in outcome.message.splitlines()[1]
        return outcome if wrong else None
