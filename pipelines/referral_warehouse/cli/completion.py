"""Completes values of options in a shell; imports nothing slow, because a shell waits for it at each TAB."""

from __future__ import annotations

import click

from referral_warehouse.settings.unknown_names import STREAM_NAMES


def complete_streams(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:  # noqa: ARG001
    """Lists of streams that begin with the text: what follows the last comma is completed, each stream once."""
    chosen, comma, begun = incomplete.rpartition(",")
    return [
        f"{chosen}{comma}{name}"
        for name in STREAM_NAMES
        if name.startswith(begun.strip()) and name not in [part.strip() for part in chosen.split(",")]
    ]
