"""Every command and query of README.md and docs/ runs: as it stands, or as tests/documented_commands.py says.

A command that neither the patterns nor the table know fails the test. All pages share the data of one demo, and what
several of them run as the same line runs once. ``referrals`` is a program of tests/kills/forks.py.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from referral_warehouse.sandbox import Sandbox
from tests.commands import Command, Shortened, UnknownCommand, plan, read_commands, run
from tests.documentation import PAGES, PROJECT, queries_of
from tests.documented_commands import AS_IT_STANDS, DEMO_DAYS, NEEDS_MARTS, SHORTENED
from tests.kills.forks import forks_with

DEMO_FENCE = re.compile(r"<!-- demo output: begin -->\n```text\n(.*?)\n```", re.DOTALL)
SEVERAL = "docs/accounts.md"  # its queries need several accounts: tests/accounts runs them

PLANTED = """# Planted
```sh
# a remark
make run  # sets everything up
export A=1
```
Text with `inline` code, and output that is no command:

```text
make nothing
```
1. a list

   ```sh
   printf '%s' \\
     two
   cat <<'EOF' > note
   # not a remark
   EOF
   ```

~~~console
$ echo one   # and more
one
$ echo two \\
> three
two three
~~~
"""


def isolated_environ(tmp_path: Path) -> dict[str, str]:
    """The project's commands on the PATH, a home of one's own, and no setting of whoever runs the tests."""
    foreign = ("SOURCES__", "WAREHOUSE__", "NOTIFY__", "COLUMNS", "MAKE", "MFLAGS", "ARGS", "DAYS", "DEMO")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    own = {"HOME": str(tmp_path / "own"), "XDG_STATE_HOME": str(tmp_path / "own/state")}
    (tmp_path / "own").mkdir()
    return kept | own | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    return isolated_environ(tmp_path)


@pytest.fixture
def checkout(tmp_path: Path) -> Iterator[Path]:
    """A copy of what git holds or would take, without the environment: nothing here touches the real checkout."""
    folder = tmp_path / "referral-warehouse"
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=PROJECT,
        capture_output=True,
        check=True,
    )
    for name in filter(None, listed.stdout.decode().split("\0")):
        if (PROJECT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(PROJECT / name, folder / name)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def programs(tmp_path: Path, few_models_folder: Path) -> tuple[Path, Path]:
    """The folders of two programs that start no interpreter for each command: with all models, and with few."""
    folders = tmp_path / "bin" / "all", tmp_path / "bin" / "few"
    for folder, models in zip(folders, (None, few_models_folder), strict=True):
        folder.mkdir(parents=True)
        program = folder / "referrals"
        program.write_text(f'#!/bin/sh\nexec {shlex.join(forks_with(models).program)} "$@"\n', encoding="utf-8")
        program.chmod(0o755)
    return folders


@pytest.fixture
def of_marts(checkout: Path, environ: dict[str, str], programs: tuple[Path, Path]) -> dict[str, str]:
    """The environment of commands that read what `make run DAYS=3` has published, with all marts."""
    environ |= {"PATH": f"{programs[0]}{os.pathsep}{environ['PATH']}"}
    run(f"referrals demo --days {DEMO_DAYS} > demo.said", checkout, environ)
    return environ


@pytest.fixture
def of_account(checkout: Path, of_marts: dict[str, str], programs: tuple[Path, Path]) -> Iterator[dict[str, str]]:
    """The environment of commands that write: another directory, of the demo's account, and few marts."""
    shutil.copy(checkout / "data" / "sandbox.sqlite3", checkout / "world.sqlite3")
    prefix = "SOURCES__REFERRAL_FACTORY__"
    with Sandbox(path=checkout / "world.sqlite3", calls_per_minute=0) as sandbox:
        environ = of_marts | {
            "PATH": f"{programs[1]}{os.pathsep}{of_marts['PATH']}",
            "WAREHOUSE__DIR": "account",
            f"{prefix}BASE_URL": sandbox.base_url,
            f"{prefix}API_TOKEN": sandbox.token,
            f"{prefix}CALLS_PER_MINUTE": "0",
            f"{prefix}SIMULATED_TIME": "true",
        }
        run("referrals sync", checkout, environ)
        yield environ


def _check_queries(folder: Path) -> None:
    """Run every query of every page on the demo's snapshot; each returns rows, and those that the page shows."""
    with duckdb.connect(str(folder / "data" / "warehouse.duckdb"), read_only=True) as connection:
        connection.execute("set file_search_path = $folder", {"folder": str(folder)})
        for query in (query for page in PAGES if page != SEVERAL for query in queries_of(page)):
            found = connection.sql(query.text)
            assert found.fetchone() is not None, f"{query.page} has a query without a result:\n{query.text}"
            if query.shown is not None:
                assert str(connection.sql(query.text)).strip() == query.shown.strip(), query.page


def _commands() -> list[Command]:
    """Each command of all pages once, in their order."""
    found = [command for text in PAGES.values() for command in read_commands(text)]
    return list({command.text: command for command in found}.values())


def test_every_command_and_query_of_the_documentation_runs(
    checkout: Path, of_marts: dict[str, str], of_account: dict[str, str]
) -> None:
    said = (checkout / "demo.said").read_text(encoding="utf-8").replace(f"{checkout}/", "")
    [shown] = DEMO_FENCE.findall(PAGES["README.md"])
    assert [line.rstrip() for line in said.splitlines()] == shown.splitlines(), "README.md shows another output"
    _check_queries(checkout)
    done = set[str]()
    for command, text in plan(_commands(), AS_IT_STANDS, SHORTENED):
        if command.text.startswith("export "):  # a token of its own would replace the sandbox's
            assert command.text.count("=") == 1
        elif text not in done:
            done.add(text)
            run(text, checkout, of_marts if re.fullmatch(NEEDS_MARTS, command.text, re.DOTALL) else of_account)


def test_commands_are_found_where_they_stand() -> None:
    assert read_commands(PLANTED) == [
        Command("make run", 4),
        Command("export A=1", 5),
        Command("printf '%s' \\\n  two", 15),
        Command("cat <<'EOF' > note\n# not a remark\nEOF", 17),
        Command("echo one", 23),
        Command("echo two \\\nthree", 25),
    ]


def test_found_commands_run_as_they_stand(checkout: Path, environ: dict[str, str]) -> None:
    printed = [run(command.text, checkout, environ).stdout for command in read_commands(PLANTED)[2:]]
    assert printed == ["two", "", "one\n", "two three\n"]
    assert (checkout / "note").read_text(encoding="utf-8") == "# not a remark\n"


def test_a_fence_that_is_not_closed_is_noticed() -> None:
    with pytest.raises(ValueError, match="line 2 is not closed"):
        read_commands("text\n```sh\nmake run\n")


def test_the_table_has_precedence_over_the_patterns() -> None:
    commands = [Command("make run", 3), Command("make lint", 4)]
    table = {"make run": Shortened("make -n run", "it would install everything")}
    assert [text for _, text in plan(commands, ["make .+"], table)] == ["make -n run", "make lint"]


@pytest.mark.parametrize(
    ("patterns", "table", "words"),
    [
        ([], {}, "line 3: nobody says how to run this: make run"),
        (["make"], {}, "nobody says how to run this: make run"),
        (["make run", "make walk"], {}, r"no such command any more: \['make walk'\]"),
        (["make run"], {"make walk": Shortened("true", "gone")}, r"no such command any more: \['make walk'\]"),
    ],
)
def test_unknown_names_fail(patterns: list[str], table: dict[str, Shortened], words: str) -> None:
    with pytest.raises(UnknownCommand, match=words):
        plan([Command("make run", 3)], patterns, table)


def test_a_command_that_fails_shows_its_output(tmp_path: Path, environ: dict[str, str]) -> None:
    with pytest.raises(AssertionError, match=r"(?s)ended with 7.*not today"):
        run("echo not today >&2; exit 7", tmp_path, environ)
    with pytest.raises(AssertionError, match="ended with 1"):
        run("false\ntrue", tmp_path, environ)


def test_the_copy_is_complete_and_private(checkout: Path, environ: dict[str, str]) -> None:
    assert (checkout / "Makefile").is_file()
    assert not (checkout / ".venv").exists()
    assert not (checkout / ".git").exists()
    said = run("command -v python; env", checkout, environ).stdout
    assert said.startswith(f"{Path(sys.executable).parent}/python\n")
    assert re.findall(r"^(?:SOURCES|WAREHOUSE)__.*", said, re.MULTILINE) == []
    assert run("make help", checkout, environ).stdout.startswith("make <target>")
