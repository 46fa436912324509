"""What the report shows equals the marts, what it cannot do is one line, and no text of the account acts in it."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from decimal import Decimal
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from referral_warehouse.consume.report import ReportOptions, formats, write_report
from referral_warehouse.consume.report.corrections import CHANGES
from referral_warehouse.consume.report.document import Figure, Page, Scope
from referral_warehouse.consume.report.rendering import inert_json, script_text
from referral_warehouse.consume.report.rewards import STEPS
from referral_warehouse.consume.report.writing import read_page
from referral_warehouse.settings import Settings
from tests.report.report_account import FIRST_NAME


@pytest.fixture(scope="module")
def page(published: Settings) -> Page:
    return read_page(published, ReportOptions())


@pytest.fixture(scope="module")
def warehouse(published: Settings) -> Any:
    with duckdb.connect(str(published.warehouse_path), read_only=True) as connection:
        yield connection


def figures(scope: Scope, key: str) -> dict[str, Figure]:
    return {figure.title: figure for section in scope.sections if section.key == key for figure in section.figures}


def of(scope: Scope) -> str:
    """The campaigns of a scope as a condition."""
    return "true" if scope.key == "all" else f"campaign_id = {scope.key}"


def test_funnels_equal_the_mart(page: Page, warehouse: duckdb.DuckDBPyConnection) -> None:
    assert len(page.scopes) > 3
    for scope in page.scopes:
        shown = [row for figure in figures(scope, "funnels").values() for row in figure.table.rows]
        counted = warehouse.execute(
            f"select stage, sum(stage_count) from marts.referral_funnel where {of(scope)} group by stage"
        ).fetchall()
        expected = {stage.capitalize(): f"{count:,}" for stage, count in counted}
        assert {row[0]: row[1] for row in shown} == (expected if shown else {})
        assert shown or all(count == 0 for _, count in counted)


def test_weeks_equal_the_daily_mart(page: Page, warehouse: duckdb.DuckDBPyConnection) -> None:
    [[last_on]] = warehouse.execute("select max(day_on) from marts.referral_funnel_daily").fetchall()
    for scope in page.scopes:
        for title, column in (("New users", "new_users_count"), ("Qualified referrals", "qualified_count")):
            if not (figure := figures(scope, "weeks").get(title)):
                continue
            for number, row in enumerate(figure.table.rows):
                for at, weeks_back in ((0, 11 - number), (2, 23 - number)):
                    end = last_on - timedelta(days=1 + 7 * weeks_back)
                    [[count]] = warehouse.execute(
                        f"select sum({column}) from marts.referral_funnel_daily where {of(scope)} "
                        "and day_on between ? and ?",
                        [end - timedelta(days=6), end],
                    ).fetchall()
                    assert row[at : at + 2] == (
                        (formats.NONE, formats.NONE) if count is None else (str(end), f"{count:,}")
                    )


def test_the_roll_forward_equals_the_daily_ledger_and_adds_up(page: Page, warehouse: duckdb.DuckDBPyConnection) -> None:
    titles = dict.fromkeys(title for _, title, _ in STEPS)
    for scope in page.scopes:
        units = warehouse.execute(
            "select unit, sum(accrued_value), sum(issued_value), sum(reversed_value), "
            "sum(reclassified_in_value) - sum(reclassified_out_value), "
            f"sum(closing_value) filter (where day_on = (select max(day_on) from marts.reward_liability_daily)) "
            f"from marts.reward_liability_daily where not is_estimated and {of(scope)} group by unit"
        ).fetchall()
        for unit, accrued, issued, reversed_, moved, closing in units:
            figure = figures(scope, "rewards").get(f"Roll-forward in {formats.unit_name(unit)}")
            if figure is None:
                assert (accrued, issued, reversed_, closing) == (0, 0, 0, 0)
                continue
            heads = [column.heading for column in figure.table.columns]
            shown = {
                head: Decimal(text.replace(",", ""))
                for head, text in zip(heads, figure.table.rows[-1], strict=True) if head in titles
            }  # fmt: skip
            assert (shown["Accrued"], shown["Issued"], shown["Reversed"]) == (accrued, issued, reversed_)
            assert shown["Closing"] == closing
            assert shown["Opening"] + accrued + moved - issued - reversed_ == closing


def test_the_age_of_what_is_owed_equals_the_list(page: Page, warehouse: duckdb.DuckDBPyConnection) -> None:
    for scope in page.scopes:
        for unit, bucket, value, count in warehouse.execute(
            "select unit, age_bucket, sum(owed_value), sum(owed_count) from marts.reward_liability "
            f"where {of(scope)} group by unit, age_bucket"
        ).fetchall():
            table = figures(scope, "rewards")[f"Age in {formats.unit_name(unit)}"].table
            [row] = [row for row in table.rows if row[0] == bucket]
            assert (Decimal(row[4].replace(",", "")), row[1]) == (value, f"{count:,}")


def test_cohorts_coupons_and_signals_equal_their_marts(page: Page, warehouse: duckdb.DuckDBPyConnection) -> None:
    everything = page.scopes[0]
    [cohorts] = figures(everything, "cohorts").values()
    expected = {
        (f"{month:%b %Y}", since): f"{rate:.0%}{'+' if is_censored else ''}"
        for month, since, rate, is_censored in warehouse.execute(
            "select joined_month_on, months_since, sum(qualified_count) / sum(referrals_count), bool_or(is_censored) "
            "from marts.referral_cohorts group by all"
        ).fetchall()
    }
    shown = {
        (row[0], since): cell
        for row in cohorts.table.rows for since, cell in enumerate(row[2:]) if cell
    }  # fmt: skip
    assert shown == {key: text for key, text in expected.items() if key in shown}
    assert len(shown) > 10

    months = figures(everything, "coupons")["Coupons by month of issue"].table.rows
    counted = warehouse.execute(
        "select month_on, sum(issued_count), sum(used_count), sum(outstanding_count) from marts.coupon_usage "
        "group by month_on order by month_on desc limit 12"
    ).fetchall()
    assert {row[0]: row[1:4] for row in months} == {
        f"{month:%b %Y}": tuple(f"{count:,}" for count in counts) for month, *counts in counted
    }
    rules = figures(everything, "fraud")["People to review"].table.rows
    found = warehouse.execute("select rule, count(distinct user_id) from marts.fraud_signals group by rule").fetchall()
    assert (
        {row[0]: row[1] for row in rules}
        == {rule.replace("_", " ").capitalize(): f"{count:,}" for rule, count in found}
        != {}
    )


def test_closed_days_that_changed_are_those_of_the_mart(page: Page, warehouse: duckdb.DuckDBPyConnection) -> None:
    everything, *campaigns = page.scopes
    changes = warehouse.execute(
        "select day_on, measure, first_published_count, change_count, current_count, reason, campaign_id "
        "from marts.period_changes order by changed_at desc, day_on desc, campaign_id, measure, reason"
    ).fetchall()
    assert any(change[-2] == "un-qualified" for change in changes)
    expected = [
        (
            str(day), measure.removesuffix("_count").replace("_", " ").capitalize(), f"{first:,}", f"{change:+,}",
            f"{now:,}", reason,
        )
        for day, measure, first, change, now, reason, _ in changes
    ]  # fmt: skip
    table = figures(everything, "corrections")["Closed days that changed"].table
    assert [(row[0], *row[2:7]) for row in table.rows] == expected[:CHANGES]
    assert table.note == (f"The latest {CHANGES} of {len(changes):,} changes." if len(changes) > CHANGES else "")
    for scope in campaigns:
        of_campaign = sum(str(change[-1]) == scope.key for change in changes)
        assert sum(len(figure.table.rows) for figure in figures(scope, "corrections").values()) == min(
            of_campaign, CHANGES
        )


def test_intervals_stand_beside_their_back_test(page: Page, warehouse: duckdb.DuckDBPyConnection) -> None:
    found = figures(page.scopes[0], "contingent")
    rows = warehouse.execute(
        "select unit, count(*), max(expected_value) from marts.contingent_liability where most_value > 0 "
        "and expected_value is not null group by unit"
    ).fetchall()
    assert rows
    for unit, count, largest in rows:
        figure = found[f"May become due in {formats.unit_name(unit)}"]
        assert len(figure.charts[0].rows) == min(count, 10)
        assert max(row["point"] for row in figure.charts[0].rows) == float(largest)
    tested = {row[0] for row in warehouse.execute("select unit from marts.contingent_backtest").fetchall()}
    assert {f"Back-test in {formats.unit_name(unit)}" for unit in tested} <= set(found)


def test_the_digits_are_those_of_the_unit(page: Page) -> None:
    shown = figures(page.scopes[0], "rewards")
    yen = [text for row in shown["Roll-forward in JPY"].table.rows for text in row[2:]]
    assert any("." not in text for text in yen), "a yen has no digits after the point"
    assert [text for text in yen if text.endswith(".00")] == []
    coupons = [text for row in shown["Roll-forward in Coupon"].table.rows for text in row[2:]]
    assert all(re.search(r"\.\d\d$", text) for text in coupons), "two digits where none are defined"


def test_definitions_are_the_comments_of_the_warehouse(page: Page, warehouse: duckdb.DuckDBPyConnection) -> None:
    rows = warehouse.execute("select schema_name || '.' || table_name, comment from duckdb_tables()").fetchall()
    comments = dict(rows)
    assert len(page.definitions) > 10
    for source, definition in page.definitions.items():
        assert comments[source].startswith(definition.description)
        assert definition.description
        assert definition.limits.lower() in comments[source].lower()


def test_names_of_people_are_in_the_page_only_when_they_are_asked_for(published: Settings, report: Path) -> None:
    path = report.with_name("ids.html")
    write_report(published, path)
    shown = path.read_text(encoding="utf-8")
    with duckdb.connect(str(published.warehouse_path), read_only=True) as connection:
        emails = [row[0] for row in connection.execute("select distinct email from core.users").fetchall()]
    assert "onload=alert(4)" not in shown
    assert [email for email in emails if email and email in shown] == []
    assert "&lt;svg onload=alert(4)&gt;" in report.read_text(encoding="utf-8")
    assert FIRST_NAME not in report.read_text(encoding="utf-8")
    assert len(shown) < 5_000_000


TEXTS = st.text() | st.sampled_from(["</script>", "<!--", "<script", "\u2028", "]]>", "{{x}}", "</ScRiPt >", "\ud800"])


class Scripts(HTMLParser):
    """The texts of script elements, as a browser splits them."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.feed(html)

    def handle_data(self, data: str) -> None:
        if self.cdata_elem == "script":
            self.found.append(data)


@given(st.recursive(TEXTS, lambda inner: st.lists(inner) | st.dictionaries(TEXTS, inner), max_leaves=8))
def test_no_value_ends_the_element_that_holds_its_json(value: Any) -> None:
    text = inert_json(value)
    assert json.loads(text) == value
    assert not set(text) & set("<>&\u2028\u2029")
    assert "".join(Scripts(f"<script>{text}</script>").found) == text


@given(st.lists(st.sampled_from(["</script", "</SCRIPT>", "<!--", "<script", "<", "a", "\\", "/"]), max_size=8))
def test_no_string_of_a_script_ends_its_element(parts: list[str]) -> None:
    assert not re.search(r"<(/script|!--|script)", script_text("".join(parts)), re.IGNORECASE)


@given(st.decimals(-(10**12), 10**12, allow_nan=False, places=6), st.integers(0, 4))
def test_an_amount_is_shown_exactly(value: Decimal, digits: int) -> None:
    shown = formats.amount(value, digits)
    assert Decimal(shown.replace(",", "")) == value
    assert len(shown.partition(".")[2]) >= digits


def test_a_page_of_one_campaign_holds_nothing_of_the_others(published: Settings, warehouse: Any) -> None:
    [[campaign_id, users]] = warehouse.execute(
        "select campaign_id, users_count from marts.campaign_performance order by users_count desc limit 1"
    ).fetchall()
    page = read_page(published, ReportOptions(campaigns=(str(campaign_id),)))
    [scope] = page.scopes
    assert figures(scope, "funnels")["Advocates"].table.rows[0][1] == f"{users:,}"
    others = warehouse.execute("select name from core.campaigns where campaign_id <> ?", [campaign_id]).fetchall()
    assert [name for [name] in others if formats.name(name) in repr(page.scopes)] == []
