"""Random reward histories with corrections, and the ledger that is expected from the event log alone.

In addition to the actions of ``reward_histories``: payouts in process are amended or cancelled, dated payouts fail,
reward types are renamed, rewards move between campaigns, and the settings count them in other units. Uses only the
sandbox's event log, and not the lists that the API serves. Each expectation is computed for one reward and recipient,
interval by interval.
"""

from __future__ import annotations

import random
from collections import defaultdict
from dataclasses import dataclass, field
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from referral_warehouse.sandbox import Sandbox
from tests.end_to_end.reward_histories import UNITS, Amount, History, Key, Units, price, take_random_action

Place = tuple[int, str, str]
"""(campaign_id, reward_type, unit)"""
CampaignAndType = tuple[int, str]
"""(campaign_id, reward_type)"""
SETTINGS_OF_UNITS: tuple[Units, ...] = (
    (),
    UNITS,
    (("Amazon Voucher", "EUR"), ("campaign:1", "GBP"), ("campaign:1/Points", "points")),
    (("Cash Digital Card", "KWD"), ("reward:1", "stars"), ("reward:2", "GBP"), ("campaign:2/Amazon Voucher", "USD")),
)
TYPES = ("Amazon Voucher", "Cash Digital Card", "Points", "Gift")
MOVEMENTS = (
    "opening", "accrued", "issued", "reversed", "reclassified_in", "reclassified_out", "moved_to_process", "closing",
)  # fmt: skip


def take_random_correction(sandbox: Sandbox, chance: random.Random) -> None:
    """Simulate one random correction in the account, or an ordinary action."""
    action = chance.choice(("amend", "cancel", "fail", "fail", "rename", "move", "ordinary", "ordinary", "ordinary"))
    issued = sandbox.rows("rewards_issued")
    waiting = [row for row in issued if row["issued_at"] is None and row["status"] == "Invoice Due"]
    dated = [row for row in issued if row["issued_at"] is not None]
    people = {row["id"] for row in sandbox.rows("users")}
    if action == "amend" and waiting:
        sandbox.amend_payout(chance.choice(waiting)["id"], price(chance))
    elif action == "cancel" and waiting:
        sandbox.cancel_payout(chance.choice(waiting)["id"], chance.choice(("Cancelled", "canceled ", "FAILED")))
    elif action == "fail" and (able := [row for row in dated if row["recipient_id"] in people]):
        sandbox.fail_payout(chance.choice(able)["id"])
    elif action == "rename":
        sandbox.rename_reward_type(chance.choice(sandbox.rows("rewards"))["id"], chance.choice(TYPES))
    elif action == "move":
        campaign = chance.choice(sandbox.rows("campaigns"))["id"]
        sandbox.move_reward(chance.choice(sandbox.rows("rewards"))["id"], campaign)
    else:
        take_random_action(sandbox, chance)


@dataclass
class Payout:
    """A row of the issued list, at the last sync and now. States: "" (none yet), undated, dated, cancelled, gone."""

    seen: str = ""
    seen_amount: Amount = field(default_factory=Amount)
    now: str = ""
    amount: Amount = field(default_factory=Amount)


@dataclass
class Balance:
    """What is owed to one recipient for one reward."""

    due: Amount = field(default_factory=Amount)
    payouts: dict[int, Payout] = field(default_factory=lambda: defaultdict(Payout))
    place: Place | None = None

    @property
    def in_process(self) -> Amount:
        return Amount().plus(*(payout.amount for payout in self.payouts.values() if payout.now == "undated"))


def expected_rows(history: History, digits: int) -> dict[tuple[Any, ...], dict[str, Any]]:
    """(reward_id, recipient_id, campaign_id, reward_type, unit, sync_no) → count and value of each that is not 0.

    Args: ``digits`` of published values after the point; the value of a part of a balance is rounded to them.
    """
    places = _first_places(history)
    balances: dict[Key, Balance] = defaultdict(Balance)
    rows: dict[tuple[Any, ...], dict[str, Any]] = {}
    begin = 0
    for number, (end, _) in enumerate(history.syncs, start=1):
        before = {key: (balance.due, balance.in_process) for key, balance in balances.items()}
        for event in history.events[begin:end]:
            _apply_event(event, places, balances)
        begin = end
        for (reward_id, recipient_id), balance in balances.items():
            due, process = before.get((reward_id, recipient_id), (Amount(), Amount()))
            campaign_and_type = places[reward_id]
            now = (*campaign_and_type, _unit(dict(history.units[number - 1]), reward_id, *campaign_and_type))
            for place, row in _interval(number, due, process, balance, now, digits).items():
                shown = {name: amount.pair for name, amount in row.items() if amount != Amount()}
                if set(shown) - {"opening", "closing"} or (number == 1 and shown):
                    rows[(reward_id, recipient_id, *place, number)] = shown
            balance.place = now
            for payout in balance.payouts.values():
                payout.seen, payout.seen_amount = payout.now, payout.amount
    return rows


def _unit(units: dict[str, str], reward_id: int, campaign_id: int, reward_type: str) -> str:
    """The unit by the most specific entry of the settings."""
    for key in (f"reward:{reward_id}", f"campaign:{campaign_id}/{reward_type}", f"campaign:{campaign_id}", reward_type):
        if key in units:
            return units[key]
    return f"type:{reward_type}"


def _first_places(history: History) -> dict[int, CampaignAndType]:
    """Campaign and type of each reward before any correction."""
    places = {reward_id: (row["campaign_id"], row["type"]) for reward_id, row in history.rewards.items()}
    for event in reversed(history.events):
        campaign_id, reward_type = places.get(event["reward_id"], (0, ""))
        if event["kind"] == "reward_type_renamed":
            places[event["reward_id"]] = (campaign_id, event["detail"]["before"])
        elif event["kind"] == "reward_moved":
            places[event["reward_id"]] = (event["detail"]["before"], reward_type)
    return places


def _apply_event(event: dict[str, Any], places: dict[int, CampaignAndType], balances: dict[Key, Balance]) -> None:
    kind, reward_id = event["kind"], event["reward_id"]
    if kind == "reward_type_renamed":
        places[reward_id] = (places[reward_id][0], event["detail"]["after"])
    elif kind == "reward_moved":
        places[reward_id] = (event["campaign_id"], places[reward_id][1])
    if not reward_id or event["recipient_id"] is None:
        return
    balance, amount = balances[reward_id, event["recipient_id"]], Amount()
    amount.add(event)
    if kind in ("accrued", "repriced", "payout_failed"):
        balance.due = balance.due.plus(amount)
    elif kind in ("reversed", "issued", "in_process"):
        balance.due = balance.due.plus(amount.minus)
    if event["issued_id"] is None:
        return
    payout = balance.payouts[event["issued_id"]]
    if kind in ("issued", "in_process"):
        payout.now, payout.amount = "dated" if kind == "issued" else "undated", amount
    elif kind == "completed":
        payout.now = "dated"
    elif kind == "payout_amended":
        payout.amount = payout.amount.plus(amount)
    elif kind == "payout_cancelled":
        payout.now = "cancelled"
    elif kind == "payout_failed":
        payout.now = "gone"


def _interval(
    number: int, due: Amount, process: Amount, balance: Balance, place: Place, digits: int
) -> dict[Place, dict[str, Amount]]:
    """The movements of one interval, by place."""
    due_now, process_now = balance.due, balance.in_process
    if number == 1:
        return {place: {"opening": due_now.plus(process_now), "closing": due_now.plus(process_now)}}
    from_due, from_process, entered, failed = Amount(), Amount(), Amount(), Amount()
    for payout in balance.payouts.values():
        if payout.now == "dated" and payout.seen != "dated":
            if payout.seen == "undated":
                from_process = from_process.plus(payout.amount)
            else:
                from_due = from_due.plus(payout.amount)
        elif payout.now == "undated" and payout.seen == "":
            entered = entered.plus(payout.amount)
        elif payout.now == "gone" and payout.seen == "dated":
            failed = failed.plus(payout.seen_amount)
    rest = due_now.plus(due.minus, from_due, entered)
    process_rest = process_now.plus(process.minus, from_process, entered.minus)
    row: dict[str, Amount] = {"issued": from_due.plus(from_process)}
    rows = {place: row}
    moved = Amount()
    if balance.place not in (None, place):
        assert balance.place is not None
        old: dict[str, Amount] = {"opening": due.plus(process)}
        rows[balance.place] = old
        due_moved, due_lost = _moved(due, rest, digits)
        process_moved, process_lost = _moved(process, process_rest, digits)
        moved = due_moved.plus(process_moved)
        old["reclassified_out"] = row["reclassified_in"] = moved
        old["reversed"] = due_lost.plus(process_lost)
        rest = rest.plus(due_lost)
        process_rest = process_rest.plus(process_lost)
    else:
        row["opening"] = due.plus(process)
    taken = _share(failed, min(failed.count, max(rest.count, 0)), digits)
    rest = rest.plus(taken.minus)
    row["issued"] = row["issued"].plus(taken.minus)
    back = min(max(-process_rest.count, 0), max(rest.count, 0))
    back_value = max(min(-process_rest.value, rest.value), Decimal(0)) if back else Decimal(0)
    rest = rest.plus(Amount(-back, -back_value))
    process_rest = process_rest.plus(Amount(back, back_value))
    row["accrued"] = rest.gain.plus(process_rest.gain)
    row["reversed"] = rest.minus.gain.plus(process_rest.minus.gain)
    row["moved_to_process"] = entered.plus(Amount(-back, -back_value))
    row["closing"] = due_now.plus(process_now)
    return rows


def _moved(opening: Amount, rest: Amount, digits: int) -> tuple[Amount, Amount]:
    """The part of an opening balance that moves to the new place, and the part that is reversed in the old one."""
    left = opening.count + min(rest.count, 0)
    moved = _share(opening, left, digits)
    return moved, opening.plus(moved.minus) if left < opening.count else Amount()


def _share(amount: Amount, count: int, digits: int) -> Amount:
    """A part of an amount: ``count`` units with their share of the value, rounded."""
    if count in (0, amount.count):
        return amount if count else Amount()
    return Amount(count, (amount.value * count / amount.count).quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP))
