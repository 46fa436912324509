"""Lists where personal data is held in a deployment, for how long and under which policy. Reads no row."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from referral_warehouse.cli.copies_elsewhere import copies_elsewhere
from referral_warehouse.cli.published_personal import raw_names
from referral_warehouse.cli.table_delivery import known_destinations
from referral_warehouse.settings import Settings
from referral_warehouse.settings.privacy import FORGET
from referral_warehouse.workspace.current_snapshot import MANIFEST, REPORT, folder_name

NOWHERE = "–"


@dataclass(frozen=True, slots=True)
class HeldField:
    """A field of the load file with personal data. ``published_as``: columns that hold it, separated by commas."""

    table: str
    field: str
    kind: str
    policy: str
    published_as: str


@dataclass(frozen=True, slots=True)
class HeldPlace:
    """A place that holds personal data, or could: ``holds`` says what is there now, ``kept_for`` for how long."""

    place: str
    path: str
    holds: str
    kept_for: str


def held_fields(settings: Settings) -> Iterator[HeldField]:
    """The personal fields of every raw table, with the columns that they are published as."""
    from referral_warehouse.load.privacy.policy import chosen_actions
    from referral_warehouse.load.registry import TABLES
    from referral_warehouse.warehouse.models import load_models

    published = {model.qualified_name: model.personal for model in load_models() if model.is_published}
    actions = chosen_actions(settings.privacy_mode, settings.privacy_fields, TABLES)
    for schema in TABLES.values():
        for name, kind in schema.personal_columns.items():
            columns = [
                f"{table}.{column}"
                for table in (f"core.{schema.name}", f"ops.{schema.name}")
                for column in published.get(table, {})
                if raw_names(table).get(column, column) == name
            ]
            shown = ", ".join(columns) if settings.publish_personal else ""
            action = actions.get((schema.name, name), "as the stream")
            yield HeldField(schema.name, name, kind, action, shown or NOWHERE)


def held_places(settings: Settings) -> Iterator[HeldPlace]:
    """Every place that the program writes to, whether there is personal data in it or not."""
    grace = settings.snapshot_grace_minutes
    as_snapshots = f"the last {settings.keep_snapshots} snapshots, and replaced ones for {grace} min"
    until_forgotten = "as long as the load file" + (
        f"; people without activity for {settings.privacy_retain_days} days" if settings.privacy_retain_days else ""
    )
    if settings.privacy_on_delete == FORGET:
        until_forgotten += f"; people who are deleted in the account: {settings.privacy_grace_days} days from then on"
    quarantine = f"{settings.privacy_quarantine_days} days after they were received last, or could be read"
    yield HeldPlace("load file", str(settings.load_path), "the fields above", until_forgotten)
    yield HeldPlace(
        "quarantine",
        f"{settings.load_path} (raw.quarantine)",
        "records that could not be read, as they were received",
        quarantine if settings.privacy_quarantine_days else "as long as the load file",
    )
    yield HeldPlace(
        "packages of dlt", str(settings.state_dir / "dlt"), "rows that are being loaded into the load file",
        "until they are loaded; if a run is killed, the next sync loads or removes them",
    )  # fmt: skip
    yield HeldPlace("draft", str(settings.warehouse_dir / "draft"), "columns of the next snapshot", "during a build")
    yield from _published_places(settings, as_snapshots)
    if settings.together is not None:
        for found in _published_places(settings.together, as_snapshots):
            yield replace(found, place=f"{found.place} (all accounts)")
    yield HeldPlace(
        "agents", "referrals mcp", _shown(settings.publish_personal and settings.agents_see_personal),
        "nothing is stored here; the agent and its provider may keep answers",
    )  # fmt: skip
    yield HeldPlace(
        "logs", f"{settings.state_dir} (outcomes.jsonl, metrics.prom), standard error",
        "counts, times and error texts without values",
        "outcomes: at most 512 KB" + (f" and {settings.privacy_log_days} days" if settings.privacy_log_days else ""),
    )  # fmt: skip
    yield HeldPlace(
        "forgotten people", str(settings.warehouse_dir / "forgotten"),
        "ids and totals in certificates; salted digests of ids and addresses, by which these people are recognised",
        "as long as the load file: without it no sync runs, because these people would come back",
    )  # fmt: skip
    for copy in copies_elsewhere(settings):
        yield HeldPlace("copies", copy.path, copy.what, f"until you remove them: {copy.command}")
    yield HeldPlace("call store", "referrals strikes", "times of calls, no addresses", "7 days")


def _published_places(settings: Settings, kept_for: str) -> Iterator[HeldPlace]:
    """The places of what is published. Args: ``kept_for`` says how long snapshots and feeds are kept."""
    for number, found in _snapshots(settings):
        yield HeldPlace(f"snapshot {number}", str(settings.snapshots_dir / folder_name(number)), found, kept_for)
    yield HeldPlace(
        "feeds", str(settings.feeds_dir), _shown(settings.publish_personal and settings.feeds_have_personal), kept_for
    )
    yield HeldPlace(
        "report", str(settings.published_dir / REPORT), "ids; first names only with `referrals report --names`",
        "as the snapshot; a file of --out until you remove it",
    )  # fmt: skip
    if settings.has_lake:
        path = f"{settings.lake_catalog}; data in {settings.lake_data}"
        yield HeldPlace("lake", path, _shown(settings.publish_personal), kept_for)
    yield HeldPlace(
        "deliveries", NOWHERE if settings.deliver_to is None else str(settings.deliver_to),
        "copies of the feeds", NOWHERE if settings.deliver_to is None else kept_for,
    )  # fmt: skip
    yield HeldPlace(
        "destinations", ", ".join(known_destinations(settings)) or NOWHERE, "the rows of the feeds",
        "until the next delivery; the database may keep replaced rows on disk until it cleans up",
    )  # fmt: skip


def privacy_facts(settings: Settings) -> dict[str, Any]:
    """Fields and places, for programs."""
    from dataclasses import asdict

    from referral_warehouse.cli.forgetting import interrupted
    from referral_warehouse.cli.retention import due_now
    from referral_warehouse.load.privacy.forgotten import read_forgotten

    begun = interrupted(settings)
    return {
        "warehouse": str(settings.warehouse_dir),
        "mode": settings.privacy_mode,
        "has_forgotten_people": bool(read_forgotten(settings, {}).digests),
        "interrupted_forgetting": None if begun is None else list(begun.user_ids),
        "due": due_now(settings),
        "fields": [asdict(found) for found in held_fields(settings)],
        "places": [asdict(found) for found in held_places(settings)],
    }


def _snapshots(settings: Settings) -> Iterator[tuple[int, str]]:
    """The kept snapshots with where they have personal values; those of earlier versions have them everywhere."""
    from referral_warehouse.warehouse.manifest import read_manifest
    from referral_warehouse.warehouse.snapshots import snapshot_numbers

    for number in snapshot_numbers(settings):
        manifest = read_manifest(settings.snapshots_dir / folder_name(number) / MANIFEST)
        found = "unknown: no readable manifest" if manifest is None else manifest.get("personal_columns", "published")
        yield number, f"personal columns: {found}"


def _shown(is_shown: bool) -> str:
    return "personal columns with their values" if is_shown else "personal columns without values"
