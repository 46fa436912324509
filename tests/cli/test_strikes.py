"""Rate-limit violations on the command line: two stop every sync, one command shows them and can delete them."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from referral_warehouse.sandbox import Quirks, Sandbox
from tests.cli.processes import PREFIX, Referrals

WEEK_S = 7 * 86_400


@pytest.fixture
def strict(environ: dict[str, str]) -> Iterator[Sandbox]:
    """A server of a test's own, because its quirks and its count of calls are."""
    with Sandbox(users=30, seed=4, calls_per_minute=0) as running:
        environ[f"{PREFIX}BASE_URL"] = running.base_url
        yield running


def age_strikes(folder: Path, seconds: float) -> int:
    """Make all violations in the machine's call stores older; returns how many those of tokens have."""
    count = 0
    for path in folder.rglob("*.sqlite3"):
        with sqlite3.connect(path) as db:
            changed = db.execute("update strikes set at = at - ?", (seconds,)).rowcount
            count += 0 if "address" in path.name else changed
        db.close()
    return count


def test_the_second_429_stops_every_sync_until_it_is_forgiven(
    referrals: Referrals, strict: Sandbox, tmp_path: Path
) -> None:
    strict.set_quirks(Quirks(throttle_every=4))
    stopped = referrals("sync")
    assert stopped.returncode == 6, stopped.stderr
    [line] = stopped.stderr.splitlines()[-1:]
    assert "reported 'too many requests' 2 times" in line
    assert "Committed data is kept." in line
    assert "referrals strikes --forgive" in line

    strict.set_quirks(Quirks())
    strict.reset_calls()
    for command in ("sync", "check"):
        refused = referrals(command)
        assert refused.returncode == 6, refused.stderr
        assert len(refused.stderr.splitlines()) == 1
    assert strict.calls == []

    shown = json.loads(referrals("strikes", "--json").stdout)
    assert [strike["what"] for strike in shown["strikes"]] == ["429, too many requests"] * 2
    assert shown["stopped_until"] > shown["strikes"][0]["at"]
    status = referrals("status").stdout
    assert f"Rate-limit violations of the last 7 days: 2. No call is sent before {shown['stopped_until']}." in status
    assert "2 deleted" in referrals("strikes", "--forgive").stdout
    assert "0. Calls are sent." in referrals("strikes").stdout
    assert referrals("check").returncode == 0


def test_one_violation_is_shown_with_its_time_and_none_counts_after_a_week(
    referrals: Referrals, strict: Sandbox, tmp_path: Path
) -> None:
    strict.set_quirks(Quirks(throttle_every=5))
    assert referrals("check").returncode == 6
    assert age_strikes(tmp_path / "xdg", WEEK_S - 60) == 2
    shown = referrals("strikes").stdout.splitlines()
    assert [line[20:].strip() for line in shown[:2]] == ["429, too many requests"] * 2
    assert "No call is sent before" in shown[2]
    age_strikes(tmp_path / "xdg", 61)
    strict.set_quirks(Quirks())
    assert json.loads(referrals("strikes", "--json").stdout) == {"strikes": [], "stopped_until": None}
    assert referrals("check").returncode == 0


def test_a_403_that_says_blocked_stops_everything_at_once(referrals: Referrals, strict: Sandbox) -> None:
    strict.set_quirks(Quirks(blocked=True))
    stopped = referrals("sync")
    assert stopped.returncode == 6, stopped.stderr
    assert "blocked" in stopped.stderr
    assert len(strict.calls) == 1
    again = referrals("sync")
    assert again.returncode == 6
    assert "reported that this address is blocked" in again.stderr
    assert len(strict.calls) == 1
    assert {strike["what"] for strike in json.loads(referrals("strikes", "--json").stdout)["strikes"]} == {
        "403, the address is blocked"
    }


def test_strikes_need_a_token(referrals: Referrals) -> None:
    assert referrals("strikes", **{f"{PREFIX}API_TOKEN": ""}).returncode == 2
