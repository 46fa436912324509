"""Options of the log on standard error, accepted before and after the name of a command.

Imports click alone, so that ``--help`` stays fast.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])


def _remember(ctx: click.Context, parameter: click.Parameter, value: Any) -> None:
    if value:
        ctx.ensure_object(dict)[parameter.name] = value


def logging_options(command: F) -> F:
    """``--verbose`` and ``--log-format``, stored in the object that the group and its commands share."""
    for option in (
        click.option(
            "--log-format", type=click.Choice(["text", "json"]), expose_value=False, callback=_remember,
            help="Log each step on standard error, as text or a JSON object a line.",
        ),
        click.option(
            "--verbose", is_flag=True, expose_value=False, callback=_remember,
            help="Show tracebacks and every request.",
        ),
    ):  # fmt: skip
        command = option(command)
    return command
