"""The bench measures correctly, with a stand-in program and builds of its own, and reports missed goals."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from referral_warehouse.settings import Settings
from referral_warehouse.warehouse.build import build
from referral_warehouse.warehouse.checks import run_checks
from referral_warehouse.warehouse.connection import connect_draft
from referral_warehouse.warehouse.models import load_checks
from tests.bench.__main__ import main
from tests.bench.forest import build_tree
from tests.bench.loadfile import make_load_file
from tests.bench.measure import Usage, measure
from tests.bench.plan import Bench, Result, Waits
from tests.bench.report import as_json, render, verdicts
from tests.bench.serving import Server, serving

USERS = 1200
PROJECT = Path(__file__).parents[1]

BURN = "import time\nwhile time.process_time() < 0.3: pass\n"
ALLOCATE = "block = b'x' * 150_000_000\nimport time; time.sleep(0.3)\n"
# Replaces `referrals`: loads through the floor and shapes the tables as the loader does.
PLANTED = """
import os, sys
from pathlib import Path
import duckdb
from tests.bench import floor
command, lost = sys.argv[1], int(sys.argv[2])
if command in ("load", "sync"):
    file = Path(os.environ["WAREHOUSE__DIR"]) / "load.duckdb"
    if not file.exists():
        file.parent.mkdir()
        floor.run(os.environ["SOURCES__REFERRAL_FACTORY__BASE_URL"], file)
        with duckdb.connect(file) as db:
            db.execute("create schema raw")
            for table in ("campaigns", "users", "rewards", "rewards_due", "rewards_issued"):
                db.execute(f"create table raw.{table} as select * from main.{table} where id > {lost}")
            select = "select (coupon->>'id')::int as id from users where coupon is not null"
            db.execute(f"create table raw.coupons as {select}")
"""


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with serving(USERS) as running:
        yield running


def test_a_measure_includes_the_child_processes_of_the_command(tmp_path: Path) -> None:
    script = f"import subprocess, sys\nheld = b'x' * 60_000_000\nfor text in ({BURN!r}, {ALLOCATE!r}):\n"
    script += "    subprocess.run([sys.executable, '-c', text], check=True)\nprint('done')\nsys.exit(3)"
    usage = measure([sys.executable, "-c", script], dict(os.environ), tmp_path)
    assert (usage.exit_code, usage.output) == (3, "done\n")
    assert usage.cpu_s >= 0.3
    assert usage.peak_mb >= (200 if sys.platform == "linux" else 150)
    assert usage.wall_s > 0


def _bench(tmp_path: Path, lost: int) -> list[Result]:
    script = tmp_path / "planted.py"
    script.write_text(f"import sys\nsys.path.insert(0, {str(PROJECT)!r})\nsys.argv.append('{lost}')\n{PLANTED}")
    bench = Bench(tmp_path, lambda _: None, [sys.executable, str(script)])
    bench.load(200, 2)
    return bench.results


def test_a_bench_measures_each_command_and_counts_its_calls(tmp_path: Path) -> None:
    results = {result.name: result for result in _bench(tmp_path, lost=0)}
    grown = results.pop("grown sync")
    assert "rows are missing or too many: {'users': 200} instead of" in (grown.failure or ""), "the stand-in loads once"
    assert {(name, len(r.runs), r.failure) for name, r in results.items()} == {
        *(("floor", 2, None), ("load", 2, None), ("sync", 2, None), ("idle sync", 2, None))
    }
    assert results["sync"].calls == results["floor"].calls == [13, 13]
    assert results["idle sync"].calls == [0, 0]


def test_a_load_that_loses_a_row_is_not_measured(tmp_path: Path) -> None:
    results = {result.name: result for result in _bench(tmp_path, lost=1)}
    assert results["floor"].failure is None
    assert "rows are missing or too many: {'campaigns': 99," in (results["load"].failure or "")
    assert "× floor" in render(list(results.values()), verdicts(list(results.values())))


def test_goals_are_compared_and_printed() -> None:
    def result(name: str, users: int, cpu_s: float, peak_mb: float = 300) -> Result:
        return Result(name, users, [Usage(cpu_s, cpu_s, peak_mb, 0, "", "")] * 3, [7, 7, 7])

    results = [
        result("floor", 100_000, 1.0), result("load", 100_000, 5.0), result("load", 500_000, 15.0, 400),
        result("idle sync", 100_000, 0.9), result("grown sync", 100_000, 4.0),
        result("help", 0, 0.1), Result("build", 5_000, failure="exit code 2: no"),
    ]  # fmt: skip
    judged = verdicts(results)
    assert [verdict.is_met for verdict in judged] == [True, True, True, True, True, False, True, None, None, False]
    text = render(results, judged)
    assert "not measured: exit code 2: no" in text
    assert text.count("MISSED") == 2
    assert "load: 25.0 CPU s for each further million users" in text
    assert "50      5.0       7" in text, "CPU seconds for a million users, times the floor, calls"
    written = json.loads(json.dumps(as_json(results, judged)))
    assert [len(entry["runs"]) for entry in written["results"]] == [3, 3, 3, 3, 3, 3, 0]


@pytest.mark.parametrize(
    ("waits", "calls", "ideal_s"),
    [
        (Waits(50), 161, 21 * 0.05), (Waits(50, concurrency=1), 161, 161 * 0.05), (Waits(300, 600), 600, 75 * 0.3),
        (Waits(300, 600), 601, 60 + 0.3), (Waits(300, 600), 1_250, 120 + 7 * 0.3),
    ],
)  # fmt: skip
def test_a_load_that_waits_is_compared_with_what_its_calls_take_at_least(
    waits: Waits, calls: int, ideal_s: float
) -> None:
    assert waits.ideal_s(calls) == pytest.approx(ideal_s)
    factor = 1.08 if waits.calls_per_minute else 1.3
    for more, is_met in ((0.999, True), (1.001, False)):
        run = Usage(1.0, ideal_s * factor * more, 100, 0, "", "")
        [verdict] = verdicts([Result("waiting", 100, [run], [calls], waits=waits)])
        assert verdict.is_met is is_met


def test_peers_and_a_server_that_makes_wait_are_measured(tmp_path: Path) -> None:
    script = tmp_path / "planted.py"
    script.write_text(f"import sys\nsys.path.insert(0, {str(PROJECT)!r})\nsys.argv.append('0')\n{PLANTED}")
    bench = Bench(tmp_path, lambda _: None, [sys.executable, str(script)])
    bench.peers(200, 1)
    bench.wait(200, Waits(latency_ms=20))
    bench.wait(200, Waits(latency_ms=1, calls_per_minute=5))
    script_, rest_api, late, limited = bench.results
    assert [(r.name, len(r.runs), r.failure) for r in (script_, rest_api, late)] == [
        ("script", 1, None), ("rest_api", 1, None), ("20 ms", 1, None)
    ]  # fmt: skip
    assert script_.calls == late.calls == [13]
    assert late.runs[0].wall_s >= 13 * 0.02, "the stand-in waits for one page after the other"
    assert limited.failure is not None


def test_builds_are_compared_with_the_goal_of_their_size() -> None:
    def met(name: str, users: int, cpu_s: float, peak_mb: float = 900) -> list[bool | None]:
        return [v.is_met for v in verdicts([Result(name, users, [Usage(cpu_s, cpu_s, peak_mb, 0, "", "")])])]

    assert met("build", 5_000, 1.1) == [False, True]
    assert met("build", 2_000_000, 11.9, 2_001) == [True, False]
    assert met("build", 10_000_000, 12.1) == [True, True]
    assert met("build", 10_000_000, 70.1) == [False, True]
    assert met("build", 20_000_000, 500.0) == [True], "nobody set a goal for that"
    assert met("tree", 10_000_000, 40.1) == [False]


def test_a_made_up_load_file_breaks_no_rule_and_the_same_number_makes_the_same_rows(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        make_load_file(4_000, tmp_path / name / "load.duckdb")
    settings = Settings(warehouse_dir=tmp_path / "one")
    build(settings)
    with connect_draft(settings) as connection:
        assert [str(found) for found in run_checks(connection, load_checks()) if found.violations_count] == []
        thin = "select count(*) from {} having count(*) < 10"
        for table in ("core.rewards_due", "core.coupons", "marts.reward_liability", "marts.fraud_signals"):
            assert connection.execute(thin.format(table)).fetchall() == [], table
        connection.execute(f"attach '{tmp_path / 'two' / 'load.duckdb'}' as other (read_only)")
        for table in ("users", "rewards_due", "rewards_issued", "coupons"):
            same = f"(from load.raw.{table} except all from other.raw.{table})"
            assert connection.execute(f"select count(*) from {same}").fetchone() == (0,)
    assert build_tree(tmp_path / "two") == {"rows": 4_000 - 9, "depth": 6}


def test_a_large_build_is_measured_with_its_tree(tmp_path: Path) -> None:
    script = tmp_path / "planted.py"
    script.write_text("import pathlib\nassert pathlib.Path('data/load.duckdb').is_file()\n")
    bench = Bench(tmp_path, lambda _: None, [sys.executable, str(script)])
    bench.build_large(2_000, 1)
    assert [(r.name, r.users, len(r.runs), r.failure) for r in bench.results] == [
        ("build", 2_000, 1, None),
        ("tree", 2_000, 1, None),
    ]
    assert json.loads(bench.results[1].runs[0].output)["rows"] > 1_900
    assert not any(path.name == "load.duckdb" for path in tmp_path.rglob("*")), "nothing large is left"


def test_the_options_are_explained(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    assert {"--users", "--builds", "--runs", "--quick", "--json"} <= set(capsys.readouterr().out.split())
