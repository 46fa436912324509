"""A naive traversal: every person's position in a referral forest, found by following referrers one by one.

Slow and obvious; it shares no code with the models, whose results are compared with it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Person:
    """A user; ``referrer`` may be nobody, the user, a deleted user, or an id that never existed."""

    referrer: int | None = None
    is_qualified: bool = False
    is_gone: bool = False


def traverse(people: Mapping[int, Person]) -> dict[int, tuple[object, ...]]:
    """Find each person's position.

    Returns: id → root, depth, counts of referrals, of qualified ones, of all below and of qualified ones below, and
    whether the person is an orphan, is in a cycle, refers to itself, and has a root in a cycle.
    """
    there = {number: person for number, person in people.items() if not person.is_gone}
    up = {n: p.referrer for n, p in there.items() if p.referrer in there and p.referrer != n}
    down: dict[int, list[int]] = defaultdict(list)
    for number, referrer in up.items():
        assert referrer is not None
        down[referrer].append(number)

    def counts(numbers: set[int] | list[int]) -> tuple[int, int]:
        qualified = sum(there[n].is_qualified and there[n].referrer is not None for n in numbers)
        return len(numbers), qualified

    places: dict[int, tuple[object, ...]] = {}
    for number, person in there.items():
        line = [number]
        while (above := up.get(line[-1])) is not None and above not in line:
            line.append(above)
        is_endless = above is not None
        cycle = line[line.index(above) :] if above is not None else []
        root, depth = (min(cycle), len(line) - len(cycle)) if cycle else (line[-1], len(line) - 1)
        if number in cycle:
            depth = 0
        below, waiting = set[int](), list(down[number])
        while waiting:
            if (reached := waiting.pop()) not in below:
                below.add(reached)
                waiting += down[reached]
        is_self = person.referrer == number
        places[number] = (
            root, depth, *counts(down[number]), *counts(below - {number}),
            person.referrer is not None and number not in up and not is_self,
            number in cycle or is_self, is_self, is_endless,
        )  # fmt: skip
    return places
