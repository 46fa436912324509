"""1,200 calls of two real processes, one of them killed: the server never sees one too many, by either way to count.

Minutes are short here; how much of the budget is used is shown in simulated time (test_rate_limiter) and, in minutes of
sixty seconds, by ``make soak``.
"""

from __future__ import annotations

from pathlib import Path

from tests.api.budget_run import two_processes


def test_two_processes_one_killed_never_exceed_a_fixed_or_sliding_window(tmp_path: Path) -> None:
    outcome = two_processes(tmp_path, calls=1200, budget=300, minute_s=1.0, latency_s=0.005, headers_slide=False)
    assert outcome.was_killed
    assert outcome.calls == 1200
    assert outcome.violations == 0
    assert outcome.most_in_a_window <= 300
