"""Each published column has a decision: it says something of a person, or it is known to be about none."""

from __future__ import annotations

from referral_warehouse.consume.description.describe import personal_columns
from referral_warehouse.consume.description.model import Description
from referral_warehouse.load.registry import STREAMS

NOT_PUBLISHED = {"recipient_first_name", "recipient_email"}
"""Personal fields that no table has: reward lists refer to people by id."""

ABOUT_NO_PERSON = {
    "age_bucket", "batch_name", "campaign_name", "check_name", "checksum", "command", "compared_by",
    "core.campaigns.code", "core.campaigns.url", "differences_found", "domain", "in_flight", "journey", "kind",
    "measure", "name", "ops.checks.example", "ops.runs.error", "ops.quarantine.record_id", "previous_stage",
    "marts.period_changes.reason", "repaired_by", "restatement", "reward_for", "reward_name", "reward_type",
    "reward_unit", "rule", "run_id", "settles_on", "severity", "source", "stage", "status", "stream", "unit",
    "when_referral",
}  # fmt: skip
"""Columns of text that are about no person, wherever they are."""


def test_personal_fields_of_the_streams_are_personal_columns(described: Description) -> None:
    personal = personal_columns(described)
    for stream in STREAMS.values():
        table = described.table(f"core.{stream.name}")
        kinds = {column.name: column.personal_kind for column in table.columns if column.is_personal}
        expected = {name: kind for name, kind in stream.schema.personal.items() if name not in NOT_PUBLISHED}
        assert kinds == {**expected, "extra": "free text"}
    assert {name for name in personal if name.startswith("marts.")} == set()
    named = {name for name, columns in personal.items() if set(columns) - {"extra"}}
    assert named == {"core.users", "ops.quarantine"}


def test_each_published_column_of_text_is_personal_or_known_to_be_about_no_person(described: Description) -> None:
    texts = {
        (column.name, f"{table.name}.{column.name}")
        for table in described.tables
        for column in table.columns
        if column.type.removesuffix("[]") in ("VARCHAR", "JSON") and not column.is_personal
    }
    assert {place for name, place in texts if not {name, place} & ABOUT_NO_PERSON} == set()
    assert {name for name, _ in texts} >= {name for name in ABOUT_NO_PERSON if "." not in name}
