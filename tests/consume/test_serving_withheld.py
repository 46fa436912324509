"""``referrals serve`` withholds the tables that name people, and all tables where that is not known."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from referral_warehouse.consume.description.describe import personal_columns
from referral_warehouse.consume.description.model import Description
from referral_warehouse.settings import Settings
from tests.consume.serving import copy_published, served, snapshot_folder, tables_of
from tests.documentation import PAGES

FEED = "marts.reward_liability"


@pytest.fixture
def own(published: Settings, tmp_path: Path) -> Settings:
    """A directory that the test may change."""
    return copy_published(published, tmp_path / "data")


@pytest.mark.parametrize("schema", ["as written", None, b"", b"{}", b'{"tables": []}', b"\xff", b"[" * 100_000])
def test_tables_that_name_people_are_withheld_unless_that_is_allowed(
    own: Settings, described: Description, schema: bytes | str | None
) -> None:
    """Without a readable schema nobody knows which these are, and all are withheld."""
    path = snapshot_folder(own, 3) / "schema.json"
    named = set(personal_columns(described))
    if schema != "as written":
        named = set(tables_of(own))
        path.unlink()
        if isinstance(schema, bytes):
            path.write_bytes(schema)
    with served(own) as server:
        listed = server.ask("/").document
        assert set(listed["withheld"]) == named
        assert set(listed["tables"]) == set(tables_of(own)) - named
        for table in tables_of(own):
            answers = [server.ask(f"/snapshots/000003/feeds/{table}.parquet"), server.ask(f"/feeds/{table}.parquet")]
            assert {answer.status for answer in answers} == {403 if table in named else 200}
            if table in named:
                assert "WAREHOUSE__SERVE_PERSONAL" in answers[0].document["next_step"]


@pytest.mark.parametrize("column", ['{"is_personal": null}', "{}", '{"is_personal": 0}', "1"])
def test_a_column_that_may_name_people_withholds_its_table(own: Settings, column: str) -> None:
    path = snapshot_folder(own, 3) / "schema.json"
    path.unlink()
    path.write_text(f'{{"tables": {{"{FEED}": {{"columns": {{"a": {{"is_personal": false}}, "b": {column}}}}}}}}}')
    with served(own) as server:
        assert server.ask(f"/feeds/{FEED}.parquet").status == 403


def test_what_an_erasure_rewrites_is_not_cached_for_ever(own: Settings) -> None:
    with served(replace(own, serve_personal=True)) as server:
        for name, is_final in (
            ("manifest.json", False),
            ("schema.json", True),
            ("feeds/core.users.parquet", False),
            ("feeds/ops.quarantine.parquet", False),
            ("feeds/marts.reward_ledger.parquet", True),
        ):
            control = server.ask(f"/snapshots/000003/{name}").headers["cache-control"]
            assert control == ("private, max-age=31536000, immutable" if is_final else "private, no-cache"), name


def test_the_page_names_the_tables_that_are_withheld(described: Description) -> None:
    [sentence] = re.findall(r"are withheld: (.*?)\. `WAREHOUSE__SERVE", PAGES["docs/serving.md"], re.DOTALL)
    assert set(re.findall(r"`(\S+)`", sentence)) == set(personal_columns(described))
