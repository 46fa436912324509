"""Random histories of a small account, synced at random times, and the ledger expected from the event log alone.

Uses only the sandbox's event log, and not the lists that the API serves: the models read only the lists, and their
results are compared with the log.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from referral_warehouse.load.runner import load
from referral_warehouse.sandbox import Sandbox
from referral_warehouse.settings import Settings, Token

Key = tuple[int, int]
"""(reward_id, recipient_id)"""
Units = tuple[tuple[str, str], ...]
UNITS: Units = (("Amazon Voucher", "EUR"), ("Cash Digital Card", "EUR"))


@dataclass
class History:
    """What was simulated.

    Attributes:
        settings: of the last sync.
        rewards: the reward definitions at the end, by id.
        events: the event log.
        syncs: for each sync, how many events there were before it, and the account's time (UTC, naive).
        units: for each sync, its setting of reward units.
    """

    settings: Settings
    rewards: dict[int, dict[str, Any]]
    events: list[dict[str, Any]]
    syncs: list[tuple[int, datetime]]
    units: list[Units]


@dataclass
class Amount:
    """A count and a value."""

    count: int = 0
    value: Decimal = Decimal(0)

    def add(self, event: dict[str, Any], sign: int = 1) -> None:
        self.count += sign * (event["count"] or 0)
        self.value += sign * Decimal(event["value"])

    def plus(self, *others: Amount) -> Amount:
        return Amount(self.count + sum(o.count for o in others), self.value + sum(o.value for o in others))

    @property
    def minus(self) -> Amount:
        return Amount(-self.count, -self.value)

    @property
    def gain(self) -> Amount:
        return Amount(max(self.count, 0), max(self.value, Decimal(0)))

    @property
    def pair(self) -> tuple[int, Decimal]:
        return self.count, self.value


@dataclass
class Interval:
    """The movements of one balance between two syncs, by the event log."""

    net_accrued: Amount = field(default_factory=Amount)
    issued_from_due: Amount = field(default_factory=Amount)
    issued_from_process: Amount = field(default_factory=Amount)
    moved_to_process: Amount = field(default_factory=Amount)


def simulate_history(
    seed: int,
    folder: Path,
    streams: Collection[str] = (),
    take_action: Callable[[Sandbox, random.Random], None] | None = None,
    settings_of_units: Sequence[Units] = (),
) -> History:
    """Simulate random actions, with loads in between. The load file is in the folder afterwards; nothing is built.

    Args:
        seed: of the random choices.
        folder: where the warehouse directory is made.
        streams: what is loaded; empty for all.
        take_action: simulates one action; ``take_random_action`` by default.
        settings_of_units: settings of reward units, between which the loads change; empty for one setting.
    """
    chance = random.Random(f"history {seed}")
    found: list[tuple[int, datetime]] = []
    units: list[Units] = []
    with Sandbox(users=chance.randint(6, 40), seed=seed, calls_per_minute=0) as sandbox:
        settings = Settings(
            api_token=Token(sandbox.token), base_url=sandbox.base_url, calls_per_minute=0, simulated_time=True,
            warehouse_dir=folder, timeout_s=60.0, reward_units=UNITS if chance.random() < 0.5 else (),
        )  # fmt: skip
        for number in range(chance.randint(2, 6)):
            if number:
                for _ in range(chance.choice((0, 1, 3, 8, 20))):
                    (take_action or take_random_action)(sandbox, chance)
            if settings_of_units and chance.random() < 0.5:
                settings = replace(settings, reward_units=tuple(sorted(chance.choice(settings_of_units))))
            load(settings, streams, accept_deletions=True)
            units.append(settings.reward_units)
            found.append((len(sandbox.events()), sandbox.now.replace(tzinfo=None)))
        rewards = {row["id"]: row for row in sandbox.rows("rewards")}
        return History(settings, rewards, sandbox.events(), found, units)


def take_random_action(sandbox: Sandbox, chance: random.Random) -> None:
    """Simulate one random action in the account; rewards change more often than in reality."""
    action = chance.choice(
        ("join", "qualify", "qualify", "unqualify", "issue", "issue", "complete", "reprice", "leave")
    )  # fmt: skip
    people, due = sandbox.rows("users"), sandbox.rows("rewards_due")
    waiting = [row for row in sandbox.rows("rewards_issued") if row["issued_at"] is None]
    if action == "join":
        referrer = chance.choice(people) if people else None
        sandbox.add_user(
            referrer["campaign_id"] if referrer else 1, referrer_id=referrer["id"] if referrer else None
        )  # fmt: skip
    elif action == "qualify" and (able := [p for p in people if not p["qualified"] and p["referrer_id"]]):
        sandbox.qualify(chance.choice(able)["id"])
    elif action == "unqualify" and (able := [p for p in people if p["qualified"]]):
        sandbox.unqualify(chance.choice(able)["id"])
    elif action == "issue" and due:
        row = chance.choice(due)
        sandbox.issue(row["id"], chance.randint(1, row["total_due"]), in_process=chance.random() < 0.5)
    elif action == "complete" and waiting:
        sandbox.complete(chance.choice(waiting)["id"])
    elif action == "reprice":
        reward = chance.choice(sandbox.rows("rewards"))
        sandbox.reprice(reward["id"], price(chance))
    elif action == "leave" and people:
        sandbox.delete_user(chance.choice(due)["recipient_id"] if due else chance.choice(people)["id"])
    if chance.random() < 0.3:
        sandbox.wait(chance.choice((60, 3_600, 86_400, 5 * 86_400)))
    if chance.random() < 0.05:
        sandbox.advance(days=1)


def price(chance: random.Random) -> Decimal:
    """An amount; one in four has three digits after the point."""
    return Decimal(chance.randint(0, 20_000)) / 100 + (Decimal("0.005") if chance.random() < 0.25 else 0)


def expected_ledger(history: History) -> dict[tuple[int, int, int], dict[str, Any]]:
    """(reward_id, recipient_id, sync_no) → the expected numbers of that row, by column; only rows with a movement."""
    intervals = _intervals(history)
    rows: dict[tuple[int, int, int], dict[str, Any]] = {}
    for key in sorted({key for key, _ in intervals}):
        due, process = Amount(), Amount()
        for number in range(1, len(history.syncs) + 1):
            moved = intervals.get((key, number), Interval())
            due_now = due.plus(moved.net_accrued, moved.issued_from_due.minus, moved.moved_to_process.minus)
            process_now = process.plus(moved.moved_to_process, moved.issued_from_process.minus)
            if number == 1:
                due, process, moved = due_now, process_now, Interval()
                happened = any(due.pair) or any(process.pair)
            else:
                happened = moved != Interval()
            if happened:
                rows[(*key, number)] = _row(due, process, moved, due_now, process_now)
            due, process = due_now, process_now
    return rows


def _row(due: Amount, process: Amount, moved: Interval, due_now: Amount, process_now: Amount) -> dict[str, Any]:
    amounts = {
        "due_opening": due, "due_accrued": moved.net_accrued.gain, "due_issued": moved.issued_from_due,
        "due_reversed": moved.net_accrued.minus.gain, "moved_to_process": moved.moved_to_process,
        "due_closing": due_now, "in_process_opening": process, "in_process_accrued": Amount(),
        "in_process_issued": moved.issued_from_process, "in_process_reversed": Amount(),
        "in_process_closing": process_now, "opening": due.plus(process), "accrued": moved.net_accrued.gain,
        "issued": moved.issued_from_due.plus(moved.issued_from_process),
        "reversed": moved.net_accrued.minus.gain, "closing": due_now.plus(process_now), "restated": Amount(),
    }  # fmt: skip
    numbers = {f"{name}_count": amount.count for name, amount in amounts.items()}
    return numbers | {f"{name}_value": amount.value for name, amount in amounts.items()}


COLUMNS = list(_row(Amount(), Amount(), Interval(), Amount(), Amount()))
"""What is compared of each row of the ledger."""


def _intervals(history: History) -> dict[tuple[Key, int], Interval]:
    """The log by balance and sync. Units that were in process only between two syncs are issued directly from due."""
    found: dict[tuple[Key, int], Interval] = defaultdict(Interval)
    entered: dict[int, int] = {}
    begin = 0
    for number, (end, _) in enumerate(history.syncs, start=1):
        for event in history.events[begin:end]:
            kind = event["kind"]
            interval = found[(event["reward_id"], event["recipient_id"]), number] if event["reward_id"] else Interval()
            if kind in ("accrued", "repriced"):
                interval.net_accrued.add(event)
            elif kind == "reversed":
                interval.net_accrued.add(event, -1)
            elif kind == "issued":
                interval.issued_from_due.add(event)
            elif kind == "in_process":
                entered[event["issued_id"]] = number
                interval.moved_to_process.add(event)
            elif kind == "completed" and entered[event["issued_id"]] == number:
                interval.moved_to_process.add(event, -1)
                interval.issued_from_due.add(event)
            elif kind == "completed":
                interval.issued_from_process.add(event)
        begin = end
    return {place: interval for place, interval in found.items() if place[0][1] is not None}


def expected_days(history: History, ledger: dict[tuple[int, int, int], dict[str, Any]]) -> dict[Any, dict[str, Any]]:
    """(campaign_id, reward_type, day) → movements of that day, by column; days in which nothing moved are left out."""
    days: dict[Any, dict[str, Any]] = {}
    for (reward_id, _, number), row in ledger.items():
        reward, day = history.rewards[reward_id], history.syncs[number - 1][1].date()
        sums = days.setdefault((reward["campaign_id"], reward["type"], day), defaultdict(Decimal))
        for name in ("accrued", "issued", "reversed"):
            for measure in ("count", "value"):
                sums[f"{name}_{measure}"] += row[f"{name}_{measure}"]
        if number == 1:
            sums["found_value"] += row["opening_value"]
            sums["found_count"] += row["opening_count"]
    return days


def expected_liability(
    history: History, ledger: dict[tuple[int, int, int], dict[str, Any]]
) -> dict[Key, tuple[int, Decimal, int, Decimal, datetime]]:
    """(reward_id, recipient_id) → due count and value, in process count and value, owed since."""
    owed: dict[Key, tuple[int, Decimal, int, Decimal, datetime]] = {}
    since: dict[Key, datetime] = {}
    for (reward_id, recipient_id, number), row in sorted(ledger.items()):
        key = (reward_id, recipient_id)
        owed.pop(key, None)
        if (row["closing_count"], row["closing_value"]) == (0, 0):
            continue
        if number == 1 or (row["opening_count"], row["opening_value"]) == (0, 0):
            since[key] = history.syncs[number - 1][1]
        due = (row["due_closing_count"], row["due_closing_value"])
        owed[key] = (*due, row["in_process_closing_count"], row["in_process_closing_value"], since[key])
    return owed


def by_place(rows: Iterable[tuple[Any, ...]], names: list[str], keys: int) -> dict[Any, dict[str, Any]]:
    """Query results by their first columns."""
    return {row[:keys]: dict(zip(names[keys:], row[keys:], strict=True)) for row in rows}
