"""Every check is seen to find nothing on sound data and to fail on planted damage; fail_ forbids a publication."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest

from referral_warehouse.errors import ChecksFailed, DataRefused
from referral_warehouse.settings import Settings
from referral_warehouse.warehouse.build import build
from referral_warehouse.warehouse.checks import describe_row, record_results, refuse_failures, run_checks
from referral_warehouse.warehouse.connection import connect_draft
from referral_warehouse.warehouse.models import load_checks, load_models, parse_model
from referral_warehouse.warehouse.publish import publish
from referral_warehouse.warehouse.reward_units import declare_terms, declare_units
from tests.conftest import using_models
from tests.sql.refilled_draft import RefilledDraft, refilled_draft
from tests.warehouse.built_draft import CHECKS, BuiltDraft, built
from tests.warehouse.few_models import FEWEST, copy_few_models, needed_models
from tests.warehouse.planted_damage import CHANCE, DAILY, DAMAGE, DAMAGED_SOURCE, FIRST, LEDGER, SECOND, SOUND
from tests.warehouse.planting import fill, plant

SYNCS = [FIRST, SECOND, "2026-01-03 08:00:00"]


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BuiltDraft]:
    with built(tmp_path_factory.mktemp("sound"), SOUND, SYNCS) as draft:
        yield draft


@pytest.fixture(scope="module")
def moving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BuiltDraft]:
    """The same, where both balances move at the second sync."""
    due, issued = SOUND["rewards_due"][0], SOUND["rewards_issued"][0]
    more = {"rewards_due": [{**due, "seen": [FIRST, SECOND]}, {**due, "total_due": 2, "total_value": 100,
                                                               "seen": [SECOND, None]}],
            "rewards_issued": [{**issued, "seen": [FIRST, SECOND]}, {**issued, "total_value": 51,
                                                                     "seen": [SECOND, None]}]}  # fmt: skip
    with built(tmp_path_factory.mktemp("moving"), {**SOUND, **more}, SYNCS) as draft:
        yield draft


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RefilledDraft]:
    with refilled_draft(tmp_path_factory.mktemp("sources")) as draft:
        yield draft


@pytest.fixture
def models_of_core(tmp_path: Path) -> Iterator[None]:
    """Builds of this test have what a publication needs, and all of core, with the checks of them."""
    with using_models(copy_few_models(tmp_path / "models", (*FEWEST, "core."))):
        yield


def test_valid_data_violates_no_check(sound: BuiltDraft) -> None:
    counts = sound.counts()
    assert counts == dict.fromkeys((check.name for check in CHECKS), 0)


def test_percentages_are_neither_multiplied_nor_missing_nor_wrong_totals(tmp_path: Path) -> None:
    """The loader, which knows no units, multiplies where a row has no total."""
    price = {"reward_id": 1, "recipient_id": 1, "reward_type": "Cash", "reward_value": 5, "total_due": 4}
    seen = {"seen": [FIRST, None]}
    planted = {
        "unit_settings": [{"settings_no": 1, "run_id": "r1", "units": '{"Cash": "percent"}'}],
        "rewards_due": [{"id": 1, **price, **seen}, {"id": 2, **price, "total_value": 7, **seen}],
        "rewards_issued": [{"id": 1, **price, **seen}, {"id": 2, **price, "issued_at": FIRST, **seen}],
        "list_totals": [
            {"run_id": "r2", "stream": "rewards_issued", "rows": 1, "rewards": "4", "value": "20"},
            {"run_id": "r2", "stream": "rewards_due", "rows": 2, "rewards": "8", "value": "27"},
        ],
    }  # fmt: skip
    with built(tmp_path, {**SOUND, **planted}, [FIRST, SECOND]) as draft:
        assert set(draft.counts().values()) == {0}


def test_every_check_has_a_planted_case() -> None:
    assert {check.name for check in CHECKS} == set(DAMAGE) | set(DAMAGED_SOURCE)


@pytest.mark.parametrize("name", DAMAGE)
def test_check_fails_on_planted_damage(name: str, sound: BuiltDraft) -> None:
    assert sound.counts(DAMAGE[name], only=name)[name] > 0


@pytest.mark.parametrize("mart", [model.qualified_name for model in load_models() if model.layer == "marts"])
def test_a_row_without_its_key_is_noticed_in_every_mart(mart: str, sound: BuiltDraft) -> None:
    found = sound.counts(f"insert into {mart} default values", only="fail_keys_")
    assert sum(found.values()) == 1


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("fail_ledger_gaps", LEDGER + "due_opening_count = 7 where recipient_id = 1 and not is_opening_balance"),
        ("fail_ledger_gaps", LEDGER + "in_process_opening_value = 1 where recipient_id = 2 and not is_opening_balance"),
        ("fail_ledger_gaps", "delete from marts.reward_ledger where recipient_id = 1 and is_opening_balance"),
        ("fail_ledger_identity", LEDGER + "moved_to_process_count = 3 where not is_opening_balance"),
        ("fail_ledger_identity", LEDGER + "closing_value = null where recipient_id = 1"),
        ("fail_daily_is_not_the_ledger", DAILY + "issued_count = 4 where day_on = date '2026-01-03'"),
        ("fail_daily_is_not_the_ledger", LEDGER + "restated_value = 4"),
        ("fail_ledger_identity", LEDGER + "in_process_reclassified_out_count = 1 where recipient_id = 2"),
        ("fail_daily_is_not_the_ledger", DAILY + "reclassified_out_count = 4 where day_on = date '2026-01-03'"),
        ("fail_roll_forward_identity", DAILY + "reclassified_in_count = 4 where day_on = date '2026-01-03'"),
        ("fail_roll_forward_gaps", DAILY + "opening_value = 4 where day_on = date '2026-01-03'"),
        ("fail_closing_is_not_the_list", DAILY + "closing_count = 4 where day_on = date '2026-01-03'"),
        ("fail_chance_out_of_bounds", CHANCE + "0.5 as chance_to_qualify, 3 as expected_value, "
         "1 as expected_28d_value, 1 as low_value, 2 as high_value, 9 as most_value"),
        ("fail_chance_out_of_bounds", CHANCE + "null as chance_to_qualify"),
    ],
)  # fmt: skip
def test_check_detects_other_damage_too(name: str, damage: str, moving: BuiltDraft) -> None:
    assert moving.counts(only=name)[name] == 0
    assert moving.counts(damage, only=name)[name] > 0


@pytest.mark.parametrize("name", DAMAGED_SOURCE)
def test_check_fails_on_planted_source(name: str, sources: RefilledDraft) -> None:
    tables, example = DAMAGED_SOURCE[name]
    [check] = [check for check in CHECKS if check.name == name]
    sources.clear()
    fill(sources.connection, tables, SYNCS)
    declare_units(sources.connection, ())
    declare_terms(sources.connection, sources.settings)
    sources.build(needed_models(check.reads))
    [result] = run_checks(sources.connection, [check])
    assert result.violations_count == 1
    assert result.example == example


@pytest.mark.usefixtures("models_of_core")
def test_a_failed_check_forbids_the_publication_and_says_which(tmp_path: Path) -> None:
    good = plant(tmp_path, SOUND, syncs=[FIRST])
    publish(good, build(good))
    before = (good.warehouse_path.readlink(), good.manifest_path.read_bytes())
    with duckdb.connect(str(good.load_path)) as connection:
        connection.execute("insert into raw.users (id, campaign_id, email) values (2, 5, 'grace@example.com')")
    with pytest.raises(ChecksFailed) as caught:
        publish(good, build(good))
    assert "fail_keys_core: 1 row, e.g. table_name=core.users, key_id=2, rows_count=2" in caught.value.message
    assert "example.com" not in str(caught.value), "an example shows ids, never people"
    assert caught.value.exit_code == 5
    assert (good.warehouse_path.readlink(), good.manifest_path.read_bytes()) == before
    assert (tmp_path / "draft" / "warehouse.duckdb").is_file(), "the refused draft is kept for inspection"


@pytest.mark.usefixtures("models_of_core")
def test_warnings_are_reported_and_published(tmp_path: Path) -> None:
    settings = plant(tmp_path, {**SOUND, "campaigns": []}, syncs=[FIRST])
    publication = publish(settings, build(settings, now=datetime(2026, 1, 1, 9, tzinfo=UTC)))
    assert [w.check for w in publication.warnings] == ["warn_orphans"]
    with duckdb.connect(str(settings.warehouse_path), read_only=True) as connection:
        rows = connection.execute(
            "select check_name, severity, violations_count, example, checked_at from ops.checks "
            "where violations_count > 0"
        ).fetchall()
        total = connection.execute("select count(*) from ops.checks").fetchone()
    assert len(rows) == 1
    assert rows[0][:3] == ("warn_orphans", "warn", 3)
    assert rows[0][3] is not None
    assert rows[0][3].startswith("relation=")
    assert rows[0][4] == datetime(2026, 1, 1, 9, tzinfo=UTC).replace(tzinfo=None)
    assert total == (len(load_checks()),)


def test_an_example_never_shows_free_text() -> None:
    row = (7, "ada@example.com", "Ada", None, "core.users", "abc")
    text = describe_row(("user_id", "email", "first_name", "count", "table_name", "record_id"), row)
    assert text == "user_id=7, count=null, table_name=core.users", "what stands in the place of an id may be anything"
    assert describe_row(("email",), ("ada@example.com",)) == "(no ids)"


def test_a_check_that_cannot_run_is_refused(sound: BuiltDraft, tmp_path: Path) -> None:
    path = tmp_path / "fail_broken.sql"
    path.write_text("-- rule: broken\nselect nothing_like_it from core.users\n", encoding="utf-8")
    with pytest.raises(DataRefused, match="fail_broken could not run") as caught:
        run_checks(sound.connection, [parse_model(path, "checks")])
    assert "a value in raw.users that sql/checks/fail_broken.sql does not support" in caught.value.message
    assert "--verbose" in caught.value.next_step


def test_results_can_be_recorded_twice(sound: BuiltDraft, tmp_path: Path) -> None:
    shutil.copytree(sound.settings.warehouse_dir, tmp_path / "data")
    with connect_draft(Settings(warehouse_dir=tmp_path / "data")) as connection:
        results = run_checks(connection, CHECKS)
        for _ in range(2):
            record_results(connection, results, datetime(2026, 1, 1, tzinfo=UTC))
        found = connection.execute("select count(*), count(distinct check_name) from ops.checks").fetchone()
    assert found == (len(results), len(results))
    refuse_failures(results)
