"""The full demo of 21 days agrees with its event log, except where docs/sandbox.md says so. About a minute."""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path

import duckdb

from referral_warehouse.cli.commands.demo import ROLL_FORWARD
from tests.commands import read_commands, run
from tests.documentation import PAGES
from tests.test_readme import isolated_environ

QUERY = re.compile(r'\.sql\("""(.*?)"""\)', re.DOTALL)
UNSEEN = ("Partner Champions", "type:Coupon")


def test_21_days_differ_from_the_event_log_by_what_no_list_showed(tmp_path: Path) -> None:
    environ = isolated_environ(tmp_path)
    run("referrals demo", tmp_path, environ)
    commands = [command.text for command in read_commands(PAGES["docs/sandbox.md"])]
    [events] = [text for text in commands if text.endswith("--events > events.jsonl")]
    run(events, tmp_path, environ)
    [query] = [found[1] for text in commands if (found := QUERY.search(text))]
    with duckdb.connect(str(tmp_path / "data" / "warehouse.duckdb"), read_only=True) as connection:
        connection.execute("set file_search_path = $folder", {"folder": str(tmp_path)})
        logged = {row[:2]: [value or Decimal(0) for value in row[2:]] for row in connection.sql(query).fetchall()}
        shown = {row[:2]: list(row[3:6]) for row in connection.sql(ROLL_FORWARD).fetchall()}
    differences = {
        place: [log - seen for log, seen in zip(logged.get(place, [Decimal(0)] * 3), shown[place], strict=True)]
        for place in shown
    }
    ten = Decimal(10)
    assert {place: found for place, found in differences.items() if any(found)} == {UNSEEN: [ten, 0, ten]}
    assert set(logged) <= set(shown)
