"""``schedule``: prints the file that makes a scheduler run the sync of this directory."""

from __future__ import annotations

import getpass
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from referral_warehouse.cli.configuration import read_settings
from referral_warehouse.cli.output import warn, write_text
from referral_warehouse.cli.verbosity import logging_options
from referral_warehouse.errors import ConfigurationError
from referral_warehouse.settings.accounts import SECTION as ACCOUNTS
from referral_warehouse.settings.sources import cleaned
from referral_warehouse.settings.table import TABLE

F = TypeVar("F", bound=Callable[..., Any])

SCHEDULERS = {
    "cron": "a line of a crontab",
    "systemd": "a service and a timer",
    "launchd": "an agent of macOS",
    "github-actions": "a workflow",
    "airflow": "a DAG of Apache Airflow 3",
    "dagster": "definitions of Dagster",
    "prefect": "a flow of Prefect 3",
    "kubernetes": "a CronJob with its volume",
}


WITH_SECRETS = ("github-actions", "kubernetes")
"""Schedulers whose files take the token from their own secrets."""
TOKENS = ("__API_TOKEN", "__API_TOKEN_FILE")


def _scheduler_options(command: F) -> F:
    for name, what in reversed(SCHEDULERS.items()):
        command = click.option(f"--{name}", "kind", flag_value=name, help=f"Print {what}.")(command)
    return command


@click.command(epilog="Example: referrals schedule --cron --every 1h")
@_scheduler_options
@click.option("--every", default="1h", metavar="INTERVAL", help="How often, such as 15m, 1h or 1d.")
@click.option(
    "--write", "target", metavar="FOLDER", type=click.Path(path_type=Path),
    help="Write the files into this folder instead; nothing is overwritten.",
)  # fmt: skip
@click.option(
    "--token-file", metavar="FILE", type=click.Path(path_type=Path),
    help="With --systemd: the file of the token, which only root has to be able to read.",
)  # fmt: skip
@logging_options
def schedule(kind: str | None, every: str, target: Path | None, token_file: Path | None) -> None:
    """Print a complete file for a scheduler: command, environment, log, retries, and when."""
    from referral_warehouse.operate.durations import parse_duration
    from referral_warehouse.operate.schedules import Deployment, schedule_files

    if kind is None:
        raise ConfigurationError("No scheduler is named.", f"Choose one: --{', --'.join(SCHEDULERS)}.")
    if token_file is not None and (kind != "systemd" or not token_file.is_absolute()):
        raise ConfigurationError(
            "--token-file goes with --systemd, and needs an absolute path.",
            "For other schedulers set SOURCES__REFERRAL_FACTORY__API_TOKEN_FILE, or run `referrals init`.",
        )
    settings = read_settings(may_be_together=True)
    if settings.accounts and token_file is not None:
        raise ConfigurationError(
            "--token-file is for one account, and the settings have several.",
            f"Set ACCOUNTS__{settings.accounts[0].upper()}__API_TOKEN_FILE, and the same for each account.",
        )
    deployment = Deployment(_program(), Path.cwd(), settings.warehouse_dir, _user(), token_file, settings.accounts)
    files = schedule_files(kind, deployment, parse_duration("--every", every))
    _warn_of_variables(kind, has_token_file=token_file is not None)
    if target is not None:
        _write(files, target)
        return
    for name, text in files.items():
        head = f"# ==> {name} <==\n" if len(files) > 1 else ""
        write_text(f"{head}{text}")


def _warn_of_variables(kind: str, *, has_token_file: bool) -> None:
    """Warn of settings that only the environment of this shell has: the scheduler has another environment."""
    names = {setting.name for setting in TABLE} - {"WAREHOUSE__DIR"}
    left = [
        name
        for name, value in sorted(os.environ.items())
        if cleaned(value) and (name in names or name.startswith(f"{ACCOUNTS.upper()}__"))
    ]
    if has_token_file or kind in WITH_SECRETS:
        left = [name for name in left if not name.endswith(TOKENS)]
    if left:
        warn(
            "schedule",
            f"this shell has settings in its environment that the scheduler does not have: {', '.join(left)}. Put them "
            f"into .dlt/config.toml or .dlt/secrets.toml in {Path.cwd()}, or where the scheduler has its variables.",
        )


def _program() -> list[str]:
    """The command of this installation."""
    script = Path(sys.executable).parent / "referrals"
    return [str(script)] if os.access(script, os.X_OK) else [sys.executable, "-m", "referral_warehouse"]


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):  # a number without an account
        return str(os.getuid())


def _write(files: dict[str, str], folder: Path) -> None:
    from referral_warehouse.cli.console import say

    existing = [name for name in files if os.path.lexists(folder / name)]
    if existing:
        raise ConfigurationError(f"{folder / existing[0]} exists already.", "Remove it, or name another folder.")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            (folder / name).write_text(text, encoding="utf-8")
            say(str(folder / name))
    except OSError as error:
        raise ConfigurationError(
            f"{folder} cannot be written: {error.strerror or error}.",
            "Give this user the right to write it, or name another folder.",
        ) from None
