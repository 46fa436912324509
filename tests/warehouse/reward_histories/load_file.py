"""The load file that runs of the loader would have left of a made-up account: versions of rows, and what was observed.

Knows what the loader keeps, and nothing of models.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

from referral_warehouse.settings import Settings
from tests.warehouse.planting import plant
from tests.warehouse.reward_histories.events import CAMPAIGNS, HISTORIES, History, Lists, Row, Run

STATUSES = {"due": "Due", "in process": "Invoice Due", "issued": "Issued", "cancelled": "Cancelled"}
ALL_CAMPAIGNS = range(1, CAMPAIGNS * HISTORIES + 1)
BATCHES = [campaign_id for campaign_id in ALL_CAMPAIGNS if campaign_id % CAMPAIGNS]
"""Batches have the ids of their campaigns; the batch of the last campaign of each history names none."""
Table = list[dict[str, Any]]
Records = dict[int, dict[str, Any]]


def plant_history(history: History, folder: Path) -> Settings:
    """Write the load file; returns settings with its directory."""
    users, coupons, issued = (looks_at(history, stream) for stream in ("users", "coupons", "rewards_issued"))
    tables: dict[str, Table] = {
        "rewards": list(versions(looks_at(history, "rewards"), lambda lists: lists.rewards, lambda row: row, True)),
        "rewards_due": list(
            versions(looks_at(history, "rewards_due"), lambda lists: rows_of(lists, "due"), as_listed, True)
        ),
        "rewards_issued": list(versions(issued, lambda lists: rows_of(lists, "issued"), as_listed, False)),
        "users": [
            {"id": key, "source": "Direct", **columns_of(person)}
            for key, person in last_known([lists.people for _, lists in users]).items()
        ],
        "coupons": [
            {"id": key, "name": f"GIFT {key}", "referral_id": coupon["user_id"], "batch_id": coupon["batch_id"],
             "issued_at": coupon["issued_at"], "used_at": coupon["used_at"]}
            for key, coupon in last_known([lists.coupons for _, lists in coupons]).items()
        ],
        "coupon_batches": [{"id": batch, "name": f"Batch {batch}", "campaign_id": batch} for batch in BATCHES],
        "campaigns": [
            {"id": number, "name": f"Campaign {number}", "seen": [history.runs[0].stored_at, None]}
            for number in ALL_CAMPAIGNS
        ],
        "observations": [
            *presence("rewards_issued", [(run.noticed_at, rows_of(lists, "issued")) for run, lists in issued]),
            *presence("users", [(run.noticed_at, there(lists.people)) for run, lists in users]),
            *presence("coupons", [(run.noticed_at, there(lists.coupons)) for run, lists in coupons]),
            *changes_of_people([(run.noticed_at, there(lists.people)) for run, lists in users]),
        ],
        "unit_settings": settings_rows([run.units for run in history.finished], "settings_no", "units"),
        "term_settings": settings_rows([run.terms for run in history.finished], "terms_no", "terms"),
        "runs": [
            *(
                {"run_id": f"r{number}", "command": "sync", "status": "done", "observed_at": run.at}
                for number, run in enumerate(history.finished, start=1)
            ),
            *(
                {"run_id": f"f{run.at}", "command": "sync", "status": "failed"}
                for run in history.runs if not run.is_finished
            ),
        ],
        "run_streams": [
            {"run_id": f"r{number}", "stream": stream, "observed_at": run.began_at, "is_complete": True}
            for number, run in enumerate(history.finished, start=1) for stream in sorted(run.streams)
        ],
    }  # fmt: skip
    return plant(folder, tables)


def looks_at(history: History, stream: str) -> list[tuple[Run, Lists]]:
    """The runs that read a stream, and what they saw."""
    return [(run, lists) for run, lists in zip(history.runs, history.seen, strict=True) if stream in run.streams]


def there(records: Records) -> Records:
    return {key: record for key, record in records.items() if not record["is_gone"]}


def columns_of(record: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in record.items() if name != "is_gone"}


def last_known(seen: list[Records]) -> Records:
    """The last version of each record that a run saw: one that was deleted keeps what it had before."""
    known: Records = {}
    for records in seen:
        known |= there(records)
    return known


def rows_of(lists: Lists, list_name: str) -> dict[int, Row]:
    return {key[1]: row for key, row in lists.rows.items() if key[0] == list_name}


def as_listed(row: Row) -> dict[str, Any]:
    return {
        "reward_id": row.reward_id, "recipient_id": row.recipient_id, "reward_type": row.own_type,
        "reward_value": row.price, "total_due": row.count, "total_value": row.value, "issued_at": row.issued_at,
        "status": STATUSES[row.state],
    }  # fmt: skip


def versions(
    seen: list[tuple[Run, Lists]],
    of: Callable[[Lists], dict[int, Any]],
    listed: Callable[[Any], dict[str, Any]],
    ends: bool,
) -> Iterator[dict[str, Any]]:
    """The versions of each record; ``ends`` where a record that is missing ends its last one."""
    for key in sorted({key for _, lists in seen for key in of(lists)}):
        current: dict[str, Any] | None = None
        for run, lists in seen:
            moment, record = run.stored_at, of(lists).get(key)
            if record is None:
                if current is not None and ends:
                    current["seen"][1] = moment
                    yield current
                    current = None
                continue
            values = {"id": key, **listed(record)}
            if current is not None and values == {name: value for name, value in current.items() if name != "seen"}:
                continue
            if current is not None:
                current["seen"][1] = moment
                yield current
            current = {**values, "seen": [moment, None]}
        if current is not None:
            yield current


def presence(stream: str, seen: list[tuple[Any, dict[int, Any]]]) -> Iterator[dict[str, Any]]:
    """Records that a run found gone, and those that were there again."""
    known: set[int] = set()
    for (_, before), (moment, after) in pairwise([(None, {}), *seen]):
        for what, keys in (
            ("vanished", before.keys() - after.keys()), ("reappeared", (after.keys() - before.keys()) & known)
        ):  # fmt: skip
            for key in sorted(keys):
                yield {"stream": stream, "id": key, "what": what, "observed_at": moment}
        known |= after.keys()


def changes_of_people(seen: list[tuple[Any, Records]]) -> Iterator[dict[str, Any]]:
    """People whose campaign or referrer was another one when they were seen last."""
    known: Records = {}
    for moment, people in seen:
        for key, person in people.items():
            if person != known.get(key, person):
                before, after = (json.dumps(columns_of(values), default=str) for values in (known[key], person))
                yield {
                    "stream": "users", "id": key, "what": "changed", "observed_at": moment,
                    "before": before, "after": after,
                }  # fmt: skip
        known |= people


def settings_rows(given: list[Any], number: str, name: str) -> Table:
    """The setting of each run that had another one than the run before."""
    rows: Table = []
    for position, values in enumerate(given):
        if position == 0 or values != given[position - 1]:
            rows.append({number: len(rows) + 1, "run_id": f"r{position + 1}", name: json.dumps(values)})
    return rows
