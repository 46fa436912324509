"""The plan of a run: every rule has a reason, every order that follows keeps all of them, and the runner follows it."""

from __future__ import annotations

from graphlib import CycleError

import pytest
from hypothesis import given
from hypothesis import strategies as st

from referral_warehouse.load import plan
from referral_warehouse.load.registry import STREAMS, in_order
from tests.load.accounts import Account

PATHS = {stream.path: name for name, stream in STREAMS.items() if name != "coupons"}
EVERYTHING = [*(step for step in plan.STEPS if step != plan.READ), *STREAMS]


def place(order: list[str], step: str) -> list[int]:
    """Where a step is; the reading of all streams is in several places."""
    return [i for i, found in enumerate(order) if found == step or (step == plan.READ and found in STREAMS)]


@given(st.lists(st.sampled_from(EVERYTHING), unique=True))
def test_every_order_keeps_every_rule(steps: list[str]) -> None:
    order = plan.ordered(steps)
    assert sorted(order) == sorted(steps)
    assert plan.ordered(order) == order, "what is in order stays as it is"
    for rule in plan.PRECEDENCES:
        before, after = place(order, rule.first), place(order, rule.then)
        assert not before or not after or max(before) < min(after), rule.why


def test_every_rule_is_of_known_steps_and_has_a_reason() -> None:
    known = {*plan.STEPS, *STREAMS}
    assert all({rule.first, rule.then} <= known and len(rule.why) > 20 for rule in plan.PRECEDENCES)
    rules = {(rule.first, rule.then) for rule in plan.PRECEDENCES}
    assert len(rules) == len(plan.PRECEDENCES)
    required = {(name, stream.name) for stream in STREAMS.values() for name in stream.requires}
    assert required <= rules, "what a stream requires is read first"


def test_what_may_be_read_ahead_has_a_reason_and_contradicts_no_rule() -> None:
    assert all({rule.stream, rule.during} <= STREAMS.keys() and len(rule.why) > 20 for rule in plan.READ_AHEAD)
    for rule in plan.READ_AHEAD:
        assert in_order([rule.stream, rule.during])[0].name == rule.during, "it follows in the plan"
        assert not any({one.first, one.then} == {rule.stream, rule.during} for one in plan.PRECEDENCES)


def test_a_plan_that_contradicts_itself_is_refused() -> None:
    turned = plan.Precedence("coupons", "users", "the other way round")
    with pytest.raises(CycleError):
        plan.ordered(STREAMS, [*plan.PRECEDENCES, turned])


def test_the_runner_reads_in_the_order_of_the_plan(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    def lists_read() -> list[str]:
        """The lists in the order of their first call; each call of a sync goes to one."""
        paths = [call.path.removeprefix("/api/v1/") for call in account.world.calls]
        return [PATHS[path] for path in dict.fromkeys(paths) if path in PATHS]

    stages: list[str] = []
    account.load(progress=lambda stage, _facts: stages.append(stage))
    planned = [stream.name for stream in in_order(STREAMS)]
    assert list(dict.fromkeys(stages)) == planned, "rows are used in the order of the plan"
    called = lists_read()
    for i, name in enumerate(called):
        before = {planned.index(rule.during) for rule in plan.READ_AHEAD if rule.stream == name}
        passed = [planned.index(other) for other in called[i:] if planned.index(other) < planned.index(name)]
        assert not passed or min(before, default=len(planned)) <= min(passed), "pages are requested early by a rule"
    last = account.world.calls[-1]
    assert last.path == "/api/v1/users", "counts are compared after every list was committed"
    turned = plan.Precedence("rewards", "users", "for this test")
    monkeypatch.setattr(plan.ordered, "__defaults__", ((*plan.PRECEDENCES, turned),))
    account.load()
    assert lists_read().index("rewards") < lists_read().index("users")
