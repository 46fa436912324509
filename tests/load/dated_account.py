"""An account on a real socket whose Date header a test chooses, and the damage version 0.1.0 did under a wrong one.

Version 0.1.0 dated all it wrote by the server's Date, unchecked, and gave each later commit of histories the time of
the one before and a microsecond. ``age`` rewrites what a run has stored to what that version would have stored.
"""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import duckdb

from referral_warehouse.load.batch import LoadBatch
from referral_warehouse.load.registry import TABLES
from referral_warehouse.load.storage.load_file import LoadFile
from referral_warehouse.load.storage.load_pipeline import LoadPipeline
from referral_warehouse.settings import Settings, Token
from tests.loopback_server import LoopbackServer, QuietHandler

OPERATORS = {
    "equal": lambda have, wanted: have == wanted,
    "gt": lambda have, wanted: have > wanted,
    "gte": lambda have, wanted: have >= wanted,
    "lt": lambda have, wanted: have < wanted,
    "lte": lambda have, wanted: have <= wanted,
}
FETCHED = ("campaigns", "rewards", "rewards_due", "rewards_issued", "users", "coupons", "campaign_reach")
HISTORIES = ("campaigns", "rewards", "rewards_due", "rewards_issued")


def user(identifier: int, **changes: Any) -> dict[str, Any]:
    return {
        "id": identifier, "campaign_id": 1, "referrer_id": None if identifier == 1 else 1, "qualified": False,
        "qualified_at": None, "unsubscribed": False, "unsubscribed_at": None, "first_name": f"U{identifier}",
        "email": f"u{identifier}@example.com", "code": f"k{identifier}", "reach": 0, "referrals_count": 0,
        "converted_referrals_count": 0, "source": "Api", "date": "2026-02-01T10:00:00.000000Z", "url": "https://example.com",
        "meta": {}, "sharing": {}, **changes,
    }  # fmt: skip


def due(identifier: int, count: int = 1) -> dict[str, Any]:
    return {
        "id": identifier, "reward_id": 1, "reward_for": "Person Referring", "reward_type": "Voucher",
        "reward_when_referral": "Signs Up", "reward_value": 25, "recipient_id": identifier,
        "recipient_first_name": f"U{identifier}", "recipient_email": f"u{identifier}@example.com",
        "total_due": count, "total_value": 25 * count, "status": "Due", "issued_at": None,
    }  # fmt: skip


class DatedAccount(LoopbackServer):
    """Use as a context manager. ``date(number)`` returns the Date header of the n-th response; None sends none."""

    def __init__(self, folder: Path) -> None:
        self.rows: dict[str, list[dict[str, Any]]] = {
            "campaigns": [{"id": 1, "name": "C", "url": "https://example.com", "code": "c", "reach": 1, "live": True,
                           "status": "launched", "starts_at": None, "ends_at": None}],
            "users": [user(1), user(2)],
            "rewards": [{"id": 1, "campaign_id": 1, "name": "Gift", "reward_for": "Person Referring",
                         "type": "Voucher", "value": 25, "when_referral": "Signs Up"}],
            "rewards/due": [due(1)],
            "rewards/issued": [],
        }  # fmt: skip
        self.date: Any = lambda _number: None
        self.answers = 0
        account = self

        class Handler(QuietHandler):
            def do_GET(self) -> None:
                status, payload = account._answer(self.path)
                account.answers += 1
                date = account.date(account.answers)
                self.answer(status, json.dumps(payload).encode(), {} if date is None else {"Date": date})

        super().__init__(Handler)
        self.settings = Settings(
            api_token=Token("t"), base_url=self.base_url, calls_per_minute=0, timeout_s=20.0, concurrency=1,
            warehouse_dir=folder / "data",
        )  # fmt: skip

    def _answer(self, target: str) -> tuple[int, dict[str, Any]]:
        parts = urlsplit(target)
        rows = self.rows.get(parts.path.removeprefix("/api/v1/"))
        if rows is None:
            return 404, {"message": "Not found"}
        parameters = dict(parse_qsl(parts.query))
        for number in range(sum(name.endswith("[field]") for name in parameters)):
            field, value = parameters.get(f"filters[{number}][field]"), parameters.get(f"filters[{number}][value]", "")
            if field is not None:
                holds = OPERATORS[parameters[f"filters[{number}][operator]"]]
                rows = [row for row in rows if row[field] is not None and _holds(holds, row[field], value)]
        if field := parameters.get("order[field]"):
            rows = sorted(rows, key=lambda row: row[field], reverse=parameters.get("order[direction]") == "desc")
        size, page = int(parameters.get("per_page", 25)), int(parameters.get("page", 1))
        last = max(1, -(-len(rows) // size))
        return 200, {
            "data": rows[(page - 1) * size : page * size], "links": {"next": "x" if page < last else None},
            "meta": {"current_page": page, "last_page": last, "per_page": size, "total": len(rows)},
        }  # fmt: skip


def _holds(compare: Any, have: Any, wanted: str) -> bool:
    return bool(compare(float(have), float(wanted)) if isinstance(have, (bool, int)) else compare(str(have), wanted))


def age(settings: Settings, run_id: str, date: datetime, boundary: datetime, *, observed: bool = True) -> None:
    """Store what a run wrote as version 0.1.0 would have: under a Date of ``date``, histories from ``boundary`` on."""
    with duckdb.connect(str(settings.load_path)) as connection:
        connection.execute("set timezone = 'UTC'")
        run = "(select {0} from raw.runs where run_id = ?)"
        within = (
            "cast(_dlt_load_id as double) between "
            f"epoch({run.format('started_at')}) and epoch({run.format('finished_at')})"
        )
        for table in HISTORIES:
            before = connection.execute(
                f"select max(_dlt_valid_from) from raw.{table} where {within}", [run_id, run_id]
            ).fetchall()
            ended = connection.execute(
                f"select max(_dlt_valid_to) from raw.{table} where _dlt_valid_to between "
                f"{run.format('observed_at')} and {run.format('finished_at')}",  # a Date has no fractions of a second
                [run_id, run_id],
            ).fetchall()
            for ((moment,),) in (before, ended):
                for column in ("_dlt_valid_from", "_dlt_valid_to"):
                    connection.execute(
                        f"update raw.{table} set {column} = ? where {column} = ?", [f"{boundary}+00", moment]
                    )
        if not observed:
            return
        for table in FETCHED:
            connection.execute(f"update raw.{table} set _fetched_at = ? where {within}", [date, run_id, run_id])
        connection.execute(f"update raw.observations set observed_at = ? where {within}", [date, run_id, run_id])
        for table in ("runs", "run_streams", "reconciliation"):
            connection.execute(
                f"update raw.{table} set observed_at = ? where run_id = ? and observed_at is not null", [date, run_id]
            )


def save_states(settings: Settings, **states: dict[str, Any]) -> None:
    """Change the saved cursors of streams, through dlt as a run does."""
    with LoadFile(settings.load_path) as load_file:
        pipeline = LoadPipeline(load_file, settings.state_dir, TABLES)
        pipeline.commit(LoadBatch(states={name: pipeline.state(name) | state for name, state in states.items()}))


def saved_state(settings: Settings, stream: str) -> dict[str, Any]:
    """The saved cursors of a stream."""
    with LoadFile(settings.load_path) as load_file:
        return LoadPipeline(load_file, settings.state_dir, TABLES).state(stream)
