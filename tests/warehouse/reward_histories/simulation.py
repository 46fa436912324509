"""Simulates random histories of rewards: the account changes, and runs of the loader read it in between."""

from __future__ import annotations

import copy
import datetime as dt
import random

from tests.warehouse.reward_histories.events import (
    CAMPAIGNS,
    HISTORIES,
    START,
    STREAMS,
    TERMS,
    UNITS,
    History,
    Lists,
    Run,
)
from tests.warehouse.reward_histories.payout_actions import PayoutActions
from tests.warehouse.reward_histories.people_actions import PeopleActions
from tests.warehouse.reward_histories.reward_actions import RewardActions

PAUSES = [dt.timedelta(minutes=61)] + [dt.timedelta(hours=hours, minutes=7) for hours in (9, 24, 50, 170, 800)]
WHOLE_RUNS = 0.6
"""The share of runs that finish and see every stream."""
READ_APART = (
    {"rewards_due"}, {"rewards_issued"}, {"rewards_due", "rewards_issued"}, {"rewards", "rewards_due"},
    {"rewards", "rewards_issued"}, {"users", "coupons"}, STREAMS - {"rewards_due"}, STREAMS - {"rewards_issued"},
)  # fmt: skip
"""What other runs see: ``--streams`` and settings name few, or a run fails before it stores the lists."""


class SimulatedAccount(RewardActions, PayoutActions, PeopleActions):
    """The account with every action."""


ACTIONS = (
    [name for name in dir(SimulatedAccount) if name.startswith("do_")] + ["do_accrue"] * 4 + ["do_issue"] * 3
    + ["do_coupon"] * 2 + ["do_bring_back"] * 4 + ["do_fail"]
)  # fmt: skip


def simulate(seed: int) -> History:
    """Change the account and load in turns; the last run finishes, and at least one run reads everything."""
    draw = random.Random(f"world {seed}")
    account = SimulatedAccount(draw)
    runs: list[Run] = []
    seen: list[Lists] = []
    units, terms = draw.choice(UNITS), draw.choice(TERMS)
    size = draw.randint(2, 8)
    whole_no = draw.choice((1, 1, 1, min(2, size)))
    for number in range(1, size + 1):
        account.run_no = number
        at = START if number == 1 else runs[-1].at + draw.choice(PAUSES)
        actions_count = HISTORIES * draw.choice((0, 1, 3, 6, 12)) if number > 1 else draw.randint(0, HISTORIES * 25)
        began_at = at - dt.timedelta(seconds=draw.choice((0, 4, 8, 40)))
        begin = account.now if number == 1 else runs[-1].at
        for second in sorted(draw.sample(range(1, int((began_at - begin).total_seconds())), actions_count)):
            account.now = begin + dt.timedelta(seconds=second + (second % 900 == 893))
            account.history_no = draw.randrange(HISTORIES)
            getattr(account, draw.choice(ACTIONS))()
        if draw.random() < 0.3:
            units = draw.choice(UNITS)
        if draw.random() < 0.3:
            terms = draw.choice(TERMS)
        is_whole = number == whole_no or draw.random() < WHOLE_RUNS
        streams = STREAMS if is_whole or draw.random() < 0.3 else frozenset(draw.choice(READ_APART))
        is_finished = is_whole or number == size or (streams != STREAMS and draw.random() < 0.7)
        runs.append(Run(began_at, at, in_each_history(units), terms, streams, is_finished))
        seen.append(copy.deepcopy(account.lists))
    return History(account.events, runs, seen, account.origin)


def in_each_history(units: dict[str, str]) -> dict[str, str]:
    """A setting of units with the ids of campaigns and rewards of every history."""
    found: dict[str, str] = {}
    for history_no in range(HISTORIES):
        for key, unit in units.items():
            scope, _, rest = key.partition(":")
            number, slash, kind = rest.partition("/")
            found[f"{scope}:{int(number) + history_no * CAMPAIGNS}{slash}{kind}" if rest else key] = unit
    return found
