"""Checks of a draft: every file of ``sql/checks`` is a query, and each row of its result is a violation.

``fail_*`` forbids a publication, ``warn_*`` is reported. Knows drafts, not snapshots.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from referral_warehouse.display_text import decimal_text, display_text
from referral_warehouse.errors import ChecksFailed
from referral_warehouse.sql_quoting import literal
from referral_warehouse.warehouse.table_comments import comment_statements, header_comment

if TYPE_CHECKING:
    import duckdb

    from referral_warehouse.warehouse.models import Model

SHOWN_TEXT_COLUMNS = frozenset(
    [
        *("table_name", "problem", "stream", "stage", "run_id", "reward_type"),
        *("unit", "relation", "key_values", "what", "status", "setting", "nearest"),
    ]
)
"""Columns whose texts may appear in an example; any other text might be personal data and is left out."""

EXAMPLE_WIDTH = 80
"""Characters of one value of an example; reward types and statuses are texts from the account, of any length."""

ADVICE = (
    "Query the draft, which is kept in draft/warehouse.duckdb; the rules are in sql/checks. Run `referrals sync "
    "--rebuild` if the load file itself is wrong."
)
"""For checks without a ``next`` line of their own."""

TABLE_HEADER = {
    "description": "The rules that this snapshot was checked against before its publication.",
    "grain": "one row per check",
    "key": "check_name",
    "answers": "What was checked? What is unusual?",
}
"""The header of ``ops.checks``; other tables have theirs in the SQL file of their model."""

COLUMN_COMMENTS = {
    "check_name": "name of the rule; its file is sql/checks/<name>.sql",
    "severity": "fail = forbids the publication, warn = reported",
    "violations_count": "rows that break the rule",
    "example": "ids and numbers of one of these rows; null = none",
    "rule": "what the rule requires",
    "checked_at": "when the rule was checked, by the clock of the machine that built this, UTC",
}


@dataclass(frozen=True, slots=True)
class CheckResult:
    """The result of one check."""

    check: str
    severity: str
    violations_count: int
    example: str | None
    rule: str
    advice: str = ""

    def __str__(self) -> str:
        rows = "1 row" if self.violations_count == 1 else f"{self.violations_count:,} rows"
        return f"{self.check}: {rows}, e.g. {self.example}" if self.violations_count else f"{self.check}: nothing found"


def run_checks(connection: duckdb.DuckDBPyConnection, checks: Iterable[Model]) -> list[CheckResult]:
    """Run every check.

    Raises: DataRefused when a check itself cannot run.
    """
    return [_run_check(connection, check) for check in checks]


def _run_check(connection: duckdb.DuckDBPyConnection, check: Model) -> CheckResult:
    import duckdb

    from referral_warehouse.warehouse.database_errors import query_failed

    try:
        # A check may find millions of rows: count them in the database and fetch one.
        found = connection.execute(
            f"with violations as materialized (\n{check.sql}\n) "
            "select (select count(*) from violations), violations.* from violations limit 1"
        )
        names = [column[0] for column in found.description or []][1:]
        row = found.fetchone()
    except duckdb.Error as error:
        raise query_failed(error, check) from error
    count = int(row[0]) if row else 0
    example = describe_row(names, row[1:]) if row else None
    severity = "fail" if check.name.startswith("fail_") else "warn"
    return CheckResult(check.name, severity, count, example, check.header.get("rule", ""), check.header.get("next", ""))


def describe_row(names: Sequence[str], row: Sequence[Any]) -> str:
    """One violation as text: ids, numbers, times and the texts of ``SHOWN_TEXT_COLUMNS``; no other text."""
    shown = []
    for name, value in zip(names, row, strict=True):
        is_number = isinstance(value, (bool, int, float, Decimal, dt.date, dt.datetime)) or value is None
        is_id = name.endswith("_id") and isinstance(value, str) and value.removeprefix("-").isdecimal()
        if is_number or is_id or name in SHOWN_TEXT_COLUMNS:
            text = decimal_text(value) if isinstance(value, Decimal) else str(value)
            shown.append(f"{name}={'null' if value is None else display_text(text, EXAMPLE_WIDTH)}")
    return ", ".join(shown) or "(no ids)"


def record_results(connection: duckdb.DuckDBPyConnection, results: Sequence[CheckResult], now: dt.datetime) -> None:
    """Write ``ops.checks`` into the draft."""
    checked_at = now.astimezone(dt.UTC).replace(tzinfo=None)
    connection.execute("create schema if not exists draft.ops")
    connection.execute(
        "create or replace table draft.ops.checks (check_name varchar, severity varchar, violations_count bigint, "
        "example varchar, rule varchar, checked_at timestamp)"
    )
    # One statement of literals: a statement with parameters takes the time of ten others.
    rows = ", ".join(
        f"({literal(result.check)}, {literal(result.severity)}, {result.violations_count:d}, "
        f"{'null' if result.example is None else literal(result.example)}, {literal(result.rule)}, "
        f"timestamp {literal(checked_at.isoformat(sep=' '))})"
        for result in results
    )
    if rows:
        connection.execute(f"insert into draft.ops.checks values {rows}")
    for statement in comment_statements("draft.ops.checks", header_comment(TABLE_HEADER), COLUMN_COMMENTS):
        connection.execute(statement)


def refuse_failures(results: Iterable[CheckResult]) -> None:
    """Raises: ChecksFailed naming each ``fail_`` check that found rows, how many, and one of them."""
    failed = [result for result in results if result.severity == "fail" and result.violations_count]
    if failed:
        raise ChecksFailed(
            f"{len(failed)} check(s) forbid the publication: " + "; ".join(str(result) for result in failed) + ".",
            " ".join(dict.fromkeys(result.advice or ADVICE for result in failed)),
            checks=[result.check for result in failed],
        )
