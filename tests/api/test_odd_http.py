"""Responses that violate HTTP: each is read, or ends in a typed error with a short, printable message."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator

import pytest

from referral_warehouse.api.client import Client
from referral_warehouse.api.query import Filter, Query
from referral_warehouse.api.retry import LONGEST_RETRY_AFTER_S, parse_date, retry_after_s
from referral_warehouse.errors import ReferralsError, RequestRefused
from referral_warehouse.settings import Settings
from tests.api.raw_server import RawServer
from tests.api.scripted_server import Response, ScriptedServer, ok

MakeClient = Callable[..., Client]
USERS = Query("users")
DIGITS = b"9" * 5_000
BODY = b'{"data": []}'
WHOLE = b"Content-Length: %d\r\n\r\n%s" % (len(BODY), BODY)

RAW: dict[str, bytes] = {
    "HTTP/0.9": b"<html>hello</html>\r\n",
    "noise": bytes(range(256)) * 4,
    "status 999": b"HTTP/1.1 999 Odd\r\n" + WHOLE,
    "status 000": b"HTTP/1.1 000 Odd\r\n" + WHOLE,
    "status 99": b"HTTP/1.1 99 Odd\r\n" + WHOLE,
    "status of 5,000 digits": b"HTTP/1.1 " + DIGITS + b" Odd\r\n" + WHOLE,
    "switching protocols": b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\n\r\n",
    "HTTP/2 preface": b"HTTP/2 200\r\n" + WHOLE,
    "version of many digits": b"HTTP/1." + DIGITS + b" 200 OK\r\n" + WHOLE,
    "length of 5,000 digits": b"HTTP/1.1 200 OK\r\nContent-Length: " + DIGITS + b"\r\n\r\n" + BODY,
    "length below zero": b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n" + BODY,
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n" + WHOLE,
    "length too small": b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n" + BODY,
    "length too large": b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n" + BODY,
    "chunk without a size": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n" + BODY,
    "chunk size of 5,000 digits": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + DIGITS + b"\r\n" + BODY,
    "chunks cut off": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{\"dat",
    "transfer in layers": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, gzip, chunked\r\n\r\n0\r\n\r\n",
    "bytes in a header": b"HTTP/1.1 200 OK\r\nX-Odd: \xff\xfe\x00\x1b[31m\r\n" + WHOLE,
    "header without a colon": b"HTTP/1.1 200 OK\r\nnonsense\r\n" + WHOLE,
    "header folded": b"HTTP/1.1 200 OK\r\nX-Odd: a\r\n b\r\n" + WHOLE,
    "escape codes in the reason": b"HTTP/1.1 400 \x1b]0;pwned\x07\r\nContent-Length: 0\r\n\r\n",
    "escape codes in the body": b"HTTP/1.1 400 No\r\nContent-Length: 9\r\n\r\n\x1b[31m\r\n\x07\x08",
    "unknown charset": b"HTTP/1.1 200 OK\r\nContent-Type: application/json; charset=utf-99\r\n" + WHOLE,
}  # fmt: skip


@pytest.mark.parametrize("name", RAW)
def test_odd_http_ends_in_a_response_or_a_typed_error(make_client: MakeClient, settings: Settings, name: str) -> None:
    def pieces() -> Iterator[bytes]:
        yield RAW[name]

    with RawServer(pieces, pause_s=0) as server:
        client = make_client(dataclasses.replace(settings, base_url=server.url))
        try:
            response = client.get(USERS)
        except ReferralsError as error:
            message = str(error)
        else:
            message = "an answer"
            assert response.payload == {"data": []}
    assert message.isprintable()
    assert len(message) < 800
    assert DIGITS[:300].decode() not in message


LONG = DIGITS.decode()
HEADERS: dict[str, dict[str, str]] = {
    "limits of 5,000 digits": {"X-RateLimit-Limit": LONG, "X-RateLimit-Remaining": LONG},
    "limits below zero": {"X-RateLimit-Limit": "-5", "X-RateLimit-Remaining": "-1"},
    "limits that are none": {"X-RateLimit-Limit": "nan", "X-RateLimit-Remaining": "²"},
    "a limit of zero": {"X-RateLimit-Limit": "0", "X-RateLimit-Remaining": "0"},
    "a date of 5,000 digits": {"Date": f"Fri, 01 May {LONG} 12:00:00 GMT"},
    "a date in another zone": {"Date": f"Fri, 01 May 2026 12:00:00 +{LONG}"},
    "a date before time": {"Date": "Mon, 01 Jan 0001 00:00:00 +1400"},
    "a date after time": {"Date": "Fri, 31 Dec 9999 23:59:59 -1400"},
    "cookies": {"Set-Cookie": f"a=b; Max-Age={LONG}; Expires=Fri, 01-May-{LONG} 00:00:00 GMT; Version={LONG}"},
    "retry after with an answer": {"Retry-After": LONG},
}


@pytest.mark.parametrize("name", HEADERS)
def test_absurd_headers_change_no_response(client: Client, server: ScriptedServer, name: str) -> None:
    server.script.append(Response(200, BODY, HEADERS[name]))
    response = client.get(USERS)
    assert (response.payload, response.attempts) == ({"data": []}, 1)


@pytest.mark.parametrize("value", [LONG, "1" + "0" * 11, "nan", "inf", "-5", "1e99", "Fri, 31 Dec 9999 23:59:59 GMT"])
def test_an_absurd_retry_after_is_bounded(client: Client, server: ScriptedServer, value: str) -> None:
    server.script.extend([Response(503, headers={"Retry-After": value}), ok()])
    try:
        assert client.get(USERS).attempts == 2
    except ReferralsError as error:
        message = str(error)
        assert "HTTP 503" in message
    at = parse_date("Fri, 01 May 2026 12:00:00 GMT")
    assert at is not None
    assert (retry_after_s(value, at) or 0) <= LONGEST_RETRY_AFTER_S


LOCATIONS = ["http://127.0.0.1:99999999999/", "http://[::1", "//", "http://a b/", "\x7f", "http://" + "a" * 5_000,
             "javascript:alert(1)", "http://\xff/", "?" + LONG, "http://user:secret@example.com:port/"]  # fmt: skip


@pytest.mark.parametrize("location", LOCATIONS, ids=[f"location{n}" for n in range(len(LOCATIONS))])
def test_an_absurd_redirect_is_refused_at_once(client: Client, server: ScriptedServer, location: str) -> None:
    server.script.append(Response(302, b"", {"Location": location}))
    with pytest.raises(RequestRefused, match="redirect") as refused:
        client.get(USERS)
    assert client.calls == 1
    assert "secret" not in str(refused.value)
    assert str(refused.value).isprintable()
    assert len(refused.value.message) < 600


def test_a_query_too_long_for_a_url_is_refused_without_a_request(client: Client, server: ScriptedServer) -> None:
    for value in ("x" * 100_000, "\x00" * 5_000, "ü" * 3_000):
        with pytest.raises(RequestRefused, match="too long for a URL"):
            client.get(USERS.where(Filter("status", "equal", value)))
    assert server.requests == []
