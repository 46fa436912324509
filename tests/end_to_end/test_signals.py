"""SIGTERM and Ctrl-C at any step of a sync: it ends soon, with one line, and the next run continues.

The point of the signal is a number of steps. "Soon" is measured in CPU seconds of the process after the signal, so that
a slow machine makes no difference.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.kills.stage import Stage, published, unequal
from tests.sampling import sampled

SOON_CPU_S = 5.0
PLACES = {
    "dlt extracts": r"^write .*normalize/\*/\*/new_jobs/users",
    "dlt normalises": r"^link .*new_jobs/users",
    "dlt loads": r"^rename .*/new_jobs/rewards_due\S*\.sql .*/started_jobs/",
    "DuckDB merges": r'^execute .DELETE FROM "raw"."users"',
    "dlt has loaded a package": r"^rename .*load/normalized/\* .*load/loaded/\*",
    "DuckDB runs a query": r"^execute .select batch.id from batch",
    "a call": r"^call users",
    "the models are built": r"^execute .create table draft.marts",
    "feeds are written": r"^execute .copy \(select",
    "a publication": r"^rename draft/snapshot/feeds",
}
SIGNALS = {"sigterm": (143, "SIGTERM"), "sigint": (130, "Ctrl-C")}


@pytest.mark.parametrize("place", sampled(PLACES, 1))
def test_a_signal_ends_a_sync_cleanly_wherever_it_is(stage: Stage, tmp_path: Path, place: str) -> None:
    name = list(SIGNALS)[list(PLACES).index(place) % 2]
    code, word = SIGNALS[name]
    data = stage.copy("days", tmp_path / "data")
    ended = stage.sync(data, at=1, pattern=PLACES[place], action=name)
    assert ended.returncode == code, ended.stderr[-2000:]
    line, *more = ended.stderr.strip().splitlines()
    assert more == []
    assert line.startswith(f"referrals: Stopped by {word}.")
    assert ended.cpu_after_s is not None
    assert ended.cpu_after_s < SOON_CPU_S
    assert stage.sync(data).returncode == 0
    assert unequal(published(data), stage.undisturbed["days"]) == {}
