"""``forget`` erases a person, and ``export`` writes all that is held of one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from referral_warehouse.cli.accounts.choice import account_option
from referral_warehouse.cli.configuration import read_settings
from referral_warehouse.cli.output import work_is_done
from referral_warehouse.cli.recorded_run import CurrentRun, recorded_run
from referral_warehouse.cli.refused_settings import settings_of_run
from referral_warehouse.cli.settings_in_use import refuse_missing_warehouse
from referral_warehouse.cli.verbosity import logging_options
from referral_warehouse.errors import ConfigurationError, DataRefused
from referral_warehouse.settings import Settings
from referral_warehouse.workspace.lock import warehouse_lock
from referral_warehouse.workspace.ownership import refuse_files_of_others

if TYPE_CHECKING:
    from referral_warehouse.cli.forgetting import Certificate, Erasure
    from referral_warehouse.load.privacy.people import Rows

BY_ID = click.option("--user-id", metavar="N", type=int, help="The person with this id.")
BY_EMAIL = click.option(
    "--email", metavar="ADDRESS", help="The person with this address; refused, with a list, if several people have it."
)
AS_JSON = click.option("--json", "as_json", is_flag=True, help="Print one machine-readable line.")


@click.command(epilog="Example: referrals forget --user-id 7 --dry-run")
@BY_ID
@BY_EMAIL
@click.option("--dry-run", is_flag=True, help="Show what is held of the person, and change nothing.")
@AS_JSON
@logging_options
@account_option
def forget(user_id: int | None, email: str | None, dry_run: bool, as_json: bool) -> None:
    """Erase the personal values of a person everywhere; amounts, counts and ids stay.

    An erasure that was interrupted is completed first. docs/privacy.md lists copies that the command does not reach.
    """
    from referral_warehouse.cli.console import say, say_json
    from referral_warehouse.cli.forgetting import Erasure, interrupted

    _refuse_none_or_both(user_id, email)
    settings = read_settings() if dry_run else settings_of_run("forget")
    if dry_run:
        with _look(settings):
            chosen = _person(settings, user_id, email)
            counts = {table: len(rows) for table, rows in _held(settings, chosen).items()}
        say_json({"user_id": chosen, "rows": counts, "forgotten": False}) if as_json else say(
            f"Rows about user {chosen}: " + ", ".join(f"{t}: {n}" for t, n in counts.items() if n) + "."
        )
        return
    if interrupted(settings) is None:
        with _look(settings):
            _person(settings, user_id, email)  # a person who is not found must not be a failed run
    with recorded_run(settings, "forget") as run:
        begun = interrupted(settings)
        certificate = None if begun is None else _forget(settings, run, begun)
        completed = begun.user_ids if begun is not None and certificate is not None else ()
        if user_id is not None and user_id in completed:
            chosen = user_id
        else:  # an address that was just erased can be recognised by its digest only
            chosen = _person(settings, user_id, email, completed)
        if certificate is None or chosen not in completed:
            certificate = _forget(settings, run, Erasure((chosen,)))
        work_is_done(f"User {chosen} is forgotten.")
    if settings.together is not None:  # for the lake and the destinations, which get what all accounts publish
        from referral_warehouse.cli.accounts.together import publish_after_one

        publish_after_one(settings.together)
    _say_certified(chosen, certificate, as_json=as_json)


@click.command(epilog="Example: referrals export --user-id 7 --out person-7")
@BY_ID
@BY_EMAIL
@click.option("--out", metavar="FOLDER", type=click.Path(path_type=Path), help="The new folder; person-N by default.")
@AS_JSON
@logging_options
@account_option
def export(user_id: int | None, email: str | None, out: Path | None, as_json: bool) -> None:
    """Write all that is held of a person, as JSON and as a page."""
    from referral_warehouse.cli.console import say, say_json
    from referral_warehouse.cli.person_export import write_export
    from referral_warehouse.cli.snapshot_people import snapshot_rows

    _refuse_none_or_both(user_id, email)
    settings = settings_of_run("export")
    with _look(settings):
        _person(settings, user_id, email)
    with recorded_run(settings, "export"):
        chosen = _person(settings, user_id, email)
        held = {**_held(settings, chosen), **snapshot_rows(settings, [chosen])[chosen]}
        paths = write_export((out or Path(f"person-{chosen}")).absolute(), chosen, held)
        work_is_done(f"What is held of user {chosen} is written.")
    if as_json:
        say_json({"user_id": chosen, "files": [str(path) for path in paths]})
    for path in () if as_json else paths:
        say(str(path))


@contextmanager
def _look(settings: Settings) -> Iterator[None]:
    """Lock the directory to search for a person. This is not recorded as a run: a person who is not found is no
    failure."""
    refuse_files_of_others(settings.warehouse_dir)
    refuse_missing_warehouse(settings)
    with warehouse_lock(settings.warehouse_dir):
        yield


def _forget(settings: Settings, run: CurrentRun, erasure: Erasure) -> Certificate:
    """Forget people, in the lake too. Raises: DataRefused."""
    from referral_warehouse.cli.forgetting import erase
    from referral_warehouse.cli.lake import publish_lake
    from referral_warehouse.cli.reporting import log_problems

    certificate = erase(settings, erasure)
    publish_lake(settings, run.refuse_lost_lock)
    log_problems(certificate.problems)
    return certificate


def _say_certified(user_id: int, certificate: Certificate, *, as_json: bool) -> None:
    from referral_warehouse.cli.console import say, say_json

    if as_json:
        say_json({"user_id": user_id, "forgotten": True, "certificate": str(certificate.path)})
        return
    say(f"User {user_id} is forgotten; every total is unchanged. Certificate: {certificate.path}")
    for title, key in (("Deliveries", "deliveries"), ("Lake", "lake")):
        if certificate.document[key] != "none":
            say(f"{title}: {certificate.document[key]}.")
    for copy in certificate.document["not_reached"]:
        say(f"Not reached: {copy['path']} ({copy['what']}). Next: {copy['command']}")
    say("Other backups, and copies that others made of what is published, may hold the person: see docs/privacy.md.")


def _refuse_none_or_both(user_id: int | None, email: str | None) -> None:
    if (user_id is None) == (email is None):
        raise ConfigurationError(
            "Neither --user-id nor --email is given." if user_id is None else "Both --user-id and --email are given.",
            "Name the person with one of them, such as --user-id 7.",
        )


def _person(settings: Settings, user_id: int | None, email: str | None, completed: tuple[int, ...] = ()) -> int:
    """The person that the options mean; ``completed`` was just forgotten, so that the address may be gone already.

    Raises: DataRefused where nothing is held of such a person; ConfigurationError where several have the address.
    """
    import duckdb

    from referral_warehouse.load.privacy.forgotten import read_forgotten
    from referral_warehouse.load.privacy.people import find_by_email, find_by_id
    from referral_warehouse.load.privacy.stored_policy import wanted_policy
    from referral_warehouse.load.registry import TABLES

    policy, _ = wanted_policy(settings, TABLES)
    if not settings.load_path.is_file():
        raise DataRefused("Nothing was loaded yet.", "Run `referrals sync` first.")
    with duckdb.connect(str(settings.load_path), read_only=True) as connection:
        if user_id is not None:
            found = find_by_id(connection, TABLES, user_id)
        else:
            found = find_by_email(connection, TABLES, email or "", policy)
    if not found and len(completed) == 1 and read_forgotten(settings, TABLES).is_address(email or ""):
        return completed[0]
    if not found:
        raise DataRefused(
            "Nothing is held of such a person, and nothing was changed.",
            "Correct the id or the address; ids are those of core.users and of recipients in the reward lists.",
        )
    if len(found) > 1:
        people = ", ".join(
            f"{p.user_id} (campaign {'unknown' if p.campaign_id is None else p.campaign_id})" for p in found
        )
        raise ConfigurationError(
            f"{len(found)} people have this address: users {people}.",
            "Name one with --user-id, and run the command for each user of the person.",
        )
    return found[0].user_id


def _held(settings: Settings, user_id: int) -> dict[str, Rows]:
    import duckdb

    from referral_warehouse.load.privacy.people import held_rows
    from referral_warehouse.load.registry import TABLES

    with duckdb.connect(str(settings.load_path), read_only=True) as connection:
        connection.execute("set timezone = 'UTC'")
        return held_rows(connection, TABLES, user_id)
