"""Every command of the README runs: as it stands, or as the table below says; one that nobody thought of fails here."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from referral_warehouse.sandbox import Sandbox
from tests.commands import Command, Shortened, UnknownCommand, plan, read_commands, run

PROJECT = Path(__file__).parents[1]
README = (PROJECT / "README.md").read_text(encoding="utf-8")
DEMO_FENCE = re.compile(r"<!-- demo output: begin -->\n```text\n(.*?)\n```", re.DOTALL)
SQL_FENCE = re.compile(r"^```sql\n(.*?)^```", re.MULTILINE | re.DOTALL)

# Commands that run in the test exactly as a reader types them (patterns for the whole command).
AS_IT_STANDS: list[str] = [
    r"cp \.dlt/example\.secrets\.toml .*",
    r"export SOURCES__REFERRAL_FACTORY__API_TOKEN=.*",
    r"referrals (check|status|strikes|load|build|publish)",
    r"referrals sync.*",
    r"referrals sandbox --help",
    r"python -c .*",
    r"referrals sandbox --file .*",
    r"(?s)python <<.*",
    r"make help",
]

# Commands that run differently there, each with the reason.
SHORTENED: dict[str, Shortened] = {
    "make run": Shortened("referrals demo > demo.said", "its setup installs everything; .ci/run runs it with that"),
    "make test": Shortened("python -m pytest -q tests/api/test_api_query.py", "these are the tests"),
    ". .venv/bin/activate": Shortened("command -v referrals", "the commands are on the PATH already"),
    "referrals sandbox --port 8000 --users 500": Shortened(
        "referrals sandbox --users 50 > said & until grep -q Sync said; do sleep 0.1; done; kill -TERM $!; wait $!",
        "it serves until it is stopped, and the port may be taken",
    ),
    "referrals demo --days 3": Shortened(
        "WAREHOUSE__DIR=other referrals demo --days 1 --users 60", "a day shows it, in a folder of its own"
    ),
    "make lint test": Shortened("make -n lint test", "these are the tests"),
    "make bench ARGS='--quick'": Shortened("python -m tests.bench --help", "it takes minutes"),
}

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


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """The project's commands on the PATH, a home of one's own, and no setting of whoever runs the tests."""
    foreign = ("SOURCES__", "WAREHOUSE__", "MAKE", "MFLAGS", "ARGS", "DAYS", "DEMO")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    own = {"HOME": str(tmp_path / "own"), "XDG_STATE_HOME": str(tmp_path / "own/state")}
    (tmp_path / "own").mkdir()
    return kept | own | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}


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


def test_every_command_of_the_readme_runs(checkout: Path, environ: dict[str, str]) -> None:
    commands = read_commands(README)
    assert commands
    prefix = "SOURCES__REFERRAL_FACTORY__"
    with Sandbox(users=150, seed=2, calls_per_minute=0) as sandbox:
        environ |= {
            f"{prefix}BASE_URL": sandbox.base_url,
            f"{prefix}API_TOKEN": sandbox.token,
            f"{prefix}CALLS_PER_MINUTE": "0",
            f"{prefix}SIMULATED_TIME": "true",
        }
        for command, text in plan(commands, AS_IT_STANDS, SHORTENED):
            if not command.text.startswith("export "):  # a token of one's own would hide the sandbox's
                run(text, checkout, environ)
            else:
                assert command.text.count("=") == 1
    said = (checkout / "demo.said").read_text(encoding="utf-8").replace(f"{checkout}/", "")
    [shown] = DEMO_FENCE.findall(README)
    assert [line.rstrip() for line in said.splitlines()] == shown.splitlines(), "the README shows another output"
    queries = [query for block in SQL_FENCE.findall(README) for query in block.split(";") if query.strip()]
    assert len(queries) >= 5
    with duckdb.connect(str(checkout / "data" / "warehouse.duckdb"), read_only=True) as connection:
        for query in queries:
            assert connection.execute(query).fetchall(), query


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


def test_the_table_goes_before_the_patterns() -> None:
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
def test_what_nobody_knows_fails(patterns: list[str], table: dict[str, Shortened], words: str) -> None:
    with pytest.raises(UnknownCommand, match=words):
        plan([Command("make run", 3)], patterns, table)


def test_a_command_that_fails_shows_what_it_said(tmp_path: Path, environ: dict[str, str]) -> None:
    with pytest.raises(AssertionError, match=r"(?s)ended with 7.*not today"):
        run("echo not today >&2; exit 7", tmp_path, environ)
    with pytest.raises(AssertionError, match="ended with 1"):
        run("false\ntrue", tmp_path, environ)


def test_the_copy_is_whole_and_nobodys_own(checkout: Path, environ: dict[str, str]) -> None:
    assert (checkout / "Makefile").is_file()
    assert not (checkout / ".venv").exists()
    assert not (checkout / ".git").exists()
    said = run("command -v python; env", checkout, environ).stdout
    assert said.startswith(f"{Path(sys.executable).parent}/python\n")
    assert re.findall(r"^(?:SOURCES|WAREHOUSE)__.*", said, re.MULTILINE) == []
    assert run("make help", checkout, environ).stdout.startswith("make <target>")
