"""Sends a notification to chat services through Apprise, which has the message format of each.

Returns a sentence for each failure. An address is never part of a sentence, because it contains secrets: services have
a number instead.
"""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Any

from referral_warehouse.errors import ConfigurationError
from referral_warehouse.extras import packages_of
from referral_warehouse.settings.notify import NotifySettings, SecretUrl, scheme_of

if TYPE_CHECKING:
    from collections.abc import Collection

NAME = "NOTIFY__APPRISE_URLS"
TITLE = "referral-warehouse"
SUCCESSES, WARNINGS = frozenset({"recovery"}), frozenset({"warnings"})
"""A message with events of the first kind alone is marked as a success, of these two kinds as a warning, and any other
message as a failure."""


def refuse_unusable_services(settings: NotifySettings) -> None:
    """Raises: ConfigurationError where Apprise is missing, or does not support an address. Nothing is sent."""
    for number, url in enumerate(settings.apprise_urls, start=1):
        if _service(url, settings.timeout_s) is None:
            raise ConfigurationError(
                f"{NAME}: Apprise cannot use address {number}, {scheme_of(url)} (the rest is not shown, because it "
                "contains secrets).",
                "Compare it with the documentation of this service in Apprise.",
            )


def send_to_services(settings: NotifySettings, text: str, events: Collection[str]) -> list[str]:
    """Send a text to each service. Returns: a sentence for each that did not get it."""
    if not settings.apprise_urls:
        return []
    kind = _kind(set(events))
    sent = [(url, _Sending(url, text, kind, settings.timeout_s)) for url in settings.apprise_urls]
    for _, sending in sent:
        sending.start()
    problems = []
    for number, (url, sending) in enumerate(sent, start=1):
        sending.join(settings.timeout_s)
        if sending.problem is not None:
            problems.append(f"{NAME}: address {number}, {scheme_of(url)}, {sending.problem}")
    return problems


class _Sending(threading.Thread):
    """Sends a text to one service; a thread that takes too long is left running."""

    def __init__(self, url: SecretUrl, text: str, kind: str, timeout_s: int) -> None:
        super().__init__(daemon=True)
        self._url, self._text, self._kind, self._timeout_s = url, text, kind, timeout_s
        self.problem: str | None = f"did not answer within {timeout_s} s"

    def run(self) -> None:
        try:
            service = _service(self._url, self._timeout_s)
            is_sent = service is not None and service.notify(body=self._text, title=TITLE, notify_type=self._kind)
        except Exception as error:  # of any service; its text may contain the address
            self.problem = f"failed ({type(error).__name__})"
        else:
            self.problem = None if is_sent else "was not reached, or refused the message"


def _service(url: SecretUrl, timeout_s: int) -> Any:
    """A service of Apprise; None where Apprise does not support the address. It writes no file and no log."""
    with packages_of("notify", ["apprise"], NAME):
        import apprise
    for name in ("apprise", "urllib3"):  # their debug messages have addresses
        logger = logging.getLogger(name)
        logger.setLevel(logging.CRITICAL + 1)
        logger.propagate = False
    asset = apprise.AppriseAsset(storage_mode="memory", secure_logging=True)
    service = apprise.Apprise.instantiate(url.reveal(), asset=asset, suppress_exceptions=True)
    if service is not None:
        service.redirects = False
        service.socket_connect_timeout = service.socket_read_timeout = timeout_s
    return service


def _kind(events: set[str]) -> str:
    """How services mark the message, as a type of notification of Apprise."""
    rest = events - SUCCESSES
    return "success" if not rest else "failure" if rest - WARNINGS else "warning"
