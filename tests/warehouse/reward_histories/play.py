"""Plays random histories of rewards: things happen, and runs of the loader see what has become of them."""

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
from tests.warehouse.reward_histories.payout_deeds import PayoutDeeds
from tests.warehouse.reward_histories.people_deeds import PeopleDeeds
from tests.warehouse.reward_histories.reward_deeds import RewardDeeds

PAUSES = [dt.timedelta(minutes=61)] + [dt.timedelta(hours=hours, minutes=7) for hours in (9, 24, 50, 170, 800)]
WHOLE_RUNS = 0.6
"""The share of runs that finish and see every stream."""
READ_APART = (
    {"rewards_due"}, {"rewards_issued"}, {"rewards_due", "rewards_issued"}, {"rewards", "rewards_due"},
    {"rewards", "rewards_issued"}, {"users", "coupons"}, STREAMS - {"rewards_due"}, STREAMS - {"rewards_issued"},
)  # fmt: skip
"""What other runs see: ``--streams`` and settings name few, or a run fails before it stores the lists."""


class World(RewardDeeds, PayoutDeeds, PeopleDeeds):
    """The account with all that happens in it."""


DEEDS = (
    [name for name in dir(World) if name.startswith("do_")] + ["do_accrue"] * 4 + ["do_issue"] * 3 + ["do_coupon"] * 2
    + ["do_bring_back"] * 4 + ["do_fail"]
)  # fmt: skip


def play(seed: int) -> History:
    """Let things happen and load in turns; the last run finishes, and one run at least sees everything."""
    draw = random.Random(f"world {seed}")
    world = World(draw)
    runs: list[Run] = []
    seen: list[Lists] = []
    units, terms = draw.choice(UNITS), draw.choice(TERMS)
    size = draw.randint(2, 8)
    whole_no = draw.choice((1, 1, 1, min(2, size)))
    for number in range(1, size + 1):
        world.run_no = number
        at = START if number == 1 else runs[-1].at + draw.choice(PAUSES)
        deeds = HISTORIES * draw.choice((0, 1, 3, 6, 12)) if number > 1 else draw.randint(0, HISTORIES * 25)
        began_at = at - dt.timedelta(seconds=draw.choice((0, 4, 8, 40)))
        begin = world.now if number == 1 else runs[-1].at
        for second in sorted(draw.sample(range(1, int((began_at - begin).total_seconds())), deeds)):
            world.now = begin + dt.timedelta(seconds=second + (second % 900 == 893))
            world.history_no = draw.randrange(HISTORIES)
            getattr(world, draw.choice(DEEDS))()
        if draw.random() < 0.3:
            units = draw.choice(UNITS)
        if draw.random() < 0.3:
            terms = draw.choice(TERMS)
        is_whole = number == whole_no or draw.random() < WHOLE_RUNS
        streams = STREAMS if is_whole or draw.random() < 0.3 else frozenset(draw.choice(READ_APART))
        is_finished = is_whole or number == size or (streams != STREAMS and draw.random() < 0.7)
        runs.append(Run(began_at, at, in_each_history(units), terms, streams, is_finished))
        seen.append(copy.deepcopy(world.lists))
    return History(world.events, runs, seen, world.origin)


def in_each_history(units: dict[str, str]) -> dict[str, str]:
    """A setting of units with the ids of campaigns and rewards of every history."""
    found: dict[str, str] = {}
    for history_no in range(HISTORIES):
        for key, unit in units.items():
            scope, _, rest = key.partition(":")
            number, slash, kind = rest.partition("/")
            found[f"{scope}:{int(number) + history_no * CAMPAIGNS}{slash}{kind}" if rest else key] = unit
    return found
