"""Delivers the published snapshot to a destination of dlt: loads tables into another dataset, then replaces all.

Of a table that changed a little, only the rows that changed are loaded, where the destination has the others.

A delivery that is killed leaves the rows of one snapshot, and the next one starts from the beginning. Knows the order
of the steps; knows neither SQL nor Parquet.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from referral_warehouse.destinations.configuration import opened_pipeline  # first: it imports dlt

# isort: split
from referral_warehouse.destinations.control import KEYS, DestinationState, SentTable
from referral_warehouse.destinations.faults import explained
from referral_warehouse.destinations.own_files import refuse_own_files
from referral_warehouse.destinations.steps import Steps
from referral_warehouse.destinations.tables import TRANSACTIONAL, DatasetTables, RowsDiffer
from referral_warehouse.destinations.views import SLOTS, WITH_VIEWS, DatasetViews
from referral_warehouse.errors import ConfigurationError
from referral_warehouse.warehouse.published_snapshot import published_snapshot
from referral_warehouse.workspace.file_kinds import remove_or_raise

if TYPE_CHECKING:
    from referral_warehouse.settings import Settings
    from referral_warehouse.settings.destinations import DestinationValues
    from referral_warehouse.warehouse.published_snapshot import PublishedSnapshot

WORK = "destinations"
"""The folder in ``state/`` with dlt's files during a delivery; nothing in it is needed afterwards."""
STAGING = "_staging"
"""The suffix of the dataset that new rows are loaded into."""


@dataclass(frozen=True, slots=True)
class TableDelivery:
    """The result of a delivery.

    Attributes:
        snapshot: the number of the snapshot that the destination has now.
        manifest_sha256: the checksum of its manifest.
        sent: how many tables were sent; those that did not change are not.
        in_part: of how many of these only the rows that changed were sent.
        tables: how many tables the snapshot has.
        is_new: False when the destination had the snapshot already.
    """

    snapshot: int
    manifest_sha256: str
    sent: int
    in_part: int
    tables: int
    is_new: bool = True


@dataclass(frozen=True, slots=True)
class _Sent:
    """How many tables were sent, and of how many of these only rows that changed."""

    tables: int
    in_part: int = 0


def deliver_tables(settings: Settings, values: DestinationValues, *, everything: bool = False) -> TableDelivery | None:
    """Deliver the published snapshot to a destination; the caller holds the lock of the warehouse.

    Args:
        settings: of the warehouse.
        values: the settings of the destination.
        everything: send every table, also those that did not change.

    Returns: None when nothing is published.
    Raises: ConfigurationError, DestinationUnavailable, DataRefused; the tables there then stay as they were.
    """
    wanted = published_snapshot(settings)
    if wanted is None:
        return None
    whole: frozenset[str] = frozenset()
    with explained(values):
        while True:
            try:
                return _delivered(settings, values, wanted, everything=everything, whole=whole)
            except RowsDiffer as differing:  # each time another table, so this ends
                whole |= differing.names


def _delivered(
    settings: Settings,
    values: DestinationValues,
    wanted: PublishedSnapshot,
    *,
    everything: bool,
    whole: Collection[str],
) -> TableDelivery:
    """Deliver a snapshot; ``whole`` are tables that are sent with all rows if they changed.

    Raises: RowsDiffer where the rows that changed were sent and the destination did not have the others; nothing has
        changed there then. ConfigurationError, DataRefused; dlt's errors.
    """
    folder = settings.state_dir / WORK / values.name
    remove_or_raise(folder)
    folder.mkdir(parents=True, mode=0o700)
    try:
        with opened_pipeline(values, folder, settings.dataset_name + STAGING) as pipeline:
            refuse_own_files(settings, values, pipeline)
            steps = Steps(settings, values, wanted, pipeline)
            if values.kind in TRANSACTIONAL:
                sent = _in_transaction(steps, folder, everything=everything, whole=whole)
            elif values.kind in WITH_VIEWS:
                sent = _by_views(steps, everything=everything)
            else:
                raise _unsupported(values)
    finally:
        remove_or_raise(folder)
    found = sent or _Sent(0)
    return TableDelivery(
        wanted.number, wanted.sha256, found.tables, found.in_part, len(steps.tables), is_new=sent is not None
    )


def _in_transaction(steps: Steps, folder: Path, *, everything: bool, whole: Collection[str]) -> _Sent | None:
    """Send what changed, and replace rows in one transaction. Returns: None where nothing was to be sent."""
    dataset = steps.settings.dataset_name
    with steps.connected() as client:
        state = steps.readers_state(client)
        steps.refuse_others(client, state, may_be_empty=not TRANSACTIONAL[steps.values.kind].has_ddl)
        if steps.has_leftovers(client, dataset + STAGING, dataset, state):
            steps.remove(client, dataset + STAGING)
        before: Mapping[str, SentTable] = {} if state is None else state.tables
        there = set() if everything else steps.existing_tables(client, list(before))
    if _is_there(steps, state) and there >= set(steps.tables):
        return None
    sent = {
        name: before[name]
        if name in there and (before[name].checksum, before[name].key) == (table.checksum, table.feed.key)
        else SentTable(table.checksum, table.rows, table.feed.key, steps.wanted.number)
        for name, table in steps.tables.items()
    }
    changed = [table.feed for name, table in steps.tables.items() if sent[name] is not before.get(name)]
    steps.refuse_altered([table.name for table in changed])
    parts = steps.in_part([table.name for table in changed if table.name in there - set(whole)], state, folder)
    control = steps.load(changed, sent, dataset, parts)
    keys = {name: table.key for name, table in before.items()} | (KEYS if state is not None else {})
    with steps.connected() as client:
        steps.refuse_incomplete(client)
        target = DatasetTables(client, TRANSACTIONAL[steps.values.kind], dataset)
        target.replace([*changed, *control], set(before) - set(steps.tables), keys, parts)
        steps.remove(client, dataset + STAGING)
    return _Sent(len(changed), len(parts))


def _by_views(steps: Steps, *, everything: bool) -> _Sent | None:
    """Send all tables into a separate dataset, and switch the views of readers to it.

    Returns: None where nothing was to be sent.
    """
    dataset = steps.settings.dataset_name
    with steps.connected() as client:
        state = steps.readers_state(client)
        current = None if state is None else state.dataset
        new = next(dataset + slot for slot in SLOTS if dataset + slot != current)
        if state is not None and current is not None:
            # a delivery that was killed may have switched some views only
            DatasetViews(client.sql_client, dataset).point_to(current, list(state.tables))
        if steps.has_leftovers(client, new, new, state):
            steps.remove(client, new)
        else:  # otherwise a delivery that was killed may have made views
            steps.refuse_others(client, state, may_be_empty=False)
        if _is_there(steps, state) and not everything:
            return None
    sent = {
        name: SentTable(table.checksum, table.rows, table.feed.key, steps.wanted.number)
        for name, table in steps.tables.items()
    }
    steps.refuse_altered(list(steps.tables))
    steps.pipeline.dataset_name = new
    steps.load([table.feed for table in steps.tables.values()], sent, new)
    with steps.connected() as client:
        steps.refuse_incomplete(client)
        views = DatasetViews(client.sql_client, dataset)
        views.point_to(new, list(sent))
        views.drop(set() if state is None else set(state.tables) - set(sent))
        if current is not None:
            steps.remove(client, current)
    return _Sent(len(sent))


def _is_there(steps: Steps, state: DestinationState | None) -> bool:
    return state is not None and state.manifest_sha256 == steps.wanted.sha256


def _unsupported(values: DestinationValues) -> ConfigurationError:
    return ConfigurationError(
        f"{values.name} is a destination of the type {values.kind}, where tables cannot be switched together.",
        f"Use a destination of one of the types {', '.join((*TRANSACTIONAL, *WITH_VIEWS))}; files are delivered by "
        "WAREHOUSE__DELIVER_TO.",
    )
