"""Reports how a command ended: one line on standard error and the exit code.

The line has what happened, what was kept and what to do next. A traceback is shown with ``--verbose`` alone, and never
with the token in it.
"""

from __future__ import annotations

import signal
import sys
import traceback
from dataclasses import dataclass
from pathlib import Path

import click

from referral_warehouse.cli.accounts.choice import chosen_name, named_for
from referral_warehouse.cli.output import write_event
from referral_warehouse.cli.signals import Terminated
from referral_warehouse.display_text import display_text
from referral_warehouse.errors import ConfigurationError, DataRefused, ReferralsError, causes
from referral_warehouse.redaction import redact
from referral_warehouse.workspace.disk_space import disk_full_error
from referral_warehouse.workspace.process_limits import limit_behind


@dataclass(frozen=True, slots=True)
class End:
    """How an error ends a command.

    Attributes:
        error: the error that is reported.
        kind: the name of the class that is reported.
        exit_code: of the command.
        is_stop: whether a signal ended the command.
    """

    error: ReferralsError
    kind: str
    exit_code: int
    is_stop: bool = False


def explain(error: BaseException) -> End:
    """How an error ends a command. Errors of the system and of libraries become errors of this program.

    With ``--account``, advice names the settings of that account.
    """
    end = _explained(error)
    account = chosen_name()
    if account is not None and not isinstance(error, click.ClickException):
        end.error.message = named_for(account, end.error.message)
        end.error.next_step = named_for(account, end.error.next_step)
    return end


def _explained(error: BaseException) -> End:
    stopped = _stop_behind(error)
    if stopped is not None:
        number = getattr(stopped, "signal_code", None) or signal.SIGINT
        word = "Ctrl-C" if number == signal.SIGINT else signal.Signals(number).name
        found = ReferralsError(f"Stopped by {word}.", "Run the same command again: it continues from there.")
        return End(found, "Stopped", 128 + number, is_stop=True)
    if isinstance(error, click.ClickException):
        command = error.ctx.command_path if isinstance(error, click.UsageError) and error.ctx else "referrals"
        wrong = ConfigurationError(" ".join(error.format_message().split()), f"`{command} --help` shows the usage.")
        return End(wrong, "UsageError", error.exit_code)
    if not isinstance(error, ReferralsError):
        error = disk_full_error(error, "The command was not finished") or limit_behind(error) or error
    elif isinstance(error, DataRefused):  # an error of a library that was reported as one of the data
        error = limit_behind(error) or error
    if isinstance(error, ReferralsError):
        return End(error, type(error).__name__, error.exit_code)
    # Only class and place: the text of an unexpected error may contain personal data.
    found = ReferralsError(f"Unexpected error: {type(error).__name__} at {_place(error)}.")
    return End(found, type(error).__name__, found.exit_code)


def report_end(error: BaseException, *, verbose: bool, as_json: bool, done: str | None = None) -> int:
    """Report what ended a command; returns its exit code. With ``as_json`` the line is an object, for collectors.

    ``done`` is the result of the command, if it has one: what failed after that is a warning.
    """
    end = explain(error)
    if verbose and not end.is_stop and not isinstance(error, click.ClickException):
        trace = redact("".join(traceback.format_exception(error)))
        if as_json:
            write_event("debug", "traceback", type(error).__name__, as_json=True, traceback=trace)
        else:
            sys.stderr.writelines(f"{display_text(line, 1_000)}\n" for line in trace.rstrip().split("\n"))
    if done is not None and isinstance(error, Exception) and not end.is_stop:
        is_known = end.kind == type(end.error).__name__
        why = end.error.message if is_known else f"{end.kind} at {_place(error)}"
        write_event("warning", "output", f"{done} A later step failed: {why}", as_json=as_json)
        return 0
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        sys.stderr.write(f"{error.format_message()}\n")
        return error.exit_code
    return _say(end.error, end.kind, end.exit_code, as_json)


def _say(error: ReferralsError, kind: str, exit_code: int, as_json: bool) -> int:
    if as_json:
        write_event(
            "error", "failed", error.message, as_json=True, error=kind, exit_code=exit_code, kept=error.kept,
            next=error.next_step,
        )  # fmt: skip
    else:
        write_event("error", "failed", str(error), as_json=False)
    return exit_code


def _stop_behind(error: BaseException | None) -> BaseException | None:
    """The exception of the signal that caused an error; None where no signal did.

    dlt raises its own KeyboardInterrupt with the signal's number; DuckDB turns an interruption of a query into a
    RuntimeError with the interruption as its cause.
    """
    return next((cause for cause in causes(error) if isinstance(cause, (KeyboardInterrupt, Terminated))), None)


def _place(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if "referral_warehouse" in Path(frame.filename).parts]
    return f"{Path(ours[-1].filename).name}:{ours[-1].lineno}" if ours else "an unknown place"
