"""``check`` asks the API what it honours; ``status`` shows how fresh and how complete the warehouse is."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from pipelines.cli.configured import read_settings, with_token
from pipelines.cli.speaking import speaking_options
from pipelines.settings import Settings
from pipelines.settings_sources import FILE_NAMES, MAX_TOML_BYTES, home_folder, is_open_to_others, working_folder
from pipelines.textfile import UnreadableFile, read_text_file

MARKS = {"ok": "ok  ", "note": "note", "problem": "WARN"}
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


@click.command(epilog="Example: referrals check")
@click.option("--json", "as_json", is_flag=True, help="Print one machine-readable line.")
@speaking_options
def check(as_json: bool) -> None:
    """Ask the API what this account honours, a line each, with what to do."""
    from pipelines.api.client import Client
    from pipelines.api.paging import Walker
    from pipelines.cli.display import say, say_json
    from pipelines.cli.log import open_log
    from pipelines.load.probing import Finding, probe

    settings = with_token()
    findings = [Finding(state, "token file", text) for state, text in _token_files(working_folder(), home_folder())]
    with (
        open_log() as log,
        Client(settings, on_event=log.hear) as client,
        Walker(client, settings.concurrency) as walker,
    ):
        findings.extend(probe(client, walker, datetime.now(UTC), simulated=settings.simulated_time))
        calls = client.calls
    if as_json:
        say_json(
            {"calls": calls, "findings": [{"state": f.state, "subject": f.subject, "text": f.text} for f in findings]}
        )
        return
    for finding in findings:
        say(f"{MARKS[finding.state]}  {finding.subject}: {finding.text}")
    say(f"{calls} calls; {settings.base_url}")


@click.command(epilog="Example: referrals status --json")
@click.option("--json", "as_json", is_flag=True, help="Print one machine-readable line.")
@speaking_options
def status(as_json: bool) -> None:
    """Show freshness, last runs, rows, calls, strikes, quarantine and open liabilities."""
    from pipelines.cli.display import query_warehouse, say, say_json, show_table
    from pipelines.cli.striking import in_words, strike_facts
    from pipelines.warehouse.published import refuse_unreadable

    settings = read_settings()
    facts: dict[str, Any] = {"warehouse": str(settings.warehouse_path), **strike_facts(settings)}
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
    from pipelines.warehouse.published import published_manifest

    manifest = published_manifest(settings) or {"tables": {}}
    return {name: manifest.get(name) for name in ("snapshot", "synced_at", "built_at", "schema_version", "tables")}


def _token_files(*folders: Path | None) -> list[tuple[str, str]]:
    """Every file that the token may stand in: those that others can read are a problem."""
    found = []
    for path in dict.fromkeys(folder / ".dlt" / name for folder in folders if folder for name in FILE_NAMES):
        try:
            text = read_text_file(path, MAX_TOML_BYTES)
        except (OSError, UnreadableFile):
            continue
        if path.name != FILE_NAMES[0] and "api_token" not in text:
            continue
        if is_open_to_others(path):
            found.append(("problem", f"{path} can be read by others; run: chmod 600 {path}"))
        else:
            found.append(("ok", f"{path} is readable by you alone"))
    return found
