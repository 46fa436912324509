"""``status``: shows how fresh and how complete the warehouse is."""

from __future__ import annotations

from typing import Any

import click

from referral_warehouse.cli.configuration import read_settings
from referral_warehouse.cli.settings_in_use import in_use_facts, print_in_use
from referral_warehouse.cli.verbosity import logging_options
from referral_warehouse.settings import Settings

RUNS = """
select run_id, command, status, started_at, observed_at, calls_count, error
from ops.runs
order by started_at desc
limit 5
"""
RECONCILED = """
select streams.stream, streams.observed_at, streams.api_count, streams.our_count,
    coalesce(proof.differences_found, 'none') as differences_found, coalesce(proof.repaired_by, '') as repaired_by,
    proof.missing_count + proof.changed_count + proof.vanished_count + proof.reappeared_count as repaired_count,
    coalesce(proof.in_flight, '') as in_flight, streams.rows_written_count, streams.rows_quarantined_count,
    streams.calls_count
from ops.run_streams as streams
left join ops.reconciliation as proof on streams.run_id = proof.run_id and streams.stream = proof.stream
where streams.run_id = (select run_id from ops.runs order by started_at desc limit 1)
order by streams.stream
"""
QUARANTINED = "select count(*) from ops.quarantine where is_open"
LIABILITY = """
select reward_type, unit, sum(due_count) as due_count, sum(due_value) as due_value,
    sum(in_process_count) as in_process_count, sum(in_process_value) as in_process_value
from marts.reward_liability
group by reward_type, unit
order by due_value desc
"""


@click.command(epilog="Example: referrals status --json")
@click.option("--json", "as_json", is_flag=True, help="Print one machine-readable line.")
@logging_options
def status(as_json: bool) -> None:
    """Show freshness, last runs, rows, calls, strikes, quarantine and open liabilities."""
    from referral_warehouse.cli.commands.strikes import in_words, strike_facts
    from referral_warehouse.cli.console import query_warehouse, say, say_json, show_table
    from referral_warehouse.warehouse.published import refuse_unreadable

    settings = read_settings()
    facts: dict[str, Any] = {"warehouse": str(settings.warehouse_path), **strike_facts(settings)}
    facts |= in_use_facts(settings)
    if not as_json:
        print_in_use(settings)
    refuse_unreadable(settings)
    if not settings.warehouse_path.exists():
        if as_json:
            say_json({**facts, "snapshot": None})
        else:
            say(f"Nothing is published in {settings.warehouse_dir} yet. Next: referrals sync, or referrals demo.")
            say(in_words(facts))
        return
    facts |= _manifest(settings)
    runs, reconciled, liability, quarantine = query_warehouse(settings, RUNS, RECONCILED, LIABILITY, QUARANTINED)
    quarantined = quarantine[1][0][0]
    if as_json:
        facts["quarantined"] = quarantined
        for name, (columns, rows) in {"runs": runs, "streams": reconciled, "liability": liability}.items():
            facts[name] = [dict(zip(columns, row, strict=True)) for row in rows]
        say_json(facts)
        return
    say(f"Snapshot {facts['snapshot']} of {settings.warehouse_path}")
    say(f"Synced {facts['synced_at']}, built {facts['built_at']} (UTC); {quarantined} rows in quarantine")
    say(in_words(facts))
    say()
    show_table("Last runs", *runs)
    say()
    show_table("Streams of the last run", *reconciled)
    say()
    show_table("Rows", ("table", "rows"), [(name, found["rows"]) for name, found in facts["tables"].items()])
    say()
    show_table("Owed now", *liability)


def _manifest(settings: Settings) -> dict[str, Any]:
    from referral_warehouse.warehouse.published import published_manifest

    manifest = published_manifest(settings) or {"tables": {}}
    return {name: manifest.get(name) for name in ("snapshot", "synced_at", "built_at", "schema_version", "tables")}
