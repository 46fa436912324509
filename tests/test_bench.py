"""The bench measures what it says: its server answers what was asked, its floor loses no row, its judge can say no."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import httpx
import pytest

from pipelines.settings import Settings
from pipelines.warehouse import build
from pipelines.warehouse.checks import run_checks
from pipelines.warehouse.files import connect_draft
from pipelines.warehouse.models import load_checks
from tests.bench import floor
from tests.bench.__main__ import main
from tests.bench.account import Account
from tests.bench.forest import build_tree
from tests.bench.loadfile import make_load_file
from tests.bench.measure import Usage, measure
from tests.bench.plan import Bench, Result, Server, serving
from tests.bench.report import as_json, render, verdicts
from tests.bench.server import Desk

USERS = 1200
PROJECT = Path(__file__).parents[1]

# Stands in for `referrals`: loads through the floor and shapes the tables as the loader does.
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


@pytest.fixture(scope="module")
def client(server: Server) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.base_url, headers={"Authorization": "Bearer made-up"}) as client:
        yield client


@pytest.fixture(scope="module")
def users(client: httpx.Client) -> list[dict[str, Any]]:
    return _walk(client, "users", {"with[]": "coupon", "order[field]": "id"})


def _walk(client: httpx.Client, path: str, params: dict[str, Any]) -> list[dict[str, Any]]:
    rows, page, last_page = [], 1, 1
    while page <= last_page:
        answer = client.get(path, params={**params, "per_page": 250, "page": page}).raise_for_status().json()
        assert answer["meta"]["per_page"] == 250
        last_page, page = answer["meta"]["last_page"], page + 1
        rows += answer["data"]
    assert len(rows) == answer["meta"]["total"]
    return rows


def _filters(*filters: tuple[str, str, object]) -> dict[str, Any]:
    parts = ("field", "operator", "value")
    return {f"filters[{n}][{part}]": v for n, f in enumerate(filters) for part, v in zip(parts, f, strict=True)}


def test_a_walk_sees_every_row_once(client: httpx.Client, users: list[dict[str, Any]], server: Server) -> None:
    assert [row["id"] for row in users] == list(range(1, USERS + 1))
    for path in ("campaigns", "rewards", "rewards/due", "rewards/issued"):
        ids = [row["id"] for row in _walk(client, path, {})]
        assert ids == list(range(1, server.rows[path] + 1)), path
    assert (server.rows["rewards/due"], server.rows["rewards/issued"]) == (USERS * 4 // 100, USERS * 6 // 100)
    assert server.rows["coupons"] == USERS // 10


def test_the_envelope_is_the_documented_one(client: httpx.Client, server: Server) -> None:
    page = client.get("users", params={"page": 3, "per_page": 100}).json()
    url = f"{server.base_url}/users"
    assert page["links"] == {
        "first": f"{url}?page=1",
        "last": f"{url}?page=12",
        "prev": f"{url}?page=2",
        "next": f"{url}?page=4",
    }
    assert page["meta"] == {
        **{"current_page": 3, "from": 201, "last_page": 12, "path": url, "per_page": 100, "to": 300, "total": USERS}
    }
    assert (page["code"], page["message"]) == (200, None)
    assert set(client.get("rewards/due").json()) == {"data", "links", "meta"}
    beyond = client.get("users", params={"page": 99}).json()
    assert (beyond["data"], beyond["meta"]["from"], beyond["meta"]["per_page"]) == ([], None, 25)
    nothing = client.get("users", params=_filters(("id", "gt", USERS))).json()
    assert (nothing["data"], nothing["meta"]["last_page"], nothing["meta"]["total"]) == ([], 1, 0)
    assert client.get("users", params={"per_page": 1000}).json()["meta"]["per_page"] == 250


@pytest.mark.parametrize(
    ("filters", "keeps"),
    [
        ([("id", "gt", 250)], lambda r: r["id"] > 250),
        ([("id", "gt", 100), ("id", "lte", 777)], lambda r: 100 < r["id"] <= 777),
        ([("id", "gte", 100), ("id", "lt", 101)], lambda r: r["id"] == 100),
        ([("id", "equal", 7)], lambda r: r["id"] == 7),
        ([("qualified_at", "gte", "2024-05-01")], lambda r: (r["qualified_at"] or "") >= "2024-05-01"),
        (
            [("date", "gte", "2024-01-01"), ("date", "lt", "2024-01-15")],
            lambda r: "2024-01-01" <= r["date"] < "2024-01-15",
        ),
        ([("date", "gt", "2023-12-31"), ("id", "lte", 500)], lambda r: r["date"] > "2023-12-31T0" and r["id"] <= 500),
        (
            [("unsubscribed_at", "lte", "2024-01-01")],
            lambda r: "" < (r["unsubscribed_at"] or "") <= "2024-01-01T00:00:00.0",
        ),
        ([("qualified", "equal", 1)], lambda r: r["qualified"]),
        (
            [("unsubscribed", "equal", 0), ("qualified", "equal", "true")],
            lambda r: r["qualified"] and not r["unsubscribed"],
        ),
    ],
)
def test_filters_keep_what_they_say(
    client: httpx.Client, users: list[dict[str, Any]], filters: list[Any], keeps: Callable[[Any], bool]
) -> None:
    expected = [row for row in users if keeps(row)]
    assert expected
    assert _walk(client, "users", {**_filters(*filters), "with[]": "coupon"}) == expected
    falling = _walk(
        client, "users", {**_filters(*filters), "with": "coupon", "order[field]": "id", "order[direction]": "desc"}
    )
    assert falling == expected[::-1]


def test_the_numbers_agree_with_each_other(client: httpx.Client, users: list[dict[str, Any]]) -> None:
    by_id = {row["id"]: row for row in users}
    rewards = {row["id"]: row for row in _walk(client, "rewards", {})}
    for row in users:
        own = [other for other in users if other["referrer_id"] == row["id"]]
        assert row["referrals_count"] == len(own)
        assert row["converted_referrals_count"] == sum(other["qualified"] for other in own)
        assert row["campaign_id"] == by_id[row["referrer_id"] or row["id"]]["campaign_id"]
        assert row["qualified"] == (row["qualified_at"] is not None)
        assert row["date"] <= (row["qualified_at"] or "9")
    owed = _walk(client, "rewards/due", {}) + _walk(client, "rewards/issued", {})
    assert len({(row["reward_id"], row["recipient_id"], row["status"], row["id"]) for row in owed}) == len(owed)
    for row in owed:
        reward = rewards[row["reward_id"]]
        assert row["total_value"] == pytest.approx(row["total_due"] * reward["value"])
        assert (row["reward_for"], row["reward_type"]) == (reward["reward_for"], reward["type"])
        assert reward["campaign_id"] == by_id[row["recipient_id"]]["campaign_id"]


def test_coupons_ride_on_users_and_answer_by_name(client: httpx.Client, users: list[dict[str, Any]]) -> None:
    assert "coupon" not in client.get("users").json()["data"][0]
    held = [row["coupon"] for row in users if row["coupon"]]
    answer = client.get("coupons/" + held[5]["name"].replace(" ", "%20"), params={"with[]": "batch"}).json()
    assert answer["data"].pop("batch")["id"] == held[5]["batch_id"]
    assert answer["data"] == held[5]


@pytest.mark.parametrize(
    ("method", "path", "params", "status"),
    [
        ("GET", "coupons/nobody's", {}, 404),
        ("GET", "orders", {}, 404),
        ("POST", "users", {}, 405),
        ("GET", "users", {"campaign_id": 5}, 400),
        ("GET", "users", {"with[]": "referrer"}, 400),
        ("GET", "users", {"order[field]": "reach"}, 400),
        ("GET", "users", _filters(("first_name", "like", "a")), 400),
        ("GET", "users", _filters(("date", "gte", "yesterday")), 400),
        ("GET", "users", _filters(("id", "like", 1)), 400),
    ],
)
def test_what_was_not_thought_of_is_refused(
    client: httpx.Client, method: str, path: str, params: dict[str, Any], status: int
) -> None:
    assert client.request(method, path, params=params).status_code == status
    assert httpx.get(str(client.base_url) + "users").status_code == 401


def test_calls_are_counted_between_two_questions(server: Server, client: httpx.Client) -> None:
    server.answered()
    client.get("users")
    client.get("campaigns")
    assert [server.answered(), server.answered()] == [2, 0]


def test_the_same_size_is_the_same_account() -> None:
    first, second = (Desk(Account(60)).answer("GET", "/api/v1/users?per_page=250", True) for _ in range(2))
    assert first == second


def test_the_floor_loads_every_row(server: Server, client: httpx.Client, tmp_path: Path) -> None:
    counts = floor.run(server.base_url, tmp_path / "floor.duckdb")
    assert counts == {path: rows for path, rows in server.rows.items() if path != "coupons"}
    issued = _walk(client, "rewards/issued", {})
    with duckdb.connect(tmp_path / "floor.duckdb", read_only=True) as database:
        total, nulls = database.execute(
            "select sum(total_value), count(*) - count(issued_at) from rewards_issued"
        ).fetchall()[0]
        coupons = database.execute("select count(*) from users where coupon is not null").fetchall()[0][0]
    assert float(total) == pytest.approx(sum(row["total_value"] for row in issued))
    assert nulls == sum(row["issued_at"] is None for row in issued) > 0
    assert coupons == server.rows["coupons"]


BURN = "import time\nwhile time.process_time() < 0.3: pass\n"
ALLOCATE = "block = b'x' * 150_000_000\nimport time; time.sleep(0.3)\n"


def test_a_measure_takes_in_what_the_command_starts(tmp_path: Path) -> None:
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
    assert {(name, len(r.runs), r.failure) for name, r in results.items()} == {
        *(("floor", 2, None), ("load", 2, None), ("sync", 2, None), ("idle sync", 2, None))
    }
    assert results["sync"].calls == results["floor"].calls == [5, 5]
    assert results["idle sync"].calls == [0, 0]


def test_a_load_that_loses_a_row_is_not_measured(tmp_path: Path) -> None:
    results = {result.name: result for result in _bench(tmp_path, lost=1)}
    assert results["floor"].failure is None
    assert "rows are missing or too many: {'campaigns': 4" in (results["load"].failure or "")
    assert "× floor" in render(list(results.values()), verdicts(list(results.values())))


def test_goals_are_judged_and_printed() -> None:
    def result(name: str, users: int, cpu_s: float, peak_mb: float = 300) -> Result:
        return Result(name, users, [Usage(cpu_s, cpu_s, peak_mb, 0, "", "")] * 3, [7, 7, 7])

    results = [
        result("floor", 100_000, 1.0), result("load", 100_000, 5.0), result("load", 500_000, 15.0, 400),
        result("idle sync", 100_000, 1.4), result("help", 0, 0.1), Result("build", 5_000, failure="exit code 2: no"),
    ]  # fmt: skip
    judged = verdicts(results)
    assert [verdict.is_met for verdict in judged] == [False, True, True, True, True, True, None, None, False]
    text = render(results, judged)
    assert "not measured: exit code 2: no" in text
    assert text.count("MISSED") == 2
    assert "load: 25.0 CPU s for each further million users" in text
    assert "20,000      5.0       7" in text
    written = json.loads(json.dumps(as_json(results, judged)))
    assert [len(entry["runs"]) for entry in written["results"]] == [3, 3, 3, 3, 3, 0]


def test_builds_are_held_to_the_goal_of_their_size() -> None:
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
