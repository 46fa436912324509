"""The budget in real minutes: 3,000 calls, two processes, one of them killed; none too many, nearly all of it used.

Each run takes about six minutes; see ``make soak``.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.api.budget_run import two_processes


@pytest.mark.parametrize("headers_slide", [False, True], ids=["fixed", "sliding"])
def test_3000_calls_use_the_budget_and_never_exceed_it(tmp_path: Path, headers_slide: bool) -> None:
    outcome = two_processes(tmp_path, calls=3000, budget=540, minute_s=60.0, latency_s=0.3, headers_slide=headers_slide)
    print(outcome)  # noqa: T201 - the figures are what this run is for
    assert outcome.was_killed
    assert outcome.calls == 3000
    assert outcome.violations == 0
    assert outcome.most_in_a_window <= 540
    assert outcome.used >= 0.97
