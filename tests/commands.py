"""Reads the commands of a Markdown text, and plans how a test runs each: as it stands, shortened, or with an error.

A fence marked ``sh`` holds commands; in one marked ``console`` the lines behind ``$ `` are commands and the rest is
what they print. A backslash at the end of a line continues it, and a here-document belongs to its command.
Must not know this project's commands; tests/documented_commands.py holds the table.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.fences import fences_of

HERE_DOCUMENT = re.compile(r"<<-?\s*(['\"]?)(\w+)\1")


@dataclass(frozen=True)
class Command:
    """One command of the text and the line it begins on."""

    text: str
    line: int


@dataclass(frozen=True)
class Shortened:
    """How a command is run in a test instead, and why not as it stands."""

    instead: str
    why: str


class UnknownCommand(Exception):
    """The text has a command without a rule how to run it, or the table has a command that the text does not have."""


def read_commands(markdown: str) -> list[Command]:
    """Every command of the ``sh`` and ``console`` fences, in their order.

    Raises: ValueError when a fence is not closed.
    """
    found: list[Command] = []
    for fence in fences_of(markdown):
        if fence.info in ("sh", "console"):
            lines = list(enumerate(fence.text.splitlines(), start=fence.line))
            found += _commands(lines, is_console=fence.info == "console")
    return found


def _commands(lines: Sequence[tuple[int, str]], is_console: bool) -> Iterator[Command]:
    waiting = iter(lines)
    for number, line in waiting:
        if is_console and not line.startswith("$ "):
            continue
        text = line.removeprefix("$ ") if is_console else line
        if not text.strip() or text.lstrip().startswith("#"):
            continue
        while text.endswith("\\"):
            text += "\n" + _continuation(next(waiting, (0, ""))[1], is_console)
        if document := HERE_DOCUMENT.search(text):
            for _, inner in waiting:
                text += f"\n{inner}"
                if inner.strip() == document[2]:
                    break
        yield Command(_without_comment(text), number)


def _continuation(line: str, is_console: bool) -> str:
    return line.removeprefix("> ") if is_console else line


def _without_comment(text: str) -> str:
    """A single-line command without the comment that follows two blanks and a ``#``."""
    return text.strip() if "\n" in text else re.sub(r"\s{2,}# .*$", "", text).strip()


def plan(
    commands: Sequence[Command], as_it_stands: Sequence[str], table: Mapping[str, Shortened]
) -> list[tuple[Command, str]]:
    """Each command with the text that a test runs.

    ``as_it_stands`` are patterns that a whole command has to match; ``table`` is asked first.
    Raises: UnknownCommand, also for a row or a pattern that matches nothing, so that neither outlives its command.
    """
    planned, used = [], set[str]()
    for command in commands:
        if command.text in table:
            used.add(command.text)
            planned.append((command, table[command.text].instead))
            continue
        matching = [pattern for pattern in as_it_stands if re.fullmatch(pattern, command.text, re.DOTALL)]
        if not matching:
            raise UnknownCommand(f"line {command.line}: nobody says how to run this: {command.text}")
        used.update(matching)
        planned.append((command, command.text))
    if unused := [row for row in (*as_it_stands, *table) if row not in used]:
        raise UnknownCommand(f"the text holds no such command any more: {unused}")
    return planned


def run(
    text: str, folder: Path, environ: Mapping[str, str], timeout_s: float = 400
) -> subprocess.CompletedProcess[str]:
    """Run one command through the shell, as a reader would.

    Units: ``timeout_s`` guards against a hang only; the demo alone takes 40 CPU seconds, and machines are shared.
    Raises: AssertionError with what the command printed, when it does not end with 0.
    """
    done = subprocess.run(
        ["sh", "-euc", text], cwd=folder, env=dict(environ), stdin=subprocess.DEVNULL,
        capture_output=True, text=True, check=False, timeout=timeout_s,
    )  # fmt: skip
    assert done.returncode == 0, f"{text}\nended with {done.returncode}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
    return done
