"""``referrals deliver``: what it says, and what it says when something is wrong; a password is shown nowhere."""

from __future__ import annotations

import builtins
import json
import logging
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from click.testing import CliRunner

from referral_warehouse.cli import cli
from referral_warehouse.cli.exit_codes import report_end
from referral_warehouse.settings import Settings
from tests.conftest import using_models
from tests.destinations.databases import NAME, datasets, differences, execute
from tests.dlt_source.postgres_server import PASSWORD, PostgresServer
from tests.operate.conftest import Done

CREDENTIALS, TYPE = f"DESTINATION__{NAME}__CREDENTIALS", f"DESTINATION__{NAME}__DESTINATION_TYPE"
TO = ("deliver", "--to", NAME.lower())
Run = Callable[..., Done]


@pytest.fixture
def referrals(
    settings: Settings, address: str, tmp_path: Any, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str], few_models_folder: Any,
) -> Iterator[Run]:  # fmt: skip
    """Run a command in this process, with a destination in the database of the test."""
    monkeypatch.chdir(tmp_path)
    own = {"WAREHOUSE__DIR": str(settings.warehouse_dir), "HOME": str(tmp_path), CREDENTIALS: address, TYPE: "postgres"}

    def run(*arguments: str, **environ: str) -> Done:
        state: dict[str, Any] = {}
        result = CliRunner(env={**own, **environ}).invoke(cli, arguments, obj=state, standalone_mode=False)
        code, err = int(result.return_value or 0) if result.exception is None else 0, result.stderr
        if result.exception is not None:
            capsys.readouterr()
            code = report_end(result.exception, verbose=False, as_json=False, done=state.get("done"))
            err += capsys.readouterr().err
        assert PASSWORD not in result.stdout + err
        return Done(code, result.stdout, err)

    with using_models(few_models_folder):
        yield run


def test_the_command_prints_what_was_delivered(referrals: Run, settings: Settings, address: str) -> None:
    done = referrals(*TO)
    assert done.code == 0, done.err
    assert done.out.startswith("Snapshot 1 is at analytics (5 of 5 tables were sent).")
    assert differences(address, settings, 1) == []
    again = referrals(*TO, "--json")
    assert json.loads(again.out) == {
        "deliveries": [
            {"destination": "analytics", "snapshot": 1, "sent": 0, "in_part": 0, "tables": 5, "is_new": False}
        ]
    }


def test_the_command_says_how_many_tables_were_sent_in_part(
    referrals: Run, settings: Settings, address: str, small_tables_too: None
) -> None:
    from tests.destinations.versions import write_two
    from tests.operate.deliveries import switch_to

    write_two(settings, 4, 5)
    for number in (4, 5):
        switch_to(settings, number)
        done = referrals(*TO)
    said = "Snapshot 5 is at analytics (1 of 6 tables were sent, 1 of them only with the rows that changed)."
    assert " ".join(done.out.split()).startswith(said)
    switch_to(settings, 4)
    [delivery] = json.loads(referrals(*TO, "--json").out)["deliveries"]
    assert (delivery["sent"], delivery["in_part"]) == (1, 1)
    assert differences(address, settings, 4) == []


def test_a_destination_that_fails_does_not_affect_the_next_one(
    referrals: Run, settings: Settings, address: str
) -> None:
    other = {"DESTINATION__AWAY__DESTINATION_TYPE": "duckdb", "DESTINATION__AWAY__CREDENTIALS": "away/away.duckdb"}
    done = referrals("deliver", WAREHOUSE__DESTINATIONS="away,analytics", **other)
    assert done.code == 4
    assert "cannot be delivered to away" in one_line(done)
    assert done.out.startswith("Snapshot 1 is at analytics")
    assert differences(address, settings, 1) == []


def test_a_wrong_setting_of_one_destination_does_not_hide_what_another_got(
    referrals: Run, settings: Settings, address: str
) -> None:
    other = {"DESTINATION__AWAY__DESTINATION_TYPE": "postgres", "DESTINATION__AWAY__CREDENTIALS": "not an address"}
    further = {name.replace("AWAY", "FAR"): value for name, value in other.items()}
    done = referrals("deliver", WAREHOUSE__DESTINATIONS="analytics,away,far", **other, **further)
    assert done.code == 2
    assert "Nothing was changed" not in done.err
    warning, line = done.err.splitlines()
    assert "the tables were not delivered to far: " in warning
    assert "What was delivered to other destinations is kept." in line
    assert differences(address, settings, 1) == []
    alone = referrals("deliver", "--to", "away", **other)
    assert "Nothing was changed." in one_line(alone)


def one_line(done: Done) -> str:
    [line] = done.err.splitlines()
    return line


def test_a_wrong_password_is_reported_in_one_line_with_the_next_step(
    referrals: Run, settings: Settings, address: str
) -> None:
    before = sorted(settings.warehouse_dir.rglob("*"))
    wrong = "hunter22-0f9e8d7c"
    done = referrals(*TO, **{CREDENTIALS: address.replace(PASSWORD, wrong)})
    assert done.code == 2
    line = one_line(done)
    assert 'password authentication failed for user "postgres"' in line
    assert f"Correct {CREDENTIALS}" in line
    assert wrong not in done.out + done.err
    record = settings.state_dir / "destinations.json"
    assert wrong not in record.read_text()
    new = set(settings.warehouse_dir.rglob("*")) - set(before)
    assert {path.name for path in new} <= {
        "destinations", "destinations.json", "lock", "outcomes.jsonl", "metrics.prom", ".metrics.prom.lock",
    }  # fmt: skip


def test_a_password_is_in_no_log(referrals: Run, address: str, caplog: pytest.LogCaptureFixture) -> None:
    """Also not in one of dlt or of its client, which are louder than ours."""
    caplog.set_level(logging.DEBUG)
    referrals(*TO, "--verbose")
    execute(address, "drop table referrals.core_users cascade; create view referrals.core_users as select 1 as one")
    failed = referrals(*TO, "--all", "--verbose")
    assert failed.code != 0
    assert PASSWORD not in caplog.text


def test_a_server_that_is_down_is_reported_in_one_line_and_the_next_delivery_works(
    referrals: Run, settings: Settings, address: str, postgres: PostgresServer
) -> None:
    assert referrals(*TO).code == 0
    postgres.stop()
    try:
        done = referrals(*TO, "--all")
    finally:
        postgres.start()
    assert done.code == 4
    line = one_line(done)
    assert "cannot be delivered to analytics: Connection refused" in line
    assert "What readers have there is untouched. Next: Run `referrals deliver` again later" in line
    assert differences(address, settings, 1) == []
    assert referrals(*TO).code == 0


def test_a_missing_client_is_reported_in_one_line_with_the_extra(
    referrals: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where psycopg2 is not installed: dlt imports it with the destination."""
    import referral_warehouse.destinations.delivery  # noqa: F401 - dlt itself, which must not be imported anew

    for name in [name for name in sys.modules if name.startswith(("psycopg2", "dlt.destinations.impl.postgres"))]:
        monkeypatch.delitem(sys.modules, name)
    original = builtins.__import__

    def refuse(name: str, *arguments: Any, **options: Any) -> Any:
        if name.partition(".")[0] == "psycopg2":
            raise ModuleNotFoundError("No module named 'psycopg2'", name="psycopg2")
        return original(name, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", refuse)
    done = referrals(*TO)
    assert done.code == 2
    assert "pip install 'referral-warehouse[postgres]'" in one_line(done)


@pytest.mark.parametrize(
    ("arguments", "environ", "said"),
    [
        (TO, {CREDENTIALS: ""}, f"analytics is not configured: Set {CREDENTIALS}"),
        (TO, {TYPE: ""}, f"The type of the destination analytics is not set: Set {TYPE}"),
        (TO, {TYPE: "filesystem", CREDENTIALS: ""}, "of the type filesystem, where: Use a destination of one of"),
        (("deliver", "--to", "No-Name"), {}, "--to has 'No-Name', which is not a valid name: Correct the name"),
        (("deliver",), {}, "Neither --to nor WAREHOUSE__DESTINATIONS names a: Run `referrals deliver --to NAME`"),
        (("deliver",), {"WAREHOUSE__DESTINATIONS": "a b"}, "WAREHOUSE__DESTINATIONS has 'a b': Correct the name"),
        (TO, {"WAREHOUSE__DATASET_NAME": "a__b"}, "WAREHOUSE__DATASET_NAME has 'a__b': Correct the name"),
    ],
)
def test_what_is_not_configured_is_reported_in_one_line(
    referrals: Run, arguments: tuple[str, ...], environ: dict[str, str], said: str, address: str
) -> None:
    done = referrals(*arguments, **environ)
    assert done.code == 2, done
    what, _, next_step = said.rpartition(": ")
    line = one_line(done)
    assert what in line
    assert f"Next: {next_step}" in line
    assert "referrals" not in datasets(address)


@pytest.mark.parametrize(
    "name", ["load.duckdb", "warehouse.duckdb", "new.duckdb", "feeds/x.duckdb", "../hard", "../link"]
)
def test_a_file_of_the_warehouse_is_refused_as_a_destination(referrals: Run, settings: Settings, name: str) -> None:
    """Also by another name of the file, and where it does not exist yet."""
    (settings.warehouse_dir / "../hard").hardlink_to(settings.warehouse_path.resolve())
    (settings.warehouse_dir / "../link").symlink_to(settings.warehouse_dir / "load.duckdb")
    files = [settings.load_path, settings.warehouse_path]
    before = [path.read_bytes() if path.exists() else None for path in files]
    done = referrals(*TO, **{TYPE: "duckdb", CREDENTIALS: str(settings.warehouse_dir / name)})
    assert done.code == 2
    assert "which is a file of this warehouse, or in its directory" in one_line(done)
    assert f"Set {CREDENTIALS} to a file elsewhere" in one_line(done)
    assert [path.read_bytes() if path.exists() else None for path in files] == before
    assert not (settings.warehouse_dir / "new.duckdb").exists()


@pytest.mark.full
def test_a_view_on_a_removed_column_is_reported_in_one_line(referrals: Run, settings: Settings, address: str) -> None:
    from tests.lake.lakes import altered
    from tests.operate.deliveries import switch_to

    assert referrals(*TO).code == 0
    execute(address, "create schema reports; create view reports.codes as select code from referrals.core_users")
    altered(settings, 1, 4, "alter table core.users drop column code")
    switch_to(settings, 4)
    done = referrals(*TO)
    assert done.code == 2
    assert "other objects depend on it" in one_line(done)
    assert "Drop the views there" in one_line(done)
    assert differences(address, settings, 1) == []


def test_a_user_who_may_not_create_is_reported_in_one_line(referrals: Run, address: str) -> None:
    execute(address, "create role reader login password 'reader-0f9e8d'")
    try:
        where = address.replace(f"postgres:{PASSWORD}", "reader:reader-0f9e8d")
        done = referrals(*TO, **{CREDENTIALS: where})
    finally:
        execute(address, "drop role reader")
    assert done.code == 2
    assert "permission denied for database" in one_line(done)
    assert "grant the user the missing right there" in one_line(done)
    assert "referrals" not in datasets(address)
