"""Plays random histories of rewards: things happen, and syncs see what has become of them."""

from __future__ import annotations

import copy
import datetime as dt
import random

from tests.warehouse.reward_histories.account import DEEDS, World
from tests.warehouse.reward_histories.events import CAMPAIGNS, HISTORIES, START, TERMS, UNITS, History, Lists, Sync

PAUSES = [dt.timedelta(minutes=61)] + [dt.timedelta(hours=hours, minutes=7) for hours in (9, 24, 50, 170, 800)]


def play(seed: int) -> History:
    """Let things happen and sync in turns."""
    draw = random.Random(f"world {seed}")
    world = World(draw)
    syncs: list[Sync] = []
    seen: list[Lists] = []
    units, terms = draw.choice(UNITS), draw.choice(TERMS)
    for number in range(1, draw.randint(3, 8)):
        world.sync_no = number
        at = START if number == 1 else syncs[-1].at + draw.choice(PAUSES)
        deeds = HISTORIES * draw.choice((0, 1, 3, 6, 12)) if number > 1 else draw.randint(0, HISTORIES * 25)
        begin = world.now if number == 1 else syncs[-1].at
        for second in sorted(draw.sample(range(1, int((at - begin).total_seconds())), deeds)):
            world.now = begin + dt.timedelta(seconds=second + (second % 900 == 893))
            world.history_no = draw.randrange(HISTORIES)
            getattr(world, draw.choice(DEEDS))()
        if draw.random() < 0.3:
            units = draw.choice(UNITS)
        if draw.random() < 0.3:
            terms = draw.choice(TERMS)
        syncs.append(Sync(at, in_each_history(units), terms))
        seen.append(copy.deepcopy(world.lists))
    return History(world.events, syncs, seen, world.origin)


def in_each_history(units: dict[str, str]) -> dict[str, str]:
    """A setting of units with the ids of campaigns and rewards of every history."""
    found: dict[str, str] = {}
    for history_no in range(HISTORIES):
        for key, unit in units.items():
            scope, _, rest = key.partition(":")
            number, slash, kind = rest.partition("/")
            found[f"{scope}:{int(number) + history_no * CAMPAIGNS}{slash}{kind}" if rest else key] = unit
    return found
