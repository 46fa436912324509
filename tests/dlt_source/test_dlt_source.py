"""The public dlt source: an ordinary source for any pipeline and destination, complete and incremental."""

from __future__ import annotations

import logging
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import dlt
import pytest
from dlt.pipeline.exceptions import PipelineStepFailed

from referral_warehouse.dlt_source import referral_factory
from referral_warehouse.errors import AuthenticationError, ConfigurationError, causes
from referral_warehouse.load.records.schema import QUARANTINE
from referral_warehouse.sandbox import Quirks
from tests.dlt_source.foreign_pipeline import FIELDS, ForeignPipeline
from tests.dlt_source.postgres_server import PostgresServer

Open = Callable[..., ForeignPipeline]
STREAMS = tuple(FIELDS)
FULL = pytest.mark.full


def assert_equal(pipeline: ForeignPipeline, *streams: str) -> None:
    for stream in streams or STREAMS:
        assert pipeline.rows(stream) == pipeline.expected(stream), stream


def assert_current(pipeline: ForeignPipeline, *streams: str) -> None:
    """All rows that exist are exact; those that were deleted stay in tables that are merged."""
    for stream in streams or STREAMS:
        rows, expected = pipeline.rows(stream), pipeline.expected(stream)
        is_merged = stream in ("users", "coupons", "rewards_issued")
        assert {i: row for i, row in rows.items() if i in expected or not is_merged} == expected, stream


def change(pipeline: ForeignPipeline) -> None:
    """Days with new users, qualifications, payouts, and rows that leave lists and statuses."""
    pipeline.world.advance(4)
    world = pipeline.world
    world.add_user(1, joined_at=world.now - timedelta(days=90))
    world.unsubscribe(next(row["id"] for row in world.rows("users") if not row["unsubscribed"]))


# -- destinations -----------------------------------------------------------------------------------------------------


def test_every_row_arrives_in_duckdb_and_stays_exact_and_dlt_warns_of_nothing(
    open_pipeline: Open, caplog: pytest.LogCaptureFixture
) -> None:
    pipeline = open_pipeline(users=120)
    logging.getLogger("dlt").addHandler(caplog.handler)
    try:
        pipeline.run()
        assert_equal(pipeline)
        change(pipeline)
        pipeline.run(sweep_every_days=0)
    finally:
        logging.getLogger("dlt").removeHandler(caplog.handler)
    assert_current(pipeline)
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING] == []


def test_every_row_arrives_in_parquet_files(open_pipeline: Open, tmp_path: Path) -> None:
    pipeline = open_pipeline(dlt.destinations.filesystem((tmp_path / "lake").as_uri()))
    pipeline.run()
    assert_equal(pipeline)
    tables = {path.parent.name for path in (tmp_path / "lake").rglob("*.parquet")}
    assert tables >= set(STREAMS)


def test_every_row_arrives_in_postgresql_and_stays_exact(open_pipeline: Open, postgres: PostgresServer) -> None:
    pipeline = open_pipeline(dlt.destinations.postgres(postgres.new_database("foreign_pipeline")))
    pipeline.run()
    assert_equal(pipeline)
    change(pipeline)
    pipeline.run(sweep_every_days=0)
    assert_current(pipeline)
    with pipeline.pipeline.sql_client() as client:
        columns = client.execute_sql(
            "select column_name, data_type from information_schema.columns where table_name = 'rewards_due'"
        )
    types = {row[0]: row[1] for row in columns or []}
    assert (types["total_value"], types["_fetched_at"]) == ("numeric", "timestamp with time zone")


# -- incremental ------------------------------------------------------------------------------------------------------


def test_cursors_are_kept_in_the_state_of_dlt_so_that_a_later_run_requests_what_is_new_only(
    open_pipeline: Open,
) -> None:
    """1,500 users are six pages; afterwards each cursor costs a call, and nothing is loaded twice.

    A pipeline whose folder was lost continues from the state that the destination holds.
    """
    pipeline = open_pipeline(users=1_500)
    pipeline.run("users", "rewards_issued")
    first = len(pipeline.world.calls)
    resources = pipeline.pipeline.state["sources"]["referral_factory"]["resources"]
    assert set(resources["users"]["users"]["cursors"]["cursors"]) == {"date", "qualified_at", "unsubscribed_at"}
    assert "cursor" in resources["rewards_issued"]["rewards_issued"]["cursors"]
    pipeline.run("users")
    assert len(pipeline.world.calls) <= 5 < first
    assert_equal(pipeline, "users")
    pipeline.pipeline.drop()
    pipeline.pipeline.sync_destination()
    pipeline.run("users", "rewards_issued")
    sent = [call for call in pipeline.world.calls if call.path == "/api/v1/users"]
    assert len(sent) <= 5, "a pipeline without a state reads all pages again"
    assert_equal(pipeline, "users", "rewards_issued")


def test_rewards_issued_alone_are_read_incrementally(open_pipeline: Open) -> None:
    pipeline = open_pipeline(users=60)
    pipeline.run("rewards_issued")
    pipeline.run("rewards_issued")
    sent = [call.query for call in pipeline.world.calls if call.path == "/api/v1/rewards/issued"]
    assert sent
    assert all("filters" in query or query.endswith("per_page=1") for query in sent), "the whole list was read"
    assert_equal(pipeline, "rewards_issued")


def test_a_reward_that_leaves_its_status_without_a_date_is_found(open_pipeline: Open) -> None:
    pipeline = open_pipeline(users=200)
    pipeline.world.advance(5)
    pipeline.run("rewards_issued")
    in_process = [row["id"] for row in pipeline.world.rows("rewards_issued") if row["issued_at"] is None]
    assert in_process
    with pipeline.world._store.transaction():
        pipeline.world._store.run("update issued set status = 'Cancelled' where id = ?", in_process[0])
    pipeline.run("rewards_issued")
    assert_equal(pipeline, "rewards_issued")


def test_what_leaves_no_date_is_read_when_a_sweep_is_due(open_pipeline: Open) -> None:
    pipeline = open_pipeline()
    pipeline.run("users")
    person = pipeline.world.rows("users")[3]["id"]
    pipeline.world.edit_user(person, email="zoe@example.com")
    pipeline.run("users")
    assert pipeline.rows("users") != pipeline.expected("users")
    pipeline.run("users", sweep_every_days=0)
    assert_equal(pipeline, "users")


def test_a_list_that_became_empty_empties_its_table(open_pipeline: Open) -> None:
    pipeline = open_pipeline()
    pipeline.world.advance(3)
    pipeline.run("rewards_due")
    assert pipeline.rows("rewards_due")
    with pipeline.world._store.transaction():
        pipeline.world._store.run("delete from dues")
    pipeline.run("rewards_due")
    assert pipeline.rows("rewards_due") == {}


# -- what a user of dlt expects ---------------------------------------------------------------------------------------


def test_the_source_has_six_resources(open_pipeline: Open) -> None:
    source = open_pipeline().source()
    assert set(source.resources) == set(STREAMS)
    assert set(source.with_resources("users", "rewards").selected_resources) == {"users", "rewards"}
    assert source.resources["users"].write_disposition == "merge"
    assert source.resources["rewards_due"].write_disposition == "replace"
    assert source.resources["users"].compute_table_schema()["columns"]["id"]["primary_key"]


@pytest.mark.parametrize(
    "stream", [pytest.param(stream, marks=() if stream in ("campaigns", "coupons") else FULL) for stream in STREAMS]
)
def test_each_resource_can_be_loaded_alone(open_pipeline: Open, stream: str) -> None:
    pipeline = open_pipeline()
    pipeline.run(stream)
    assert_equal(pipeline, stream)
    side_tables = {"coupons": {"coupon_batches"}}.get(stream, set())
    loaded = {name for name in pipeline.pipeline.default_schema.tables if not name.startswith("_dlt")}
    assert loaded == {stream} | side_tables


def test_a_limit_loads_a_part_and_loses_nothing(open_pipeline: Open) -> None:
    """The cursor is saved for what was loaded: the run without a limit loads the rest."""
    pipeline = open_pipeline(users=120)
    pipeline.pipeline.run(pipeline.source().with_resources("users").add_limit(1)).raise_on_failed_jobs()
    pipeline.run("users")
    assert_equal(pipeline, "users")


def test_arguments_come_from_the_configuration_of_dlt(open_pipeline: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    pipeline = open_pipeline()
    prefix = "SOURCES__REFERRAL_FACTORY__"
    monkeypatch.setenv(f"{prefix}API_TOKEN", pipeline.world.token)
    monkeypatch.setenv(f"{prefix}BASE_URL", pipeline.world.base_url)
    monkeypatch.setenv(f"{prefix}CALLS_PER_MINUTE", "0")
    monkeypatch.setenv(f"{prefix}SIMULATED_TIME", "true")
    pipeline.pipeline.run(referral_factory().with_resources("rewards")).raise_on_failed_jobs()
    assert_equal(pipeline, "rewards")


def test_a_row_that_does_not_fit_is_quarantined(open_pipeline: Open) -> None:
    pipeline = open_pipeline()
    person = pipeline.world.rows("users")[2]["id"]
    with pipeline.world._store.transaction():
        pipeline.world._store.run("update users set date = 'soon' where id = ?", person)
    pipeline.run("users")
    assert pipeline.rows("users").keys() == {row["id"] for row in pipeline.world.rows("users")} - {person}
    found = pipeline.select("quarantine", "stream", "record_id", "reason")
    assert [tuple(row) for row in found] == [("users", str(person), "date: 'soonT.000000Z' is not a date")]
    columns = pipeline.pipeline.default_schema.get_table_columns("quarantine")
    assert columns.keys() == set(QUARANTINE.arrow.names), "no column of another table"


@pytest.mark.parametrize(
    ("quirks", "streams"),
    [
        ({"ignore_filters": True}, ("users", "rewards_issued")),
        pytest.param({"refuse_id_filters": True}, STREAMS, marks=FULL),
        pytest.param({"ignore_per_page": True}, STREAMS, marks=FULL),
    ],
)
def test_a_server_that_supports_less_is_read_exactly(
    open_pipeline: Open, quirks: dict[str, Any], streams: tuple[str, ...]
) -> None:
    pipeline = open_pipeline(users=120, quirks=Quirks(**quirks))
    pipeline.run(*streams)
    change(pipeline)
    pipeline.run(*streams, sweep_every_days=0)
    assert_current(pipeline, *streams)


# -- failures ---------------------------------------------------------------------------------------------------------


def test_a_refused_token_is_the_cause_of_the_error_of_dlt(open_pipeline: Open) -> None:
    pipeline = open_pipeline()
    with pytest.raises(PipelineStepFailed) as failed:
        pipeline.run("users", api_token="another-token-0123456789")
    assert any(isinstance(cause, AuthenticationError) for cause in causes(failed.value))
    assert "another-token" not in str(failed.value)


def test_a_run_that_failed_is_continued(open_pipeline: Open) -> None:
    pipeline = open_pipeline(users=120, quirks=Quirks(ignore_per_page=True, token_expires_after=3))
    with pytest.raises(PipelineStepFailed):
        pipeline.run("users")
    pipeline.world.set_quirks(Quirks())
    pipeline.run("users")
    assert_equal(pipeline, "users")


@pytest.mark.parametrize(
    "unsafe",
    [
        {"base_url": "http://example.com/api"},
        {"base_url": "https://example.com/api", "calls_per_minute": 0},
        {"base_url": "https://example.com/api", "simulated_time": True, "calls_per_minute": 540},
        {"overlap_days": 0},
    ],
)
def test_unsafe_arguments_are_refused(open_pipeline: Open, unsafe: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        open_pipeline().source(**unsafe)


def test_the_source_leaves_the_configuration_of_dlt_alone() -> None:
    """Importing it must not hide the variables that dlt reads while it is imported."""
    code = (
        "import os; os.environ['DLT_CONFIG_FOLDER'] = '.theirs'\n"
        "import referral_warehouse.dlt_source, sys\n"
        "from dlt.common.configuration.specs.pluggable_run_context import PluggableRunContext\n"
        "from dlt.common.configuration.container import Container\n"
        "print(Container()[PluggableRunContext].context.settings_dir)\n"
        "assert 'referral_warehouse.load.storage.dlt_configuration' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip().endswith(".theirs")
