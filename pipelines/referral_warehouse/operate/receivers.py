"""Sends notifications to receivers: a POST, a ping, a command, chat services, each with a time limit.

Returns a sentence for each failure. An address is never part of a sentence, because it may contain a secret.
"""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Mapping
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from referral_warehouse import __version__
from referral_warehouse.display_text import json_text
from referral_warehouse.operate.chat_services import send_to_services
from referral_warehouse.redaction import without_own_settings
from referral_warehouse.settings.notify import NotifySettings, SecretUrl

LONGEST_PING = 1_000


def send(settings: NotifySettings, payload: Mapping[str, Any]) -> list[str]:
    """Send the object to the address, the command and the services that are set.

    Returns: a sentence for each that failed.
    """
    body = json_text(dict(payload), ascii_only=True).encode()
    problems = []
    if settings.url is not None:
        problems.append(_request("NOTIFY__URL", settings.url.reveal(), body, "application/json", settings.timeout_s))
    if settings.command:
        problems.append(_run(settings.command, body, settings.timeout_s))
    services = send_to_services(settings, str(payload["text"]), payload["events"])
    return [*(problem for problem in problems if problem is not None), *services]


def ping(settings: NotifySettings, suffix: str = "", text: str = "") -> list[str]:
    """Call the ping address, with ``/start`` or ``/fail`` at the end of its path, and a text.

    Returns: as ``send``.
    """
    if settings.ping_url is None:
        return []
    url = with_suffix(settings.ping_url, suffix)
    body = text.encode("utf-8", "replace")[:LONGEST_PING]
    problem = _request("NOTIFY__PING_URL", url, body, "text/plain; charset=utf-8", settings.timeout_s)
    return [] if problem is None else [problem]


def with_suffix(url: SecretUrl, suffix: str) -> str:
    """An address with something at the end of its path, before the query."""
    parts = urlsplit(url.reveal())
    return urlunsplit(parts._replace(path=parts.path.rstrip("/") + suffix if suffix else parts.path))


def _request(name: str, url: str, body: bytes, kind: str, timeout_s: int) -> str | None:
    """POST a body, in a thread that is left running after the time limit: a DNS lookup has no limit of its own."""
    found: list[str | None] = []
    thread = threading.Thread(target=lambda: found.append(_post(url, body, kind, timeout_s)), daemon=True)
    thread.start()
    thread.join(timeout_s)
    if not found:
        return f"{name} did not answer within {timeout_s} s"
    return None if found[0] is None else f"{name} {found[0]}"


def _post(url: str, body: bytes, kind: str, timeout_s: int) -> str | None:
    try:
        import httpx

        headers = {"Content-Type": kind, "User-Agent": f"referral-warehouse/{__version__}"}
        with (
            httpx.Client(timeout=timeout_s, follow_redirects=False, verify=_tls_context()) as client,
            client.stream("POST", url, content=body, headers=headers) as response,
        ):
            status = response.status_code
    except Exception as error:  # of proxies, certificates and the network; its text may contain the address
        return f"could not be reached ({type(error).__name__})"
    return None if 200 <= status < 300 else f"answered with HTTP {status}"


def _tls_context() -> Any:
    """Certificates are verified, against SSL_CERT_FILE or SSL_CERT_DIR where one is set; keys are never logged."""
    import ssl

    import certifi

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    file, directory = os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR")
    context.load_verify_locations(cafile=file or (None if directory else certifi.where()), capath=directory or None)
    return context


def _run(command: tuple[str, ...], body: bytes, timeout_s: int) -> str | None:
    """Run a program with a body on standard input, in a process group that ends with the time limit."""
    environ = without_own_settings(os.environ)
    try:
        process = subprocess.Popen(  # noqa: S603 - the operator's own command, without a shell
            command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            start_new_session=True, env=environ,
        )  # fmt: skip
    except OSError as error:
        return f"NOTIFY__COMMAND could not be started ({error.strerror or type(error).__name__})"
    try:
        process.communicate(body, timeout=timeout_s)
    except subprocess.TimeoutExpired:
        return f"NOTIFY__COMMAND did not end within {timeout_s} s and was killed"
    except OSError as error:
        return f"NOTIFY__COMMAND did not read the event ({error.strerror or type(error).__name__})"
    finally:
        if process.poll() is None:
            with suppress(OSError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    return None if process.returncode == 0 else f"NOTIFY__COMMAND ended with {process.returncode}"
