"""Tries the API with a token and reports what it supports, for ``check`` and for ``init``.

A person waits for the result, so little is retried. No error advises to run ``check``, which the person has just run.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from referral_warehouse.cli.output import write_line
from referral_warehouse.errors import (
    ApiError,
    ApiUnavailable,
    AuthenticationError,
    ConfigurationError,
    ReferralsError,
    RequestRefused,
)
from referral_warehouse.settings import Settings

if TYPE_CHECKING:
    from referral_warehouse.load.capability_check import Finding

COMMAND = "`referrals check`"
MARKS = {"ok": "ok  ", "note": "note", "problem": "WARN"}
ATTEMPTS, BASE_S, DEADLINE_S = 3, 0.5, 10.0
"""Two retries within at most 1.5 seconds, and none of a request that took longer than the deadline."""


@dataclass(frozen=True, slots=True)
class AccountCheck:
    """What the API supports, and how many calls that took."""

    findings: list[Finding]
    calls: int

    def lines(self, base_url: str) -> Iterable[str]:
        """The findings for people."""
        yield from (f"{MARKS[found.state]}  {found.subject}: {found.text}" for found in self.findings)
        yield f"{self.calls} calls; {base_url}"


def check_account(settings: Settings) -> AccountCheck:
    """Send about a dozen requests.

    Raises: ConfigurationError where the base URL leads to no API; AuthenticationError; ApiError; all with advice
    that does not name ``check``.
    """
    from referral_warehouse.api.client import Client
    from referral_warehouse.api.error_mapping import WRONG_PATH_STATUSES
    from referral_warehouse.api.pagination.paginator import Paginator
    from referral_warehouse.api.retry import RetryPolicy
    from referral_warehouse.load.capability_check import probe

    findings: list[Finding] = []
    policy = RetryPolicy(attempts=ATTEMPTS, base_s=BASE_S, deadline_s=DEADLINE_S)
    try:
        with Client(settings, policy=policy) as client, Paginator(client) as paginator:
            for finding in probe(client, paginator, datetime.now(UTC), simulated=settings.simulated_time):
                findings.append(finding)  # noqa: PERF402 - those before an error are kept
            return AccountCheck(findings, client.calls)
    except RequestRefused as error:
        if error.status in WRONG_PATH_STATUSES and not findings:
            raise ConfigurationError(
                f"There is no API at {settings.base_url} (HTTP {error.status}).", error.next_step
            ) from None
        raise _with_own_advice(error, settings) from None
    except ReferralsError as error:
        raise _with_own_advice(error, settings) from None


def print_check(check: AccountCheck, settings: Settings) -> None:
    """The findings on standard output."""
    for line in check.lines(settings.base_url):
        write_line(line)


def _with_own_advice(error: ReferralsError, settings: Settings) -> ReferralsError:
    """The same error with other advice where that was to run ``check``, or only to run the same command later."""
    if COMMAND in error.next_step:
        error.next_step = _advice(error)
    elif isinstance(error, ApiUnavailable) and error.next_step == ApiError.next_step:
        error.next_step = (
            f"Check SOURCES__REFERRAL_FACTORY__BASE_URL ({settings.base_url}), the network and HTTPS_PROXY; if they "
            "are right, run the same command again later."
        )
    return error


def _advice(error: ReferralsError) -> str:
    if isinstance(error, AuthenticationError):
        return (
            "Copy the current token from Settings > API of the account (a new one invalidates the old), and run "
            "`referrals init`, or put it into SOURCES__REFERRAL_FACTORY__API_TOKEN and run the same command again."
        )
    return (
        "Check that SOURCES__REFERRAL_FACTORY__BASE_URL is the address of the API, and run the same command again; if "
        "that changes nothing, ask the vendor's support."
    )
