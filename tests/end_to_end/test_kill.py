"""A whole `referrals sync` is killed with SIGKILL at seeded and at chosen steps and run again: the result is the same.

Real processes: the sandbox serves in one, the sync is killed in another, a third reads the published warehouse
continuously. The point of a kill is a number of steps (tests/kills/ticks.py), never a time. Every row and column of the
published core and marts is compared with those of an undisturbed run; nothing is left out.
"""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.kills.stage import Stage, problems_after_kill
from tests.sampling import sampled

SEEDED = 12
# Steps, mostly of dlt: a kill at each of them once blocked all later syncs or duplicated rows, here or in dlt's issues.
PLACES = {
    "extracted, its schema not saved": r"^write state/dlt/referral_warehouse/schemas/\*",
    "half normalised": r"^link .*new_jobs/users",
    "between the rename and the delete of a package": r"^remove referral_factory.schema.json",
    "an extracted package half deleted": r"^rmdir started_jobs",
    "rewards due staged, not merged": r"^rename .*/new_jobs/rewards_due\S*\.sql .*/started_jobs/",
    "in the middle of a merge": r'^execute .INSERT INTO "raw"."users"|^execute .DELETE FROM "raw"."users"',
    "rewards due merged, not recorded": r"^rename .*\.pending_transitions/rewards_due\S*\.sql",
    "loaded, not moved away": r"^rename .*load/normalized/\* .*load/loaded/\*",
    "the run not closed in its log": r"^execute .*update raw.runs set status = \?",
    "before the switch of the link": r"^rename .*warehouse\.duckdb\.new",
    "after the switch, without feeds": r"^symlink .*\.feeds\.new",
}


@pytest.mark.parametrize("number", sampled(range(SEEDED), 1))
def test_a_sync_killed_anywhere_is_completed_by_the_next(stage: Stage, tmp_path: Path, number: int) -> None:
    start = ("nothing", "days")[number % 2]
    steps = len(stage.labels[start]) * 9 // 10  # a run has not always the same number of steps
    at = random.Random(20260105 + number).randint(number * steps // SEEDED, (number + 1) * steps // SEEDED)
    assert problems_after_kill(stage, start, tmp_path / "data", at=at) == []


@pytest.mark.parametrize("place", sampled(PLACES, 1))
def test_a_sync_killed_at_a_fragile_step_is_completed_by_the_next(stage: Stage, tmp_path: Path, place: str) -> None:
    assert problems_after_kill(stage, "days", tmp_path / "data", at=1, pattern=PLACES[place]) == []
