"""The demo's roll-forward beside the event log, as a person would check it, with units from the settings."""

from __future__ import annotations

import json
from collections import defaultdict
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest

from referral_warehouse.cli.commands.demo import ROLL_FORWARD
from tests.cli.processes import Referrals
from tests.kills.forks import run_referrals

FIRST_SYNC = "2026-01-05T08:00:00Z"
UNITS = {"Amazon Voucher": "EUR", "Cash Digital Card": "EUR"}
OWED = {"accrued": 1, "repriced": 1, "reversed": -1, "issued": -1, "completed": -1}


@pytest.mark.full
def test_the_roll_forward_is_what_the_event_log_says(
    referrals: Referrals, environ: dict[str, str], tmp_path: Path
) -> None:
    units = {"WAREHOUSE__REWARD_UNITS": json.dumps(UNITS)}
    demo = run_referrals(["demo", "--days", "2", "--users", "250"], environ | units, tmp_path)  # with all models
    assert demo.returncode == 0, demo.stderr
    world = tmp_path / "data" / "sandbox.sqlite3"
    assert f"referrals sandbox --file {world} --events" in demo.stdout
    log = [json.loads(line) for line in referrals("sandbox", "--file", str(world), "--events").stdout.splitlines()]
    with duckdb.connect(str(tmp_path / "data" / "warehouse.duckdb"), read_only=True) as connection:
        shown = {row[:2]: row[2:] for row in connection.execute(ROLL_FORWARD).fetchall()}
        places = connection.execute(
            "select reward_id, campaigns.name, reward_type from core.rewards join core.campaigns using (campaign_id)"
        ).fetchall()
    homes = {reward_id: (campaign, UNITS.get(kind, f"type:{kind}")) for reward_id, campaign, kind in places}
    assert len({unit for _, unit in shown}) > 1
    assert {"EUR"} < {unit for _, unit in shown}

    told: dict[Any, dict[str, Decimal]] = defaultdict(lambda: defaultdict(Decimal))
    for event in log:
        if event["kind"] in OWED:
            sums = told[homes[event["reward_id"]]]
            change = OWED[event["kind"]] * Decimal(event["value"])
            is_issue = event["kind"] in ("issued", "completed")
            if event["at"] <= FIRST_SYNC:
                sums["opening"] += change
            elif is_issue:
                sums["issued"] -= change
            else:
                sums["accrued less reversed"] += change
                sums["at most accrued"] += max(change, Decimal(0))
    assert any(sums["issued"] for sums in told.values()), "the days must hold something to see"
    assert any(sums["at most accrued"] for sums in told.values())
    for place, (opening, accrued, issued, taken_back, closing) in shown.items():
        sums = told.pop(place)
        assert opening == sums["opening"], place
        assert issued == sums["issued"], place
        assert accrued - taken_back == sums["accrued less reversed"], place
        assert accrued <= sums["at most accrued"], "what came and went between two syncs leaves no trace"
        assert closing == sums["opening"] + sums["accrued less reversed"] - sums["issued"], place
    assert not any(value for sums in told.values() for value in sums.values()), "no unit may be missing"
