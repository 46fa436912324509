"""Forgets a person in a deployment, step by step, and certifies it; a forgetting that was interrupted is continued.

The journal is written first and removed last. It holds the id and the totals before, and no personal value.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

from referral_warehouse.cli.erasing import erase_published
from referral_warehouse.cli.table_delivery import known_destinations
from referral_warehouse.display_text import json_text
from referral_warehouse.errors import DataRefused
from referral_warehouse.events import log_stage
from referral_warehouse.settings import Settings
from referral_warehouse.workspace.durable_files import write_whole_file
from referral_warehouse.workspace.file_kinds import read_regular
from referral_warehouse.workspace.removal import remove

JOURNAL = "journal.json"
DELIVERING = "destinations"
"""The folder of the state that has rows on their way to a destination; a delivery that was killed leaves it."""
ASIDE = ".aside-"
"""In the names of files that a command set aside because they could not be used."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """What was done; ``path`` is the file that says so, ``problems`` what was left."""

    path: Path
    document: dict[str, Any]
    problems: tuple[str, ...] = ()


def interrupted(settings: Settings) -> int | None:
    """The person whose forgetting was interrupted; None for nobody."""
    try:
        return int(json.loads(read_regular(_journal(settings)) or b"")["user_id"])
    except (ValueError, LookupError, TypeError):
        return None


def forget_person(settings: Settings, user_id: int) -> Certificate:
    """Forget a person everywhere; the caller holds the lock of the warehouse.

    Raises: DataRefused where a total would have changed or a value is left; what was erased stays erased.
    """
    import duckdb

    from referral_warehouse.load.privacy import forgetting
    from referral_warehouse.load.privacy.people import held_rows
    from referral_warehouse.load.registry import TABLES

    log_stage("load", "forget", {})
    forgetting.load_packages(settings, TABLES)
    with duckdb.connect(str(settings.load_path), read_only=True) as connection:
        held = held_rows(connection, TABLES, user_id)
    before = _begun(settings, user_id)
    forgetting.remember_person(settings, TABLES, user_id, held)
    texts = forgetting.personal_texts(TABLES, held)
    _clean_outcomes(settings, texts)
    forgetting.erase_stored(settings, TABLES, texts)
    rewritten = erase_published(settings, _erasure(settings), "a person was forgotten")
    removed, problems = _remove_leftovers(settings)
    after = _totals(settings)
    if left := forgetting.still_held(settings, TABLES, user_id):
        raise DataRefused(f"Values of user {user_id} are left in {', '.join(left)}.", "Run the same command again.")
    if before["totals"] != after:
        raise DataRefused(
            f"Totals changed while user {user_id} was forgotten; {_journal(settings)} has those before.",
            "Compare them with the load file, and restore it from your backup where it is wrong.",
        )
    document = {
        "user_id": user_id, "started_at": before["started_at"], "ended_at": _now(),
        "searched": _searched(settings), "rewritten": ["load.duckdb", *(asdict(found) for found in rewritten)],
        "removed": ["state/dlt", *removed], "deliveries": _deliveries(settings), "lake": _lake(settings),
        "unchanged": True,
        "totals_before": before["totals"], "totals_after": after,
    }  # fmt: skip
    document["digest"] = sha256(json_text(document).encode()).hexdigest()
    path = _folder(settings) / f"{user_id}.json"
    write_whole_file(path, json_text(document, indent=True) + "\n")
    path.chmod(0o600)
    _journal(settings).unlink()
    return Certificate(path, document, tuple(problems))


def _begun(settings: Settings, user_id: int) -> dict[str, Any]:
    """The journal: that of the forgetting that was interrupted, else a new one."""
    if interrupted(settings) == user_id:
        found: dict[str, Any] = json.loads(_journal(settings).read_bytes())
        return found
    _folder(settings).mkdir(mode=0o700, exist_ok=True)
    journal = {"user_id": user_id, "started_at": _now(), "totals": _totals(settings)}
    write_whole_file(_journal(settings), json_text(journal, indent=True) + "\n")
    return journal


def _erasure(settings: Settings) -> Any:
    from referral_warehouse.load.privacy.forgotten import read_forgotten
    from referral_warehouse.load.registry import TABLES

    return read_forgotten(settings, TABLES).rows


def _totals(settings: Settings) -> dict[str, Any]:
    """Totals of the load file and of every kept snapshot."""
    from referral_warehouse.load.privacy.forgetting import load_totals
    from referral_warehouse.load.registry import TABLES
    from referral_warehouse.warehouse.snapshot_totals import snapshot_totals

    found = {"load.duckdb": load_totals(settings, TABLES), **snapshot_totals(settings)}
    restored: dict[str, Any] = json.loads(json_text(found))
    return restored


def _clean_outcomes(settings: Settings, texts: list[str]) -> None:
    """Take quoted values out of the records of runs."""
    from referral_warehouse.load.privacy.forgetting import LEFT_OUT
    from referral_warehouse.operate.outcome_log import FILE, OLD_FILE

    for path in (settings.state_dir / FILE, settings.state_dir / OLD_FILE):
        content = (read_regular(path) or b"").decode("utf-8", errors="replace")
        cleaned = content
        for text in texts:
            for form in {text, json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1]}:
                cleaned = cleaned.replace(form, LEFT_OUT)
        if cleaned != content:
            write_whole_file(path, cleaned)


def _remove_leftovers(settings: Settings) -> tuple[list[str], list[str]]:
    """Remove what may hold rows and cannot be rewritten: drafts, and files that were set aside as unusable."""
    found = [*settings.warehouse_dir.glob("draft*"), settings.state_dir / DELIVERING, *_set_aside(settings)]
    found = [path for path in found if path.exists()]
    problems = [problem for path in found if (problem := remove(path)) is not None]
    return [str(path.relative_to(settings.warehouse_dir)) for path in found if not path.exists()], problems


def _set_aside(settings: Settings) -> Iterator[Path]:
    names = (settings.load_path.name, f"{settings.load_path.name}.wal")
    for folder, wanted in ((settings.warehouse_dir, names), (settings.state_dir, ("dlt",))):
        if folder.is_dir():
            yield from (p for p in sorted(folder.iterdir()) if p.name.partition(ASIDE)[0] in wanted and ASIDE in p.name)


def _searched(settings: Settings) -> list[str]:
    """The places of ``referrals privacy`` that were looked at."""
    found = [settings.load_path, settings.state_dir / "dlt", settings.snapshots_dir, settings.state_dir]
    return [str(path) for path in found]


def _deliveries(settings: Settings) -> str:
    found = []
    if settings.deliver_to is not None:
        found.append(f"sets at {settings.deliver_to} are removed once the next sync has delivered another one")
    if names := known_destinations(settings):
        found.append(f"rows at {', '.join(names)} are replaced by the next sync or `referrals deliver`")
    return "; ".join(found) or "none"


def _lake(settings: Settings) -> str:
    if not settings.has_lake:
        return "none"
    return (
        f"versions of the lake of {settings.lake_catalog} that have the person are expired next, by a sync where that "
        f"fails; their files are removed by a sync {settings.snapshot_grace_minutes} minutes later"
    )


def _folder(settings: Settings) -> Path:
    from referral_warehouse.load.privacy.forgotten import FOLDER

    return settings.warehouse_dir / FOLDER


def _journal(settings: Settings) -> Path:
    return _folder(settings) / JOURNAL


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
