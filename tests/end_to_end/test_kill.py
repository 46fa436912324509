"""A whole `referrals sync` killed with SIGKILL at seeded and at chosen steps and run again: nothing shows of it.

Real processes: the sandbox serves in one, the sync dies in another, a third reads the published warehouse all the
time. The point of a kill is given by progress (tests/kills/ticks.py), never by time. Every row and column of the
published core and marts is compared with those of an undisturbed run; nothing is left out.
"""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.kills.stage import Stage, killed_and_rerun
from tests.sampling import sampled

SEEDED = 12
# dlt's own names of what it does; each was a wedge or doubled rows at some time, here or in dlt's issues.
PLACES = {
    "extracted, its schema not saved": r"^write state/dlt/referral_warehouse/schemas/\*",
    "half normalised": r"^link .*new_jobs/users",
    "between the rename and the delete of a package": r"^remove referral_factory.schema.json",
    "an extracted package half deleted": r"^rmdir started_jobs",
    "rewards due staged, not merged": r"^rename .*/new_jobs/rewards_due\S*\.sql .*/started_jobs/",
    "in the middle of a merge": r'^execute .INSERT INTO "raw"."users"|^execute .DELETE FROM "raw"."users"',
    "rewards due merged, not written down": r"^rename .*\.pending_transitions/rewards_due\S*\.sql",
    "loaded, not moved away": r"^rename .*load/normalized/\* .*load/loaded/\*",
    "the run not closed in its log": r"^execute .*update raw.runs set status = \?",
    "before the flip": r"^rename .*warehouse\.duckdb\.new",
    "after the flip, without feeds": r"^symlink .*\.feeds\.new",
}


@pytest.mark.parametrize("number", sampled(range(SEEDED), 1))
def test_a_sync_killed_anywhere_is_made_up_for_by_the_next(stage: Stage, tmp_path: Path, number: int) -> None:
    start = ("nothing", "days")[number % 2]
    steps = len(stage.labels[start]) * 9 // 10  # a run has not always the same number of steps
    at = random.Random(20260105 + number).randint(number * steps // SEEDED, (number + 1) * steps // SEEDED)
    assert killed_and_rerun(stage, start, tmp_path / "data", at=at) == []


@pytest.mark.parametrize("place", sampled(PLACES, 1))
def test_a_sync_killed_where_it_hurts_is_made_up_for_by_the_next(stage: Stage, tmp_path: Path, place: str) -> None:
    assert killed_and_rerun(stage, "days", tmp_path / "data", at=1, pattern=PLACES[place]) == []
