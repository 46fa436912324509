"""What a new user tries first: help without a command, suggestions for wrong names, completion in a shell."""

from __future__ import annotations

import dataclasses
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from referral_warehouse.cli import COMMANDS, cli
from referral_warehouse.cli.completion import complete_streams
from referral_warehouse.load.registry import STREAMS
from referral_warehouse.sandbox import Quirks

COMMAND = (sys.executable, "-m", "referral_warehouse")


def run(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *arguments], env=os.environ | environ, capture_output=True, text=True, check=False, timeout=60
    )


def test_without_a_command_the_help_is_shown() -> None:
    done = run()
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("Usage: referrals [OPTIONS] COMMAND")
    assert done.stderr == run("--help").stdout


@settings(deadline=None)
@given(st.sampled_from(list(COMMANDS)), st.integers(0, 8), st.sampled_from("abcxyz-"), st.booleans())
def test_a_misspelt_command_is_refused_with_the_right_one(name: str, at: int, letter: str, is_upper: bool) -> None:
    wrong = (name[:at] + letter + name[at:]).removeprefix("-")
    wrong = wrong.upper() if is_upper else wrong
    if wrong in COMMANDS:
        return
    with pytest.raises(click.UsageError) as refused:
        cli.main([wrong], standalone_mode=False)
    assert refused.value.format_message() == f"No such command {wrong!r}. Did you mean {name!r}?"


def test_a_name_that_resembles_no_command_is_refused_in_one_line() -> None:
    done = run("qqqq")
    assert done.returncode == 2
    assert done.stderr == (
        "referrals: No such command 'qqqq'. Nothing was changed. Next: `referrals --help` shows the usage.\n"
    )


def with_command(folder: Path) -> dict[str, str]:
    """An environment whose PATH has a command `referrals` of this project."""
    command = folder / "referrals"
    command.write_text(f'#!/bin/sh\nexec {shlex.join(COMMAND)} "$@"\n')
    command.chmod(0o700)
    return os.environ | {"PATH": f"{folder}{os.pathsep}{os.environ['PATH']}"}


@pytest.fixture
def completed(tmp_path: Path) -> Callable[..., list[str]]:
    """What the documented line makes a shell offer for the last of some words."""
    environ = with_command(tmp_path)
    script = (
        'set -e; eval "$(_REFERRALS_COMPLETE=bash_source referrals)"; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); '
        '_referrals_completion referrals; printf "%s\\n" "${COMPREPLY[@]}"'
    )

    def complete(*words: str) -> list[str]:
        done = subprocess.run(
            ["bash", "-c", script, "bash", *words], env=environ, capture_output=True, text=True, check=False, timeout=60
        )
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout.split()

    return complete


def test_a_shell_completes_commands_options_and_streams(completed: Callable[..., list[str]]) -> None:
    assert completed("referrals", "st") == ["status", "strikes"]
    options = {"--streams", "--sweep", "--rebuild", "--json", "--accept-deletions"}
    assert options <= set(completed("referrals", "sync", "--"))
    offered = completed("referrals", "sync", "--streams", "users,rewards_")
    assert offered == ["users,rewards_issued", "users,rewards_due"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_every_shell_gets_its_script(shell: str) -> None:
    done = run(_REFERRALS_COMPLETE=f"{shell}_source")
    assert (done.returncode, done.stderr) == (0, "")
    assert f"_REFERRALS_COMPLETE={shell}_complete" in done.stdout


@pytest.mark.skipif(shutil.which("fish") is None, reason="fish is not installed")
def test_fish_completes_lists_and_shows_whole_sentences(tmp_path: Path) -> None:
    """Both have commas."""
    script = (
        "_REFERRALS_COMPLETE=fish_source referrals | source; "
        'complete --do-complete "referrals sync --streams users,rewards_"; complete --do-complete "referrals sync --ev"'
    )
    environ = with_command(tmp_path) | {"HOME": str(tmp_path)}
    done = subprocess.run(
        ["fish", "-c", script], env=environ, capture_output=True, text=True, check=False, timeout=60
    )  # fmt: skip
    *streams, every = [line for line in done.stdout.splitlines() if line]
    assert streams == ["users,rewards_due", "users,rewards_issued"]
    assert every == "--every\tKeep running and sync every 15m, 1h or 1d, also after failures."


def test_the_script_of_fish_splits_at_the_first_comma_alone() -> None:
    script = run(_REFERRALS_COMPLETE="fish_source").stdout
    assert script.count("string split") == script.count('string split --max 1 ","') == 1


@given(st.lists(st.sampled_from(list(STREAMS)), unique=True, max_size=5), st.integers(0, 3))
def test_every_other_stream_is_offered_after_a_comma(chosen: list[str], begun: int) -> None:
    others = [name for name in STREAMS if name not in chosen]
    incomplete = ",".join([*chosen, others[0][:begun]])
    context = click.Context(cli)
    offered = complete_streams(context, click.Option(["--streams"]), incomplete)
    assert offered == [",".join([*chosen, name]) for name in others if name.startswith(others[0][:begun])]


def test_the_help_of_the_sandbox_has_the_quirks_in_groups() -> None:
    text = CliRunner().invoke(cli, ["sandbox", "--help"]).output
    headings = [line for line in text.splitlines() if line.endswith(":") and not line.startswith(" ")]
    assert len(headings) >= 8
    assert headings[0] == "Options:"
    first, *groups = text.split("\n\n")[2:-1]
    assert "--quirk-" not in first
    assert "--port" in first
    for quirk in dataclasses.fields(Quirks):
        [holder] = [
            group for group in groups if f"  --quirk-{quirk.name.replace('_', '-')} " in group.replace("\n", " ")
        ]
        assert 1 < len(holder.splitlines()) < 45
