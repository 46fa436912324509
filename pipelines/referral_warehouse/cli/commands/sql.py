"""``sql``: runs a query on the published warehouse, which is never changed, or opens a prompt for queries."""

from __future__ import annotations

import sys

import click

from referral_warehouse.cli.accounts.choice import account_option
from referral_warehouse.cli.configuration import read_settings
from referral_warehouse.cli.sql_output import FORMATS, show_result
from referral_warehouse.cli.verbosity import logging_options
from referral_warehouse.errors import ConfigurationError

TIMEOUT_S = 300


@click.command(epilog='Example: referrals sql "select * from marts.reward_liability" --format csv > liability.csv')
@click.argument("query", required=False)
@click.option("--format", "form", type=click.Choice(FORMATS), default="table", help="Format of the result.")
@click.option("--snapshot", type=click.IntRange(1), metavar="N", help="Read this snapshot, not the published one.")
@click.option("--as-of", metavar="TIME", help="Read the newest snapshot with data up to this time, as in 2026-01-31.")
@click.option(
    "--timeout", "timeout_s", type=click.FloatRange(0.01), metavar="SECONDS", default=TIMEOUT_S,
    help=f"Stop a query after this time ({TIMEOUT_S} s).",
)  # fmt: skip
@click.option("--limit", type=click.IntRange(0), metavar="ROWS", help="Show at most this many rows.")
@click.option(
    "--prompt", "wanted", type=click.Choice(("duckdb", "harlequin", "plain")),
    help="Which prompt to open on a terminal; without it, the first of these that is installed.",
)  # fmt: skip
@click.option("--plain", is_flag=True, help="The same as --prompt plain.")
@logging_options
@account_option
def sql(
    query: str | None, form: str, snapshot: int | None, as_of: str | None, timeout_s: float, limit: int | None,
    wanted: str | None, plain: bool,
) -> None:  # fmt: skip
    """Run a query on the published warehouse, read-only.

    Without a QUERY, queries are read from standard input; on a terminal that is DuckDB's own program or Harlequin where
    one is installed, without access to files and network, else a small prompt.
    """
    from referral_warehouse.consume.query.pinned import open_pinned
    from referral_warehouse.consume.query.snapshots import choose_snapshot
    from referral_warehouse.consume.query.statements import split_statements

    settings = read_settings(may_be_together=True)
    is_prompt = query is None and sys.stdin.isatty()
    if is_prompt and not plain and wanted != "plain":
        from referral_warehouse.cli.sql_programs import find_program, run_program

        chosen = choose_snapshot(settings, snapshot, as_of)
        if program := find_program(chosen.path, wanted):
            click.get_current_context().exit(run_program(program, chosen.path))
    with open_pinned(settings, snapshot, as_of) as pinned:
        if pinned.is_copy:
            from referral_warehouse.cli.console import HELD
            from referral_warehouse.cli.output import warn

            warn("reader", HELD)

        def run(text: str) -> None:
            for statement in split_statements(text):
                show_result(pinned, statement, form, timeout_s, limit)

        if is_prompt:
            from referral_warehouse.cli.sql_prompt import prompt

            prompt(run)
            return
        text = sys.stdin.read() if query is None else query
        statements = split_statements(text)
        if len(statements) != 1 and form != "table":
            raise ConfigurationError(
                f"There are {len(statements)} queries, and --format {form} holds the result of one.", "Give one query."
            )
        if not statements:
            raise ConfigurationError("The query is empty.", 'Give one, as in `referrals sql "from ops.runs"`.')
        run(text)
