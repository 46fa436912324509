"""``status`` says first that what is published cannot be read, and a watch goes on."""

from __future__ import annotations

import json

import pytest

from referral_warehouse.settings import Settings
from tests.operate.conftest import Run


@pytest.mark.parametrize(
    ("damage", "is_repaired"),
    [("changed", False), ("missing", True), pytest.param("changed", True, marks=pytest.mark.full)],
)
def test_a_snapshot_that_cannot_be_read_is_not_well(
    referrals: Run, synced: Settings, damage: str, is_repaired: bool
) -> None:
    database = synced.warehouse_path.resolve()
    database.unlink()
    if damage == "changed":
        database.write_text("not a database")
    shown = referrals("status")
    assert (shown.code, shown.err) == (5, "")
    head = " ".join(shown.out.split("Last success")[0].split())
    assert head.startswith(f"Not well: What {synced.warehouse_path} points at cannot be read: ")
    assert "Next: Run `referrals publish`" in shown.out
    facts = json.loads(referrals("status", "--json", "--max-age", "1h").out)
    assert (facts["state"], facts["is_well"], facts["exit_code"], facts["snapshot"]) == ("damaged", False, 5, 1)
    assert "cannot be read" in facts["damage"]
    if not is_repaired:
        return
    assert referrals("sync").code == 0
    assert json.loads(referrals("status", "--json").out)["damage"] is None
