"""The feeds of a snapshot: what is written into them, and the link that leads to them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pyarrow.parquet as pq
import pytest

from referral_warehouse.settings import Settings
from referral_warehouse.warehouse.build import build
from referral_warehouse.warehouse.publish import Publication, publish
from tests.warehouse.two_users import plant_two_users

pytestmark = pytest.mark.usefixtures("fewest_models_in_module")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return plant_two_users(tmp_path)


def test_the_folder_of_feeds_of_an_earlier_version_becomes_the_link(
    settings: Settings, publish_draft: Callable[[Settings], Publication]
) -> None:
    publish_draft(settings)
    settings.feeds_dir.unlink()
    settings.feeds_dir.mkdir()
    (settings.feeds_dir / "marts.of_yesterday.parquet").write_bytes(b"old")
    assert publish(settings, build(settings)).problems == ()
    assert settings.feeds_dir.readlink() == Path("snapshots/000002/feeds")
    assert not list(settings.warehouse_dir.glob("feeds.*"))


def test_what_others_put_where_the_feeds_are_is_set_aside(
    settings: Settings, publish_draft: Callable[[Settings], Publication]
) -> None:
    publish_draft(settings)
    settings.feeds_dir.unlink()
    settings.feeds_dir.mkdir()
    (settings.feeds_dir / "notes.txt").write_text("not ours", encoding="utf-8")
    report = build(settings)
    assert any("feeds.aside-1" in text for text in report.recovered)
    assert settings.feeds_dir.readlink() == Path("snapshots/000001/feeds")
    assert (settings.warehouse_dir / "feeds.aside-1" / "notes.txt").read_text(encoding="utf-8") == "not ours"


def test_columns_of_feeds_have_their_comments(
    settings: Settings, publish_draft: Callable[[Settings], Publication]
) -> None:
    publish_draft(settings)
    found = pq.read_schema(settings.feeds_dir / "core.users.parquet")
    with duckdb.connect(str(settings.warehouse_path), read_only=True) as connection:
        comments = dict(
            connection.execute(
                "select column_name, comment from duckdb_columns() where schema_name = 'core' and table_name = 'users'"
            ).fetchall()
        )
        [(comment,)] = connection.execute(
            "select comment from duckdb_tables() where schema_name = 'core' and table_name = 'users'"
        ).fetchall()
    assert {field.name: (field.metadata or {}).get(b"comment", b"").decode() for field in found} == comments
    assert comments["email"] == "e-mail address as entered"
    assert (found.metadata or {})[b"comment"].decode() == comment
    assert str(found.field("joined_at").type) == "timestamp[us, tz=UTC]"
    assert str(found.field("meta").type) == "string"


@pytest.mark.parametrize("zone", ["UTC", "Asia/Tokyo"])
def test_a_time_in_a_feed_is_the_same_instant_in_every_time_zone(
    settings: Settings, zone: str, publish_draft: Callable[[Settings], Publication]
) -> None:
    publish_draft(settings)
    with duckdb.connect() as connection:
        connection.execute(f"set timezone = '{zone}'")
        [(seconds,)] = connection.execute(
            f"select epoch(joined_at) from '{settings.feeds_dir}/core.users.parquet' where user_id = 1"
        ).fetchall()
    assert datetime.fromtimestamp(seconds, UTC) == datetime(2026, 1, 1, 7, tzinfo=UTC)
