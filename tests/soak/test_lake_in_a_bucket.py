"""A lake whose data is in a bucket of a real server of S3, which fails at times; readers of it and of PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import pytest

from referral_warehouse.cli.lake import locked_lake, publish_lake
from referral_warehouse.errors import ConfigurationError, ReferralsError
from referral_warehouse.settings import Settings
from referral_warehouse.settings.delivery_target import DeliveryTarget
from referral_warehouse.warehouse.lake.connection import open_lake
from referral_warehouse.warehouse.lake.maintenance import maintain
from tests.dlt_source.postgres_server import running_server
from tests.lake.conftest import in_sqlite as in_sqlite
from tests.lake.conftest import published as published
from tests.lake.lakes import differences, differences_in, show, show_in, with_lake
from tests.lake.packages import HAS_LAKE, NO_LAKE
from tests.lake.readers import FURTHER_USERS
from tests.lake.test_lake_readers import read_while_publishing
from tests.operate.deliveries import switch_to, without_grace
from tests.soak.buckets import SECRET, Server, bucket_server

pytestmark = pytest.mark.skipif(not HAS_LAKE, reason=NO_LAKE)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with bucket_server(tmp_path_factory.mktemp("s3")) as running:
        yield running


@pytest.fixture
def settings(published: Settings, server: Server, tmp_path: Path) -> Settings:
    target = DeliveryTarget(bucket=server.new_bucket(), prefix="some/prefix")
    return with_lake(published, tmp_path / "lake.sqlite", target)


def files_of(lake: Any, settings: Settings) -> int:
    [(count,)] = lake.execute(f"select count(*) from glob('{settings.lake_data}/**')").fetchall()
    return int(count)


def test_publications_are_the_files_and_old_ones_are_removed(settings: Settings) -> None:
    with open_lake(settings, create=True) as lake:
        assert lake is not None
        for number in (1, 2, 3):
            show_in(lake, settings, number)
            assert differences_in(lake, settings, number) == []
        before = files_of(lake, settings)
        done = maintain(lake, without_grace(settings), set(), compact=True)
        assert done.problems == ()
        assert files_of(lake, settings) == before - done.removed < before
        assert differences_in(lake, settings, 3) == []


@pytest.mark.parametrize(
    "fault",
    [
        {"method": "PUT", "contains": "/core/", "skip": 0, "status": 503, "code": "SlowDown"},
        {"method": "PUT", "contains": "/core/", "skip": 0, "status": 403, "code": "AccessDenied"},
        {"method": "PUT", "contains": "/published/", "skip": 0, "status": 500, "code": "InternalError"},
        {"method": "PUT", "contains": "/ops/", "skip": 1, "status": 400, "code": "BadDigest"},
    ],
    ids=["busy", "denied", "broken", "changed"],
)
def test_a_bucket_that_fails_is_a_warning_and_the_next_sync_publishes(
    settings: Settings, server: Server, caplog: pytest.LogCaptureFixture, fault: Mapping[str, Any]
) -> None:
    show(settings, 1)
    switch_to(settings, 2)
    server.fail(**fault)
    try:
        publish_lake(settings, lambda: None)
    finally:
        server.fail()
    assert differences(settings, 1) == []
    [message] = [record.getMessage() for record in caplog.records]
    assert "the lake does not have this publication yet" in message
    assert SECRET not in message
    assert len(message.splitlines()) == 1
    caplog.clear()
    publish_lake(settings, lambda: None)
    assert [record.getMessage() for record in caplog.records] == []
    assert differences(settings, 2) == []


def test_answers_that_are_cut_are_errors_and_never_other_rows(settings: Settings, server: Server) -> None:
    show(settings, 1)
    for skip in range(4):
        server.fail(method="GET", contains="/core/users/", skip=skip, is_cut=True)
        try:
            assert differences(settings, 1) == []
        except (duckdb.Error, ReferralsError):
            continue
        finally:
            server.fail()
    assert differences(settings, 1) == []


def test_a_bucket_that_is_missing_or_denied_ends_a_run_before_it_begins(
    settings: Settings, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    missing = replace(settings, lake_data=DeliveryTarget(bucket="no-such-bucket", prefix="x"))
    with pytest.raises(ConfigurationError, match="no-such-bucket") as refused, locked_lake(missing):
        pass
    assert "Create the bucket" in refused.value.next_step
    server.fail(method="GET", contains="/bucket", skip=0, status=403, code="AccessDenied")
    try:
        with pytest.raises(ConfigurationError) as refused, locked_lake(settings):
            pass
    finally:
        server.fail()
    assert "AWS_ACCESS_KEY_ID" in refused.value.next_step
    assert SECRET not in str(refused.value)


def test_sixteen_readers_over_postgresql_and_a_bucket_see_whole_snapshots(settings: Settings) -> None:
    with running_server() as postgres:
        address = postgres.new_database("lake")
        whole = with_lake(settings, address, settings.lake_data or DeliveryTarget())
        read_while_publishing(whole, address, 16, 20, FURTHER_USERS)
