"""The warehouse equals the account: every column of every stream, after the first run and after each simulated day."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from referral_warehouse.load.registry import STREAMS
from referral_warehouse.load.runner import LoadReport, load
from referral_warehouse.sandbox import Sandbox
from referral_warehouse.settings import Settings, Token
from referral_warehouse.warehouse.build import build
from referral_warehouse.warehouse.publish import publish
from tests.sampling import sampled
from tests.truth import differences

pytestmark = pytest.mark.usefixtures("few_models_in_module")  # core is compared, and no mart


def settings_for(sandbox: Sandbox, folder: Path) -> Settings:
    return Settings(
        api_token=Token(sandbox.token), base_url=sandbox.base_url, calls_per_minute=0, simulated_time=True,
        warehouse_dir=folder, slice_rows=20_000,
    )  # fmt: skip


def sync(settings: Settings, *, sweep: bool = False) -> LoadReport:
    report = load(settings, sweep=sweep)
    publish(settings, build(settings))
    return report


@pytest.mark.parametrize(("users", "days"), [(1_200, 1), pytest.param(50_000, 10, marks=pytest.mark.full)])
def test_every_row_equals_the_sandbox_after_each_day(tmp_path: Path, users: int, days: int) -> None:
    with Sandbox(users=users, seed=11, calls_per_minute=0) as sandbox:
        settings = settings_for(sandbox, tmp_path / "data")
        sync(settings)
        for day in range(days + 1):
            for stream in STREAMS:
                assert differences(sandbox, settings.warehouse_path, stream)[:5] == [], f"after day {day}"
            if day == 0:
                # the account stands still: nothing is written, and it costs next to nothing to know that
                sandbox.reset_calls()
                idle = load(settings)
                whole_lists = sum(call.path.endswith(("/rewards/due", "/rewards/issued")) for call in sandbox.calls)
                assert idle.rows_written == 0
                assert len(sandbox.calls) == idle.calls
                assert idle.calls - whole_lists <= 15
            if day < days:
                sandbox.advance(days=1)
                # names, e-mails, views and counters leave no date: only a sweep sees them all
                sync(settings, sweep=True)


@pytest.mark.parametrize(("users", "days"), [(600, 1), pytest.param(900, 8, marks=pytest.mark.full)])
def test_without_a_sweep_every_dated_change_is_loaded(tmp_path: Path, users: int, days: int) -> None:
    trackless = ("first_name", "email", "reach", "referrals_count", "converted_referrals_count")
    with Sandbox(users=users, seed=3, calls_per_minute=0) as sandbox:
        settings = settings_for(sandbox, tmp_path / "data")
        sync(settings)
        for _ in range(days):
            qualified = {row["id"] for row in sandbox.rows("users") if row["qualified"]}
            sandbox.advance(days=1)
            sync(settings)
            untold = {  # used by somebody who was qualified already: no date of theirs changes
                f"coupons {row['id']}: used_at is" for row in sandbox.rows("coupons") if row["referral_id"] in qualified
            }
            for stream in STREAMS:
                problems = differences(sandbox, settings.warehouse_path, stream)
                if stream == "users":
                    problems = [p for p in problems if not any(f": {field} is" in p for field in trackless)]
                if stream == "coupons":  # one given to somebody who joined long ago changes no date of theirs
                    problems = [p for p in problems if not p.endswith("is missing")]
                    problems = [p for p in problems if not any(map(p.startswith, untold))]
                assert problems == []


def test_the_comparison_itself_finds_a_difference(tmp_path: Path) -> None:
    with Sandbox(users=50, seed=3, calls_per_minute=0) as sandbox:
        settings = settings_for(sandbox, tmp_path / "data")
        sync(settings)
        someone = sandbox.rows("users")[0]["id"]
        sandbox.edit_user(someone, first_name="Somebody else")
        assert any("first_name" in problem for problem in differences(sandbox, settings.warehouse_path, "users"))
        sandbox.delete_user(someone)
        assert any(
            "not there any more" in problem for problem in differences(sandbox, settings.warehouse_path, "users")
        )


@pytest.mark.parametrize("streams", sampled([["campaigns"], ["coupons"], ["rewards_due", "rewards_issued"]], 1))
def test_a_choice_of_streams_loads_these_alone(tmp_path: Path, streams: list[str]) -> None:
    with Sandbox(users=60, seed=5, calls_per_minute=0) as sandbox:
        settings = dataclasses.replace(settings_for(sandbox, tmp_path / "data"), slice_rows=250)
        report = load(settings, streams)
        asked = {call.path.removeprefix("/api/v1/").split("/")[0] for call in sandbox.calls}
        assert set(report.streams) - {"users"} == set(streams)
        assert asked <= {stream.split("_")[0] for stream in streams} | {"users"}
        publish(settings, build(settings))
        for stream in streams:
            assert differences(sandbox, settings.warehouse_path, stream) == []
