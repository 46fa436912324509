"""Makes the files for a scheduler that runs ``referrals sync``: templates with the paths of this deployment. Pure.

A placeholder is ``@@form:name@@``; the form quotes the value for the language of the file. Must not know settings.
"""

from __future__ import annotations

import hashlib
import json
import re
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from xml.sax.saxutils import escape

from referral_warehouse import __version__
from referral_warehouse.errors import ConfigurationError
from referral_warehouse.operate.durations import DAY_S, HOUR_S, MINUTE_S, duration_text

KINDS: dict[str, tuple[tuple[str, str], ...]] = {
    "cron": (("referrals-sync.crontab", "crontab"),),
    "systemd": (("referrals-sync.service", "service"), ("referrals-sync.timer", "timer")),
    "launchd": (("org.example.referrals-sync.plist", "launchd"),),
    "github-actions": (("referrals-sync.yml", "github-actions"),),
    "airflow": (("referrals_sync.py", "airflow"),),
    "dagster": (("referrals_sync.py", "dagster"),),
    "prefect": (("referrals_sync.py", "prefect"),),
    "kubernetes": (("referrals-sync.yaml", "kubernetes"),),
}
"""Scheduler → its files, each with the template that makes it."""

PLACEHOLDER = re.compile(r"@@([a-z_]+):([a-z_]+)@@")
LARGEST_JITTER_S = 300
NIGHT_HOUR = 3
SHORTEST_S = {"github-actions": 5 * MINUTE_S}
"""The shortest interval (seconds) of schedulers that need more than a minute."""

Value = str | int | list[str]


@dataclass(frozen=True, slots=True)
class Deployment:
    """What a schedule runs.

    Attributes:
        program: the command without arguments.
        folder: the working directory.
        warehouse_dir: the directory of the warehouse.
        user: who runs it.
        token_file: contains the token and is read by systemd alone, which hands it over as a credential; None where the
            token is given as all other settings are.
        accounts: the names of several accounts, each of which has a token.
    """

    program: list[str]
    folder: Path
    warehouse_dir: Path
    user: str
    token_file: Path | None = None
    accounts: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Raises: ConfigurationError where a path has a character that ends a line or cannot be printed."""
        for text in (*self.program, str(self.folder), str(self.warehouse_dir), self.user, str(self.token_file)):
            if not text.isprintable():
                raise ConfigurationError(
                    "A path of this deployment has a character that a schedule cannot contain: " + ascii(text) + ".",
                    "Use a directory whose name has no line breaks or control characters.",
                )


def schedule_files(kind: str, deployment: Deployment, every_s: int) -> dict[str, str]:
    """The files of a scheduler, by name.

    Raises: ConfigurationError for an interval that the scheduler cannot keep.
    """
    values = _values(deployment, every_s)
    if kind == "systemd":
        _refuse_unwritable_paths(deployment)
    if every_s < SHORTEST_S.get(kind, MINUTE_S):
        raise ConfigurationError(
            f"--every is shorter than what this scheduler can keep: {duration_text(every_s)}.",
            f"Set --every to {duration_text(SHORTEST_S.get(kind, MINUTE_S))} or more.",
        )
    return {name: _filled(template, values) for name, template in KINDS[kind]}


def _refuse_unwritable_paths(deployment: Deployment) -> None:
    """Raises: ConfigurationError where a path cannot be a value of a unit file: it ends a line, and has no quotes."""
    for path in (deployment.folder, *([] if deployment.token_file is None else [deployment.token_file])):
        if (text := str(path)) != text.strip() or text.endswith("\\"):
            raise ConfigurationError(
                f"A unit file of systemd cannot contain the path {text!a}: it ends with a blank or a backslash.",
                "Use a directory with another name.",
            )


def cron_expression(every_s: int, minute: int) -> str:
    """The cron expression of a job that runs every ``every_s`` seconds, at ``minute`` of an hour.

    Times are UTC where the scheduler has a time zone.

    Raises: ConfigurationError where the interval divides neither an hour nor a day.
    """
    if every_s < HOUR_S and every_s % MINUTE_S == 0 and HOUR_S % every_s == 0:
        step = every_s // MINUTE_S
        return "* * * * *" if step == 1 else f"{minute % step}-59/{step} * * * *"
    if every_s % HOUR_S == 0 and DAY_S % every_s == 0:
        step = every_s // HOUR_S
        hours = {1: "*", 24: str(NIGHT_HOUR)}.get(step, f"*/{step}")
        return f"{minute} {hours} * * *"
    raise ConfigurationError(
        f"No scheduler runs a job every {duration_text(every_s)}.",
        "Choose an interval that divides an hour or a day: 5m, 10m, 15m, 20m, 30m, 1h, 2h, 3h, 4h, 6h, 8h, 12h, 1d.",
    )


def calendar_expression(every_s: int, minute: int) -> str:
    """The same as an ``OnCalendar`` expression of systemd."""
    if every_s < HOUR_S:
        step = every_s // MINUTE_S
        return f"*-*-* *:{minute % step:02d}/{step}:00"
    step = every_s // HOUR_S
    hours = {1: "*", 24: f"{NIGHT_HOUR:02d}"}.get(step, f"00/{step}")
    return f"*-*-* {hours}:{minute:02d}:00"


def _values(deployment: Deployment, every_s: int) -> dict[str, Value]:
    minute = int.from_bytes(hashlib.sha256(str(deployment.warehouse_dir).encode()).digest()[:4], "big") % 60
    return {
        "program": deployment.program,
        "folder": str(deployment.folder),
        "warehouse_dir": str(deployment.warehouse_dir),
        "warehouse_variable": f"WAREHOUSE__DIR={deployment.warehouse_dir}",
        "user": deployment.user,
        "token_file": "" if deployment.token_file is None else str(deployment.token_file),
        "accounts": list(deployment.accounts),
        "log": str(deployment.folder / "referrals-sync.log"),
        "cron": cron_expression(every_s, minute),
        "calendar": calendar_expression(every_s, minute),
        "every": duration_text(every_s),
        "every_s": every_s,
        "jitter_s": min(LARGEST_JITTER_S, every_s // 10),
        "version": __version__,
        "image": f"referral-warehouse:{__version__}",
    }


def _filled(template: str, values: dict[str, Value]) -> str:
    text = (resources.files(__package__) / "templates" / f"{template}.template").read_text(encoding="utf-8")
    return PLACEHOLDER.sub(lambda found: FORMS[found[1]](values[found[2]]), text)


def _words(value: Value) -> list[str]:
    return value if isinstance(value, list) else [str(value)]


def _sh(value: Value) -> str:
    return shlex.join(_words(value))


def _cron(value: Value) -> str:
    """For the shell, with escaped percent signs: cron replaces them by line breaks, also within quotes."""
    return _sh(value).replace("%", "\\%")


def _unit(value: Value) -> str:
    """A value of a unit file that is no list: only the percent sign is special there."""
    return str(value).replace("%", "%%")


def _credential(value: Value) -> str:
    """The lines of a unit about settings and token. Args: ``value`` is the file of the token, or empty."""
    if not value:
        return "# Settings and the token are read from .dlt/ in this folder."
    return (
        "# Settings are read from .dlt/ in this folder; the token from a credential, so that its file needs to be\n"
        "# readable for root alone.\n"
        f"LoadCredential=api-token:{_unit(value)}\n"
        "Environment=SOURCES__REFERRAL_FACTORY__API_TOKEN_FILE=%d/api-token"
    )


def _variables(accounts: Value) -> dict[str, tuple[str, str]]:
    """The variable of each token, with its name among the secrets of GitHub and of Kubernetes."""
    if not accounts:
        return {"SOURCES__REFERRAL_FACTORY__API_TOKEN": ("REFERRAL_FACTORY_API_TOKEN", "api-token")}
    return {
        f"ACCOUNTS__{name.upper()}__API_TOKEN": (
            f"REFERRAL_FACTORY_API_TOKEN_{name.upper()}", f"api-token-{name.replace('_', '-')}"
        )
        for name in _words(accounts)
    }  # fmt: skip


def _github_tokens(accounts: Value) -> str:
    return "\n".join(f"      {name}: ${{{{ secrets.{found[0]} }}}}" for name, found in _variables(accounts).items())


def _github_secrets(accounts: Value) -> str:
    return ", ".join(found[0] for found in _variables(accounts).values())


def _kubernetes_literals(accounts: Value) -> str:
    return " ".join(f"--from-literal={found[1]}=..." for found in _variables(accounts).values())


def _kubernetes_tokens(accounts: Value) -> str:
    return "\n".join(
        f"                - name: {name}\n"
        "                  valueFrom:\n"
        "                    secretKeyRef:\n"
        "                      name: referral-factory\n"
        f"                      key: {key}"
        for name, (_, key) in _variables(accounts).items()
    )


def _systemd(value: Value) -> str:
    """Words of a unit file, in quotes; ``$`` and ``%`` stand for themselves."""
    is_command = isinstance(value, list)
    quoted = (word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%") for word in _words(value))
    return " ".join('"' + (word.replace("$", "$$") if is_command else word) + '"' for word in quoted)


def _xml_list(value: Value) -> str:
    return "\n".join(f"    <string>{escape(word)}</string>" for word in _words(value))


FORMS: dict[str, Callable[[Value], str]] = {
    "text": str,
    "doc": str,
    "sh": _sh,
    "cron": _cron,
    "unit": _unit,
    "systemd": _systemd,
    "credential": _credential,
    "github_tokens": _github_tokens,
    "github_secrets": _github_secrets,
    "kubernetes_tokens": _kubernetes_tokens,
    "kubernetes_literals": _kubernetes_literals,
    "xml": lambda value: escape(str(value)),
    "xml_list": _xml_list,
    "json": lambda value: json.dumps(value, ensure_ascii=False),
    "py": repr,
}
"""Form → the function that writes a value in it. ``text`` is for comments and for values that need no quotes."""
