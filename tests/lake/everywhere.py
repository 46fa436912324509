"""Gives every warehouse directory of a test run a lake, and compares the two after each publication.

``install`` changes this process: settings without a lake get one beside their directory, and so do the processes that
it starts. Whatever then publishes to a lake is compared with the snapshot: the rows of every table by a checksum,
columns, types and comments. The outcomes are lines of JSON in the file that the environment names, because a
publication may be in any process; ``tests/conftest.py`` fails the test that caused one that differs. Tests ask for it
with ``--storage``.
"""

from __future__ import annotations

import functools
import json
import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import asdict, dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from referral_warehouse.settings import Settings

KIND = "REFERRAL_TESTS_CATALOG"
"""The variable with the kind of catalogs: the ending of a file, or the address of a server of PostgreSQL without a
database. Where it is set, every directory has a lake."""
OUTCOMES = "REFERRAL_TESTS_LAKES"
"""The variable with the file of the outcomes."""
RESULTS = SHOWN, FAILED, DIFFERS = "shown", "failed", "differs"
STORAGE, CATALOG, DATA = "WAREHOUSE__STORAGE", "WAREHOUSE__LAKE_CATALOG", "WAREHOUSE__LAKE_DATA"

_in_a_run: ContextVar[bool] = ContextVar("in_a_run", default=False)
_directories: set[Path] = set()
"""The directories of processes that were started since ``compare_lakes_of_processes`` was called."""
_catalogs: set[str] = set()
"""The catalogs that settings were given here, in words."""


@dataclass(frozen=True)
class Outcome:
    """What became of one publication to a lake: ``result``, and in words why it failed or what differs."""

    test: str
    directory: str
    result: str
    words: str = ""


@dataclass
class Options:
    """The options of the environment, kept here because a command may get another one, and the test that runs."""

    kind: str = ""
    outcomes: Path = Path()
    test: str | None = None


_options = Options()


def install() -> None:
    """Give every directory of this process, and of those that it starts, a lake, if the environment asks for that."""
    if KIND in os.environ:
        _options.kind, _options.outcomes = os.environ[KIND], Path(os.environ[OUTCOMES])
        _change_settings()
        _change_new_processes()
        _compare_publications()
        _publish_where_no_command_does()


def catalog_of(directory: Path) -> str:
    """The catalog of the lake of a warehouse directory: a file beside it, or a database of its own."""
    if "://" in _options.kind:
        return f"{_options.kind}/lake_{sha256(os.fsencode(directory)).hexdigest()[:24]}"
    return str(directory.with_name(f"{directory.name}.lake.{_options.kind}"))


def data_of(directory: Path) -> Path:
    """The data of the lake of a warehouse directory."""
    return directory.with_name(f"{directory.name}.lake")


@cache
def _create_database(address: str) -> None:
    """Create the database of a catalog in PostgreSQL, unless another process did; a file needs nothing."""
    if "://" not in address:
        return
    import psycopg2

    server, _, name = address.rpartition("/")
    connection = psycopg2.connect(f"{server}/postgres")
    connection.autocommit = True
    try:
        connection.cursor().execute(f"create database {name}")
    except psycopg2.errors.DuplicateDatabase:
        pass
    finally:
        connection.close()


def current_test() -> str:
    """The name of the test that runs; ``begin_command`` sets it in a forked command."""
    return os.environ.get("PYTEST_CURRENT_TEST", "").rpartition(" ")[0] if _options.test is None else _options.test


def begin_command(test: str) -> None:
    """Say in a forked process which test it belongs to."""
    _options.test = test


def is_installed() -> bool:
    """Whether every directory has a lake."""
    return _options.kind != ""


def outcomes(test: str | None = None) -> list[Outcome]:
    """What was written so far, by all tests or one."""
    lines = _options.outcomes.read_text(encoding="utf-8").splitlines() if _options.outcomes.exists() else []
    found = [Outcome(**json.loads(line)) for line in lines]
    return [outcome for outcome in found if test in (None, outcome.test)]


def compare_lakes_of_processes() -> None:
    """Compare the lakes of the processes that were started since the last call, as far as these ended well."""
    from referral_warehouse.cli.lake import lake_facts
    from referral_warehouse.settings import Settings

    for directory in sorted(_directories):
        settings = Settings(warehouse_dir=directory)
        facts = lake_facts(settings) if directory.is_dir() else None
        if facts is not None and facts["is_current"]:
            found = differences(settings)
            _write(settings, DIFFERS if found else SHOWN, "; ".join(found))
    _directories.clear()


def _environ_with_lake(environ: dict[str, str]) -> dict[str, str]:
    """The variables of a command with a lake, if they name a directory and no storage."""
    if STORAGE in environ or not environ.get("WAREHOUSE__DIR"):
        return environ
    directory = Path(environ["WAREHOUSE__DIR"])
    if not directory.is_absolute():
        return environ
    _directories.add(directory)
    catalog = catalog_of(directory)
    _create_database(catalog)
    return environ | {STORAGE: "ducklake", CATALOG: catalog, DATA: str(data_of(directory))}


def _change_settings() -> None:
    """Settings without a storage get a lake beside their directory, and ``replace`` moves the lake with it."""
    from referral_warehouse.settings.delivery_target import DeliveryTarget
    from referral_warehouse.settings.lake_target import DUCKLAKE, LakeCatalogKind
    from referral_warehouse.settings.model import Settings
    from referral_warehouse.settings.sources import ENVIRONMENT, Found

    made = Settings.__init__

    @functools.wraps(made)
    def make(self: Settings, *arguments: Any, **values: Any) -> None:
        made(self, *arguments, **values)
        if self.storage != DUCKLAKE or str(self.lake_catalog) in _catalogs:
            found = Found(catalog_of(self.warehouse_dir), ENVIRONMENT)
            catalog = LakeCatalogKind().read(CATALOG, found, self.warehouse_dir.parent)
            _catalogs.add(str(catalog))
            object.__setattr__(self, "storage", DUCKLAKE)
            object.__setattr__(self, "lake_catalog", catalog)
            object.__setattr__(self, "lake_data", DeliveryTarget(data_of(self.warehouse_dir)))

    Settings.__init__ = make  # type: ignore[method-assign]


def _change_new_processes() -> None:
    """Commands that are started as processes of their own get the lake from their environment."""
    started = subprocess.Popen.__init__

    @functools.wraps(started)
    def start(self: subprocess.Popen[Any], *arguments: Any, **values: Any) -> None:
        environ = values.get("env")
        values["env"] = _environ_with_lake(dict(os.environ if environ is None else environ))
        started(self, *arguments, **values)

    subprocess.Popen.__init__ = start  # type: ignore[method-assign]


def _compare_publications() -> None:
    """After the program has published to the lake, compare."""
    from referral_warehouse.cli import lake

    published = lake._publish

    def publish(settings: Settings, refuse_lost_lock: Callable[[], None]) -> tuple[int, str] | None:
        try:
            done = published(settings, refuse_lost_lock)
        except Exception as error:
            _write(settings, FAILED, f"{type(error).__name__}: {error}")
            raise
        if done is not None:
            try:
                found = differences(settings)
            except Exception as error:
                found = [f"{type(error).__name__}: {error}"]
            _write(settings, DIFFERS if found else SHOWN, "; ".join(found))
        return done

    lake._publish = publish


def _publish_where_no_command_does() -> None:
    """Where a test calls ``publish`` itself, the lake gets the snapshot as it does at the end of a command."""
    from referral_warehouse.cli import lake
    from referral_warehouse.warehouse import publish as module

    published, locked = module.publish, lake.locked_lake

    @functools.wraps(published)
    def publish(settings: Settings, *arguments: Any, **values: Any) -> Any:
        done = published(settings, *arguments, **values)
        if not _in_a_run.get():
            with lock(settings) as refuse_lost_lock:
                lake.publish_lake(settings, refuse_lost_lock)
        return done

    @contextmanager
    def lock(settings: Settings) -> Iterator[Callable[[], None]]:
        if str(settings.lake_catalog) in _catalogs:
            _create_database(catalog_of(settings.warehouse_dir))
        with locked(settings) as refuse_lost_lock:
            token = _in_a_run.set(True)
            try:
                yield refuse_lost_lock
            finally:
                _in_a_run.reset(token)

    module.publish = publish
    lake.locked_lake = lock


def differences(settings: Settings) -> list[str]:
    """In what the lake differs from the published snapshot, in words; nothing where it is the same."""
    from referral_warehouse.sql_quoting import literal
    from referral_warehouse.warehouse.exports import described_columns
    from referral_warehouse.warehouse.lake.connection import open_lake
    from referral_warehouse.warehouse.lake.publication import digest_of_rows
    from referral_warehouse.warehouse.lake.state import CONTROL, lake_state
    from referral_warehouse.warehouse.published_snapshot import published_snapshot

    wanted = published_snapshot(settings)
    with open_lake(settings) as lake:
        if wanted is None or lake is None:
            return [f"snapshot: {wanted}, lake: {lake}"]
        state = lake_state(lake)
        if state is None or (state.snapshot, state.manifest_sha256) != (wanted.number, wanted.sha256):
            return [f"the lake shows {state and state.snapshot}, published is {wanted.number}"]
        lake.execute(f"attach {literal(wanted.folder / 'warehouse.duckdb')} as snapshot (read_only)")
        (theirs, their_comments), (ours, our_comments) = (
            described_columns(lake, catalog) for catalog in ("lake", "snapshot")
        )
        found = [
            f"{name}: {theirs.get(name)} instead of {ours.get(name)}"
            for name in sorted((theirs.keys() - CONTROL.keys()) | ours.keys())
            if theirs.get(name) != ours.get(name) or their_comments.get(name) != our_comments.get(name)
        ]
        rows = {name: [digest_of_rows(lake, f"{one}.{name}") for one in ("lake", "snapshot")] for name in ours}
        counts = dict(lake.execute("select table_name, rows_count from lake.ops.published_tables").fetchall())
    found += [f"{name}: rows {a} instead of {b}" for name, (a, b) in rows.items() if a != b]
    return found + [f"{name}: {counts.get(name)} rows" for name, (_, b) in rows.items() if counts.get(name) != b[0]]


def _write(settings: Settings, result: str, words: str = "") -> None:
    outcome = Outcome(current_test(), str(settings.warehouse_dir), result, words)
    line = json.dumps(asdict(outcome))
    descriptor = os.open(_options.outcomes, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
    try:
        os.write(descriptor, f"{line}\n".encode())  # one call: several processes write at a time
    finally:
        os.close(descriptor)
