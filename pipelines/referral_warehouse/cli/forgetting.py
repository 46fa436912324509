"""Forgets people in a deployment, step by step, and certifies it; an erasure that was interrupted is continued.

The journal is written first and removed last. It holds the ids and the totals before, and no personal value.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

from referral_warehouse.cli.copies_elsewhere import copies_elsewhere
from referral_warehouse.cli.erased_places import delivered_copies, lake_versions, remove_leftovers, searched_places
from referral_warehouse.cli.erasing import erase_published
from referral_warehouse.cli.snapshot_people import snapshot_rows
from referral_warehouse.display_text import LINE_COLUMNS, json_text, one_line
from referral_warehouse.errors import ConfigurationError, DataRefused, ReferralsError
from referral_warehouse.events import log_stage, log_task, log_warning
from referral_warehouse.operate.history import ERASURE, FORGET
from referral_warehouse.redaction import redact
from referral_warehouse.settings import Settings
from referral_warehouse.utc_times import iso_utc_seconds
from referral_warehouse.workspace.directories import FORGOTTEN, FORGOTTEN_JOURNAL
from referral_warehouse.workspace.durable_files import write_whole_file
from referral_warehouse.workspace.file_kinds import kind_of, read_regular

BY_COMMAND, BY_RETENTION = "referrals forget", "retention periods"
"""Values of ``why`` in certificates."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """The result of an erasure.

    Attributes:
        path: the file of the certificate; None where nobody was forgotten.
        document: its content.
        problems: leftovers that could not be removed, in words.
    """

    path: Path | None
    document: dict[str, Any]
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Erasure:
    """What is to be erased: people, and old texts (``aged``: kind of text → up to which time)."""

    user_ids: tuple[int, ...]
    why: str = BY_COMMAND
    age_limits: tuple[tuple[str, str], ...] = ()


def interrupted(settings: Settings) -> Erasure | None:
    """The erasure that was interrupted; None for none.

    Raises: ConfigurationError where its record cannot be read, so that the people to forget are unknown.
    """
    path = _journal(settings)
    if kind_of(path) is None:
        return None
    try:
        found = json.loads(read_regular(path) or b"")
        age_limits = {str(name): str(until) for name, until in found["aged"].items()}
        return Erasure(tuple(map(int, found["user_ids"])), str(found["why"]), tuple(sorted(age_limits.items())))
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        raise ConfigurationError(
            f"{path} cannot be read; an erasure was interrupted, and it is not known whose.",
            "Move it away, and run the `referrals forget` that was interrupted again.",
        ) from None


def forget_person(settings: Settings, user_id: int) -> Certificate:
    """Forget one person everywhere. Raises: as ``erase``."""
    return erase(settings, Erasure((user_id,)))


def erase(settings: Settings, erasure: Erasure) -> Certificate:
    """Forget people everywhere, and what is too old, in one rewriting; the caller holds the lock of the warehouse.

    Raises: DataRefused where a total would have changed or a value is left; what was erased stays erased.
    """
    import duckdb

    from referral_warehouse.load.privacy import forgetting
    from referral_warehouse.load.privacy.aging import AgeLimits
    from referral_warehouse.load.privacy.people import held_rows_of
    from referral_warehouse.load.registry import TABLES

    log_stage("load", "forget", {"people": len(erasure.user_ids)})
    age_limits = AgeLimits.from_json(dict(erasure.age_limits))
    forgetting.load_packages(settings, TABLES)
    with duckdb.connect(str(settings.load_path), read_only=True) as connection:
        held = held_rows_of(connection, TABLES, erasure.user_ids)
    before = _begin_journal(settings, erasure)
    published = snapshot_rows(settings, erasure.user_ids)
    forgetting.record_people(settings, TABLES, {one: {**held[one], **published[one]} for one in held})
    texts = forgetting.personal_texts(TABLES, held)
    _clean_outcomes(settings, texts)
    forgetting.erase_stored(settings, TABLES, texts, age_limits)
    rewritten = erase_published(settings, forgetting.erasing(settings, TABLES, age_limits), _reason(erasure))
    removed, problems = remove_leftovers(settings)
    after = _totals(settings)
    if left := forgetting.still_held(settings, TABLES, erasure.user_ids):
        raise DataRefused(f"Values of {_named(erasure)} are left in {', '.join(left)}.", "Run the same command again.")
    if before["totals"] != after:
        raise DataRefused(
            f"Totals changed while {_named(erasure)} was forgotten; {_journal(settings)} has those before.",
            "Compare them with the load file; if the load file is wrong, restore it from a backup "
            "(`referrals restore DIR --replace`).",
        )
    one = {"user_id": erasure.user_ids[0]} if len(erasure.user_ids) == 1 else {}
    document = {
        **one, "user_ids": list(erasure.user_ids), "why": erasure.why,
        "started_at": before["started_at"], "ended_at": _now(),
        "searched": searched_places(settings), "rewritten": ["load.duckdb", *(asdict(found) for found in rewritten)],
        "removed": ["state/dlt", *removed], "deliveries": delivered_copies(settings), "lake": lake_versions(settings),
        "not_reached": [asdict(found) for found in copies_elsewhere(settings)],
        "unchanged": True,
        "totals_before": before["totals"], "totals_after": after,
    }  # fmt: skip
    document["digest"] = sha256(json_text(document).encode()).hexdigest()
    path = _certify(settings, erasure, document)
    _journal(settings).unlink()
    return Certificate(path, document, tuple(problems))


def plan_erasure(settings: Settings, erasure: Erasure) -> None:
    """Write the journal of an erasure before it begins, so that the next run completes it after a kill."""
    _folder(settings).mkdir(mode=0o700, exist_ok=True)
    _write_journal(settings, {**_journal_of(erasure), "totals": None})


def cancel_planned_erasure(settings: Settings) -> None:
    """Remove the journal of a planned erasure that has not begun and is not needed."""
    _journal(settings).unlink(missing_ok=True)


def complete_interrupted(settings: Settings) -> list[str]:
    """Complete an erasure that was interrupted, before anything else is loaded; failures are warnings.

    If it fails, the next attempt computes the totals again, because this run changes them.

    Returns: what was completed, in words.
    """
    erasure = interrupted(settings)
    if erasure is None:
        return []
    try:
        erase(settings, erasure)
    except (ReferralsError, OSError) as error:
        log_task(ERASURE, f"{_named(erasure)} could not be forgotten yet: {failure_line(error)}", type(error).__name__)
        log_warning("load", "forget", f"{_named(erasure)} could not be forgotten yet: {failure_text(error)}")
        document = json.loads(_journal(settings).read_bytes())
        _write_journal(settings, {**document, "totals": None})
        return []
    log_task(ERASURE)
    if erasure.why == BY_COMMAND:
        log_task(FORGET)
    return [f"an erasure that was interrupted is complete: {_named(erasure)}"]


def failure_text(error: ReferralsError | OSError) -> str:
    """Why an erasure failed, with what to do, for a warning."""
    if isinstance(error, ReferralsError):
        return error.advice
    return f"{type(error).__name__}: {error}. The next sync tries again."


def failure_line(error: ReferralsError | OSError) -> str:
    """Why an erasure failed, in one line for the record of the run."""
    return one_line(redact(failure_text(error)), LINE_COLUMNS).rstrip(".")


def _certify(settings: Settings, erasure: Erasure, document: dict[str, Any]) -> Path | None:
    """Write the certificate: ``ID.json`` of one person, ``people-TIME.json`` of several."""
    if not erasure.user_ids:
        return None
    at = "".join(letter for letter in document["started_at"] if letter.isalnum())
    several = f"people-{at}-{document['digest'][:8]}"
    name = several if len(erasure.user_ids) > 1 else str(erasure.user_ids[0])
    path = _folder(settings) / f"{name}.json"
    write_whole_file(path, json_text(document, indent=True) + "\n")
    path.chmod(0o600)
    return path


def _begin_journal(settings: Settings, erasure: Erasure) -> dict[str, Any]:
    """The journal of an erasure, with totals: that of the same erasure if it was interrupted, otherwise a new one."""
    journal = _journal_of(erasure)
    if interrupted(settings) == erasure:
        journal |= json.loads(_journal(settings).read_bytes())
        if journal.get("totals") is not None:
            return journal
    _folder(settings).mkdir(mode=0o700, exist_ok=True)
    journal["totals"] = _totals(settings)
    _write_journal(settings, journal)
    return journal


def _journal_of(erasure: Erasure) -> dict[str, Any]:
    return {
        "user_ids": list(erasure.user_ids), "why": erasure.why, "aged": dict(erasure.age_limits), "started_at": _now(),
    }  # fmt: skip


def _write_journal(settings: Settings, journal: dict[str, Any]) -> None:
    write_whole_file(_journal(settings), json_text(journal, indent=True) + "\n")


def _named(erasure: Erasure) -> str:
    if len(erasure.user_ids) == 1:
        return f"user {erasure.user_ids[0]}"
    if erasure.user_ids:
        return f"{len(erasure.user_ids):,} people"
    return "what is too old" if erasure.age_limits else "who was forgotten before"


def _reason(erasure: Erasure) -> str:
    is_about_people = erasure.user_ids or not erasure.age_limits
    return "a person was forgotten" if is_about_people else "records in the quarantine were too old"


def _totals(settings: Settings) -> dict[str, Any]:
    """Totals of the load file and of every kept snapshot."""
    from referral_warehouse.load.privacy.forgetting import load_totals
    from referral_warehouse.load.registry import TABLES
    from referral_warehouse.warehouse.snapshot_totals import snapshot_totals

    found = {"load.duckdb": load_totals(settings, TABLES), **snapshot_totals(settings)}
    restored: dict[str, Any] = json.loads(json_text(found))
    return restored


def _clean_outcomes(settings: Settings, texts: list[str]) -> None:
    """Remove quoted personal texts from the records of runs."""
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


def _folder(settings: Settings) -> Path:
    return settings.warehouse_dir / FORGOTTEN


def _journal(settings: Settings) -> Path:
    return _folder(settings) / FORGOTTEN_JOURNAL


def _now() -> str:
    return iso_utc_seconds(datetime.now(UTC))
