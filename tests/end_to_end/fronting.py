"""A server in front of the sandbox that answers some requests itself, or changes what the sandbox answers."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from urllib.parse import parse_qsl, urlsplit

import httpx

from tests.loopback_server import LoopbackServer, QuietHandler

OwnAnswer = Callable[[str, dict[str, str]], tuple[int, bytes] | None]
ChangeBody = Callable[[str, dict[str, str], bytes], bytes]


def no_own_answer(_path: str, _asked: dict[str, str]) -> None:
    """No answer for any request: the sandbox answers everything."""


def unchanged_body(_path: str, _asked: dict[str, str], body: bytes) -> bytes:
    """The body of the sandbox's answer, unchanged."""
    return body


class FrontServer(LoopbackServer):
    """Use as a context manager.

    Args:
        base_url: of the sandbox.
        own: called with path and parameters; returns status and body, or None to let the sandbox answer.
        change_body: called with path, parameters and body of an answer of the sandbox; returns the body to send. The
            attribute may be replaced between requests.
    """

    def __init__(self, base_url: str, own: OwnAnswer = no_own_answer, change_body: ChangeBody = unchanged_body) -> None:
        self.change_body = change_body
        front = self
        target = urlsplit(base_url)
        http = httpx.Client(base_url=f"http://{target.netloc}", trust_env=False, timeout=10)

        class Handler(QuietHandler):
            def do_GET(self) -> None:
                asked = urlsplit(self.path)
                path, parameters = asked.path.removeprefix(f"{target.path}/"), dict(parse_qsl(asked.query))
                answer, headers = own(path, parameters), {}
                if answer is None:
                    reply = http.get(self.path, headers={"Authorization": self.headers["Authorization"]})
                    body = front.change_body(path, parameters, reply.content)
                    answer, headers["Date"] = (reply.status_code, body), reply.headers["date"]
                elif answer[1].startswith(b"<"):
                    headers["Content-Type"] = "text/html; charset=UTF-8"
                self.answer(*answer, headers)

        self._http = http
        super().__init__(Handler, target.path)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        super().__exit__(kind, error, trace)
        self._http.close()
