"""Text from the account, in every place that a command writes to: real processes, a real server, a real terminal."""

from __future__ import annotations

import hashlib
import json
import os
import pty
import re
import subprocess
import sys
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tests.account_server import AccountServer, due, issued, reward, small_account, user
from tests.cli.processes import PREFIX
from tests.hostile_text import HALF_SURROGATE, HOSTILE, stays_visible
from tests.kills.forks import run_referrals
from tests.sampling import sampled

NAMES = list(HOSTILE.values())
STYLE = re.compile(r"\x1b\[[0-9;]*m")
TYPES = {name.strip(" ") for name in NAMES}  # blanks around a type are no part of it in the marts
LABELS = {
    name if len(name) <= 200 else f"{name[:160]}… {hashlib.md5(name.encode()).hexdigest()}"  # noqa: S324 - as DuckDB
    for name in TYPES
}
"""What lists show of a type: a long one by its beginning and a checksum (sql/DECISIONS.md)."""
CURSOR = re.compile(r"\x1b\[(\?25[lh]|[0-9]*[AK])")


class Hostile:
    """An account in which every text is hostile, and the commands run against it."""

    def __init__(self, server: AccountServer, folder: Path, models: Path, package: str) -> None:
        self.server = server
        self.folder = folder
        self.models = models
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("SOURCES__", "WAREHOUSE__"))}
        self.environ = kept | {
            f"{PREFIX}BASE_URL": server.base_url, f"{PREFIX}API_TOKEN": "hostile-test-token",
            f"{PREFIX}CALLS_PER_MINUTE": "0", "WAREHOUSE__DIR": str(folder / "data"), "HOME": str(folder),
            "XDG_STATE_HOME": str(folder / "xdg"), "PYTHONIOENCODING": "utf-8",
            "WAREHOUSE__MAX_QUARANTINE_PERCENT": "100", "PYTHONPATH": package,
        }  # fmt: skip

    def run(self, *arguments: str, **changes: str) -> subprocess.CompletedProcess[str]:
        return run_referrals(arguments, self.environ | changes, self.folder, self.models)

    def on_a_terminal(self, *arguments: str) -> tuple[int, str]:
        """Run with a terminal of 100 columns; gives the exit code and all that reached it."""
        ours, theirs = pty.openpty()
        environ = self.environ | {"TERM": "xterm-256color", "COLUMNS": "100"}
        process = subprocess.Popen(
            [sys.executable, "-m", "referral_warehouse", *arguments], env=environ, cwd=self.folder, stdin=theirs,
            stdout=theirs, stderr=theirs,
        )  # fmt: skip
        os.close(theirs)
        written = b""
        try:
            while True:
                try:
                    piece = os.read(ours, 65_536)
                except OSError:  # Linux: nobody has the other end any more
                    break
                if not piece:
                    break
                written += piece
        finally:
            os.close(ours)
            process.wait(timeout=120)
        return process.returncode, written.decode("utf-8")

    def ask(self, sql: str) -> list[tuple[Any, ...]]:
        with duckdb.connect(str(self.folder / "data" / "warehouse.duckdb"), read_only=True) as connection:
            return connection.execute(sql).fetchall()


def lines_of(text: str) -> list[str]:
    """What stands between line feeds; whatever else might end a line is a fault."""
    lines = text.split("\n")
    assert all(stays_visible(line) for line in lines), [line for line in lines if not stays_visible(line)]
    return lines


def hostile_lists() -> dict[str, list[dict[str, Any]]]:
    lists = small_account()
    numbers = range(1, len(NAMES) + 1)
    lists["campaigns"] = [
        lists["campaigns"][0] | {"id": n, "name": text, "code": text, "status": text, "url": text}
        for n, text in zip(numbers, NAMES, strict=True)
    ]
    lists["users"] = [
        user(n, first_name=text, email=text, code=f"{n}{text}", source=text, url=text, meta={text: text})
        for n, text in zip(numbers, NAMES, strict=True)
    ] + [user(900 + n, reach=text) for n, text in zip(numbers, [*NAMES[:-1], HALF_SURROGATE], strict=True)]
    lists["rewards"] = [
        reward(n, name=text, type=text, reward_for=text, when_referral=text)
        for n, text in zip(numbers, NAMES, strict=True)
    ]
    lists["rewards/due"] = [
        due(n, reward_id=n, reward_type=text, reward_for=text, recipient_first_name=text, status=text)
        for n, text in zip(numbers, NAMES, strict=True)
    ]
    lists["rewards/issued"] = [
        issued(n, reward_id=n, reward_type=text, status=text) for n, text in zip(numbers, NAMES, strict=True)
    ]
    return lists


UNITS = {text.strip(): text.strip() for text in [*NAMES, "a type that is not there \x1b[31m"]}


@pytest.fixture(scope="module")
def hostile(
    tmp_path_factory: pytest.TempPathFactory, few_models_folder: Path, few_models_package: str
) -> Iterator[Hostile]:
    """Its builds have the tables of core and ops, and few marts."""
    with AccountServer(hostile_lists()) as server:
        yield Hostile(server, tmp_path_factory.mktemp("hostile"), few_models_folder, few_models_package)


@pytest.fixture(scope="module")
def synced(hostile: Hostile) -> Hostile:
    """The account, published once with a log that shows everything; what was logged is looked at here."""
    hostile.environ["WAREHOUSE__REWARD_UNITS"] = json.dumps(UNITS)
    done = hostile.run("sync", "--json", "--verbose", "--log-format", "json")
    assert done.returncode == 0, done.stderr[-2000:]
    events = [json.loads(line) for line in lines_of(done.stderr) if line]
    assert {event["event"] for event in events} >= {"stage", "request"}
    [line, end] = lines_of(done.stdout)
    assert end == ""
    assert json.loads(line)["published"] is True
    return hostile


def test_every_text_is_published_as_it_is(synced: Hostile) -> None:
    for table in ("core.campaigns", "core.rewards"):
        assert {name for (name,) in synced.ask(f"select name from {table}")} == set(NAMES)
    assert {name for (name,) in synced.ask("select status from core.rewards_issued")} == set(NAMES)
    assert synced.ask("select count(*) from core.users") == [(len(NAMES),)]


def test_reasons_in_the_quarantine_are_visible_and_short(synced: Hostile) -> None:
    reasons = [reason for (reason,) in synced.ask("select reason from ops.quarantine")]
    assert len(reasons) == len(NAMES)
    assert all(stays_visible(reason) and len(reason) < 200 for reason in reasons)


def test_examples_of_checks_are_visible_and_short(synced: Hostile) -> None:
    examples = [example for (example,) in synced.ask("select example from ops.checks where example is not null")]
    assert examples
    assert all(stays_visible(example) and len(example) < 1_000 for example in examples)
    [(example,)] = synced.ask("select example from ops.checks where check_name = 'warn_unit_setting_unknown'")
    assert r"a type that is not there \x1b[31m" in example


def test_the_manifest_holds_names_exactly_and_nothing_that_acts(synced: Hostile) -> None:
    text = (synced.folder / "data" / "manifest.json").read_text(encoding="utf-8")
    assert json.loads(text)["reward_units"] == UNITS
    lines_of(text)


def test_no_file_is_named_by_the_account(synced: Hostile) -> None:
    names = {path.name for path in (synced.folder / "data").rglob("*")}
    assert all(re.fullmatch(r"[\w.\-]+", name, re.ASCII) for name in names), names


def test_status_shows_names_as_text(synced: Hostile) -> None:
    done = synced.run("status")
    assert done.returncode == 0, done.stderr
    shown = "\n".join(lines_of(done.stdout))
    for part in ("Gift [/promo]", "[vip] gift [bold red]now[/]", "gift :fire: :pile_of_poo:", r"\x1b[31mred\x1b[0m"):
        assert part in shown
    assert max(map(len, shown.split("\n"))) <= 160


def test_status_on_a_terminal_shows_names_as_text(synced: Hostile) -> None:
    code, written = synced.on_a_terminal("status")
    assert code == 0
    assert "\x1b[1m" in written, "headings are bold there"
    shown = STYLE.sub("", written).replace("\r\n", "\n")
    lines_of(shown)
    assert "[/promo]" in shown
    assert ":fire:" in shown


def test_status_as_json_has_names_exactly(synced: Hostile) -> None:
    done = synced.run("status", "--json")
    [line, _] = lines_of(done.stdout)
    assert {row["reward_type"] for row in json.loads(line)["liability"]} == LABELS


@pytest.mark.parametrize("encoding", sampled(["latin-1", "ascii", "cp1252", "utf-16"], 2))
def test_json_is_valid_in_any_encoding(synced: Hostile, encoding: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "referral_warehouse", "status", "--json"],
        env=synced.environ | {"PYTHONIOENCODING": encoding},
        cwd=synced.folder, capture_output=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert {row["reward_type"] for row in json.loads(done.stdout.decode(encoding))["liability"]} == LABELS


def test_the_dictionary_holds_nothing_of_the_account(synced: Hostile) -> None:
    done = run_referrals(["docs"], synced.environ, synced.folder)
    assert done.returncode == 0, done.stderr
    assert done.stdout == (Path(__file__).parents[2] / "sql" / "DICTIONARY.md").read_text(encoding="utf-8")


def test_a_sync_on_a_terminal_shows_names_as_text(synced: Hostile) -> None:
    synced.server.lists["users"].append(user(500, first_name="\x1b]52;c;cm0gLXJmIC8=\x07"))
    code, written = synced.on_a_terminal("sync", "--sweep", "--verbose")
    assert code == 0, written[-2000:]
    shown = CURSOR.sub("", STYLE.sub("", written)).replace("\r\n", "\n").replace("\r", "\n")
    lines_of(shown)
    assert "published" in shown


@pytest.mark.parametrize(("name", "kind"), sampled(product([*HOSTILE, "half a surrogate pair"], ["json", "page"]), 5))
def test_the_words_of_the_api_are_one_visible_line(hostile: Hostile, name: str, kind: str) -> None:
    text = HOSTILE.get(name, HALF_SURROGATE)
    body = json.dumps({"message": text, "errors": {text: [text]}}).encode()
    if kind == "page":
        body = f"<html><title>{text}</title><body>{text}</body></html>".encode("utf-8", "surrogatepass")
    hostile.server.errors["campaigns"] = (401, body)
    try:
        done = hostile.run("check", WAREHOUSE__DIR=str(hostile.folder / "other"))
    finally:
        hostile.server.errors.clear()
    assert done.returncode == 3
    [line, _] = lines_of(done.stderr)
    assert line.startswith("referrals: The API did not accept the token")
    assert line.endswith("and run the same command again.")
    assert len(line) < 1_000


@pytest.mark.full
def test_the_log_of_runs_keeps_words_of_the_api_as_one_visible_line(hostile: Hostile, tmp_path: Path) -> None:
    text = "forged\n2026-01-01T00:00:00Z all is well \x1b[2J [/] \u202e"
    changes = {"WAREHOUSE__DIR": str(tmp_path / "data")}
    assert hostile.run("sync", **changes).returncode == 0
    hostile.server.errors["users"] = (401, json.dumps({"message": text}).encode())
    try:
        assert hostile.run("sync", **changes).returncode == 3
    finally:
        hostile.server.errors.clear()
    assert hostile.run("sync", "--rebuild", **changes).returncode == 0
    done = hostile.run("status", "--json", **changes)
    [error] = [run["error"] for run in json.loads(done.stdout)["runs"] if run["error"]]
    assert stays_visible(error)
    assert r"\x1b[2J" in error
    lines_of(hostile.run("status", **changes).stdout)


@pytest.mark.parametrize(
    ("arguments", "changes"),
    [
        (["sync", "--streams", "users,\x1b[31mred\n\u202e[/]"], {}),
        (["no-such\x1b[2J\ncommand"], {}),
        (["sync"], {f"{PREFIX}CONCURRENCY": "many\x1b[2J\u202e[/]"}),
        (["sync"], {"WAREHOUSE__REWARD_UNITS": json.dumps({"type\x1b[2J\u2028": 5})}),
        (["sandbox", "--events", "--file", "no\x1b[2J\u202e[/]"], {}),
    ],
)
def test_arguments_and_settings_are_shown_as_text(
    hostile: Hostile, arguments: list[str], changes: dict[str, str]
) -> None:
    for options in ([], ["--log-format", "json"]):
        done = hostile.run(*options, *arguments, **changes)
        assert done.returncode == 2
        [line, _] = lines_of(done.stderr)
        assert line.startswith("referrals: ") if not options else json.loads(line)["exit_code"] == 2
