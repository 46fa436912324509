"""Completes values of options in a shell; imports nothing slow, because a shell waits for it at each TAB."""

from __future__ import annotations

from typing import ClassVar

import click
from click.shell_completion import FishComplete, add_completion_class

from referral_warehouse.settings.unknown_names import STREAM_NAMES


class Fish(FishComplete):
    """Completion in fish. Values and help texts may have commas: only the first comma separates type and value."""

    source_template: ClassVar[str] = FishComplete.source_template.replace("string split ", "string split --max 1 ")


def offer_fish() -> None:
    """Register ``Fish`` with click."""
    add_completion_class(Fish)


def complete_streams(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:  # noqa: ARG001
    """Lists of streams that begin with the text: what follows the last comma is completed, each stream once."""
    chosen, comma, begun = incomplete.rpartition(",")
    return [
        f"{chosen}{comma}{name}"
        for name in STREAM_NAMES
        if name.startswith(begun.strip()) and name not in [part.strip() for part in chosen.split(",")]
    ]
