"""Reads under which policy the rows of a load file are stored, and rewrites them when the settings have another one.

The policy is in the load file itself, so that both change together. Knows settings and the load file, and no stream.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import duckdb

from referral_warehouse.errors import ConfigurationError
from referral_warehouse.load.clock.observation_clock import utc_now
from referral_warehouse.load.privacy.forgotten import people_file, read_forgotten
from referral_warehouse.load.privacy.key_file import SETTING, read_key
from referral_warehouse.load.privacy.policy import Actions, Policy, chosen_actions
from referral_warehouse.load.privacy.pseudonyms import Pseudonyms, key_check
from referral_warehouse.load.privacy.requested_removals import request_removals
from referral_warehouse.load.privacy.rewriting import discard_unfinished, rewrite_load_file
from referral_warehouse.load.records.schema import TableSchema
from referral_warehouse.load.storage.load_file import LoadFile
from referral_warehouse.load.storage.load_pipeline import LoadPipeline
from referral_warehouse.load.storage.stored_rows import DATASET
from referral_warehouse.settings import Settings
from referral_warehouse.settings.privacy import DROP, KEEP, PSEUDONYMISE

_TABLES = f"""
create table if not exists {DATASET}.privacy_fields (table_name varchar, field_name varchar, action varchar);
create table if not exists {DATASET}.privacy_state (key_check varchar, is_reread_due boolean);
create table if not exists {DATASET}.rewritings (rewritten_at timestamp, reason varchar);
"""
FORGOTTEN, POLICY_CHANGED = "forgotten person", "policy"
"""Why rows were rewritten."""


@dataclass(frozen=True, slots=True)
class StoredPolicy:
    """What rows are stored under. ``key_check`` identifies the key of their pseudonyms; None where there were none."""

    actions: Actions
    key_check: str | None = None
    is_reread_due: bool = False

    def action(self, place: tuple[str, str]) -> str:
        return self.actions.get(place, KEEP)


@dataclass(frozen=True, slots=True)
class AppliedPolicy:
    """The policy of a run that what is stored follows.

    ``is_reread_due``: everything has to be read again, because values that are to be kept are gone. ``recovered``
    describes damage that was found and repaired.
    """

    policy: Policy
    is_reread_due: bool
    recovered: list[str]


def read_stored(connection: duckdb.DuckDBPyConnection) -> StoredPolicy:
    """The policy of a load file; everything is kept as received where it has none."""
    if not _has(connection, "privacy_fields"):
        return StoredPolicy({})
    rows = connection.execute(f"from {DATASET}.privacy_fields").fetchall()
    state = connection.execute(f"from {DATASET}.privacy_state").fetchone() or (None, False)
    return StoredPolicy({(table, name): action for table, name, action in rows}, state[0], bool(state[1]))


def write_stored(connection: duckdb.DuckDBPyConnection, stored: StoredPolicy) -> None:
    """Record under which policy the rows of the current database are stored."""
    connection.execute(f"begin; create schema if not exists {DATASET}; {_TABLES}")
    connection.execute(f"delete from {DATASET}.privacy_fields; delete from {DATASET}.privacy_state")
    for (table, name), action in sorted(stored.actions.items()):
        if action != KEEP:
            connection.execute(f"insert into {DATASET}.privacy_fields values (?, ?, ?)", [table, name, action])
    connection.execute(f"insert into {DATASET}.privacy_state values (?, ?)", [stored.key_check, stored.is_reread_due])
    connection.execute("commit")


def log_rewriting(connection: duckdb.DuckDBPyConnection, reason: str) -> None:
    """Record that rows were rewritten in place: what was published before is not current any more."""
    connection.execute(_TABLES)
    connection.execute(f"insert into {DATASET}.rewritings values (?, ?)", [utc_now(), reason])


def wanted_policy(settings: Settings, schemas: Mapping[str, TableSchema]) -> tuple[Policy, StoredPolicy]:
    """The policy of the settings, and how it is remembered.

    Raises: ConfigurationError for a field that is not personal, and where pseudonyms have no usable key.
    """
    actions = chosen_actions(settings.privacy_mode, settings.privacy_fields, schemas)
    changed = {place: action for place, action in actions.items() if action != KEEP}
    forgotten = read_forgotten(settings, schemas)
    if PSEUDONYMISE not in changed.values():
        return Policy(changed, forgotten=forgotten), StoredPolicy(changed)
    key = read_key(settings)
    return Policy(changed, Pseudonyms(key), forgotten), StoredPolicy(changed, key_check(key))


def apply_policy(settings: Settings, schemas: Mapping[str, TableSchema]) -> AppliedPolicy:
    """The policy of a run, once what is stored follows it: rows that do not are rewritten before anything is read.

    Packages that an earlier run left are loaded first, as they may hold values of the policy before.

    Raises: ConfigurationError where the key is missing, unusable or another one, or where it is not known any more who
    was forgotten; nothing is changed then.
    """
    policy, wanted = wanted_policy(settings, schemas)
    discard_unfinished(settings.load_path)
    with LoadFile(settings.load_path) as load_file:
        stored = read_stored(load_file.connection)
        _refuse_lost_digests(load_file.connection, settings)
        _refuse_another_key(stored, wanted)
        steps, is_lossy = _steps(stored, wanted)
        is_due = stored.is_reread_due or is_lossy  # still due where an earlier run could not complete it
        remembered = StoredPolicy(wanted.actions, wanted.key_check, is_due)
        if not steps or _is_empty(load_file.connection, settings):
            if remembered != stored:
                write_stored(load_file.connection, remembered)
            return AppliedPolicy(policy, is_due, load_file.recovered)
        pipeline = LoadPipeline(load_file, settings.state_dir, schemas)
        pipeline.drain()
        load_file.connection.execute("checkpoint")

    def state(connection: duckdb.DuckDBPyConnection) -> None:
        write_stored(connection, remembered)
        log_rewriting(connection, POLICY_CHANGED)

    request_removals(settings, steps)
    rewrite_load_file(settings.load_path, schemas, Policy(steps, policy.pseudonyms).rows, state)
    return AppliedPolicy(policy, is_due, [*load_file.recovered, *pipeline.recovered])


def clear_reread_due(connection: duckdb.DuckDBPyConnection) -> None:
    """Record that every row was read again under the current policy."""
    if _has(connection, "privacy_state"):
        connection.execute(f"update {DATASET}.privacy_state set is_reread_due = false")


def _steps(stored: StoredPolicy, wanted: StoredPolicy) -> tuple[dict[tuple[str, str], str], bool]:
    """What is to be done with stored fields, and whether a value that is wanted is gone."""
    steps, is_lossy = {}, False
    for place in {*stored.actions, *wanted.actions}:
        before, after = stored.action(place), wanted.action(place)
        if before == after:
            continue
        if after == DROP or before == KEEP:
            steps[place] = after
        else:
            is_lossy = True
    return steps, is_lossy


def _refuse_another_key(stored: StoredPolicy, wanted: StoredPolicy) -> None:
    if stored.key_check is not None and wanted.key_check not in (None, stored.key_check):
        raise ConfigurationError(
            f"{SETTING} holds another key than the one that the stored pseudonyms were made with.",
            "Restore the first key. If it is lost, set PRIVACY__MODE=drop and sync once; a new key may follow.",
        )


def _refuse_lost_digests(connection: duckdb.DuckDBPyConnection, settings: Settings) -> None:
    """Raises: ConfigurationError where people were forgotten and their digests are gone: they would come back."""
    path = people_file(settings)
    if path.exists() or not _has(connection, "rewritings"):
        return
    found = connection.execute(f"select count(*) from {DATASET}.rewritings where reason = ?", [FORGOTTEN]).fetchone()
    if found is not None and found[0]:
        raise ConfigurationError(
            f"{path} is missing, and people were forgotten here: they would come back with the next rows of the API.",
            "Copy it from a backup: `private/forgotten/people.json` in a folder that `referrals backup` made. If these "
            'people may come back, write {"salt": "", "people": []} into it.',
        )


def _is_empty(connection: duckdb.DuckDBPyConnection, settings: Settings) -> bool:
    """Whether nothing was loaded yet, nor extracted in order to be loaded."""
    return not _has(connection, "_dlt_loads") and not (settings.state_dir / "dlt").exists()


def _has(connection: duckdb.DuckDBPyConnection, table: str) -> bool:
    found = connection.execute(
        "select 1 from duckdb_tables() where database_name = current_database() and schema_name = ? and table_name = ?",
        [DATASET, table],
    ).fetchone()
    return found is not None
