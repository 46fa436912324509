"""Responses that do not end: each attempt has one limit of time and of bytes."""

from __future__ import annotations

import dataclasses
import gzip
import itertools
import ssl
import subprocess
import sys
import threading
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import trustme

from referral_warehouse.api.client import Client
from referral_warehouse.api.decompression import MAX_PIECE_BYTES
from referral_warehouse.api.query import Query
from referral_warehouse.errors import ApiError, ApiUnavailable
from referral_warehouse.settings import Settings
from tests.api.endless_bytes import letters
from tests.api.raw_server import RawServer
from tests.api.scripted_server import Response, ScriptedServer, ok
from tests.api.tunnel import Tunnel

MakeClient = Callable[..., Client]
USERS = Query("users")
TIMEOUT_S = 0.15  # twice that is an attempt; the servers send something every 0.02 s


def slow_headers() -> Iterator[bytes]:
    yield b"HTTP/1.1 200 OK\r\nX-Long: "
    yield from letters(b"a")


def slow_header_lines() -> Iterator[bytes]:
    yield b"HTTP/1.1 200 OK\r\n"
    for number in itertools.count():
        yield f"X-{number}: a\r\n".encode()


def slow_status_line() -> Iterator[bytes]:
    yield b"HTTP/1.1 2"
    yield from letters(b"0")


def slow_body() -> Iterator[bytes]:
    yield b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n"
    yield from letters(b" ")


def slow_chunks() -> Iterator[bytes]:
    yield b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    yield from itertools.repeat(b"1\r\n \r\n")


def slow_chunk_size() -> Iterator[bytes]:
    yield b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;"
    yield from letters(b"x")


def slow_provisional_responses() -> Iterator[bytes]:
    yield from itertools.repeat(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n")


def slow_empty_gzip_members() -> Iterator[bytes]:
    yield b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n"
    member = gzip.compress(b"")
    yield from itertools.repeat(b"%x\r\n%s\r\n" % (len(member), member))


SLOW = [
    slow_headers, slow_header_lines, slow_status_line, slow_body, slow_chunks, slow_chunk_size,
    slow_provisional_responses, slow_empty_gzip_members,
]  # fmt: skip


def quick(settings: Settings, url: str) -> Settings:
    return dataclasses.replace(settings, base_url=url, timeout_s=TIMEOUT_S)


@pytest.mark.parametrize("pieces", SLOW)
def test_a_slow_response_is_given_up_after_three_attempts(
    make_client: MakeClient, settings: Settings, pieces: Callable[[], Iterator[bytes]]
) -> None:
    before = threading.active_count()
    with RawServer(pieces) as server:
        client = make_client(quick(settings, server.url))
        with pytest.raises(ApiUnavailable, match=r"users.* 3 attempts .*the response is too slow"):
            client.get(USERS)
        assert server.connections == 3
    assert threading.active_count() == before


@pytest.mark.full
def test_a_slow_response_over_tls_is_given_up(
    make_client: MakeClient, settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    authority, context = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1", "api.example.com").configure_cert(context)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    # a handshake on a machine that is busy may take a while: it belongs to the attempt
    patient = dataclasses.replace(settings, timeout_s=1.0)
    with RawServer(slow_headers, tls=context) as server:
        with pytest.raises(ApiUnavailable, match="too slow"):
            make_client(dataclasses.replace(patient, base_url=server.url)).get(USERS)
        with Tunnel(server.port) as proxy:
            monkeypatch.setenv("HTTPS_PROXY", f"http://{proxy.address}")
            there = dataclasses.replace(patient, base_url="https://api.example.com", calls_per_minute=540)
            with pytest.raises(ApiUnavailable, match="too slow"):
                make_client(there).get(USERS)


def test_a_slow_response_on_a_connection_that_worked_is_given_up(make_client: MakeClient, settings: Settings) -> None:
    def pieces() -> Iterator[bytes | None]:
        body = b'{"data": []}'
        if server.connections == 1:
            yield b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
            yield None
        yield from slow_headers()

    with RawServer(pieces) as server:
        client = make_client(quick(settings, server.url))
        assert client.get(USERS).payload == {"data": []}
        with pytest.raises(ApiUnavailable, match=r"3 attempts .*too slow"):
            client.get(USERS)
        assert server.connections == 3


def fast_provisional_responses() -> Iterator[bytes]:
    yield from itertools.repeat(b"HTTP/1.1 103 Early Hints\r\nLink: </%s>\r\n\r\n" % (b"a" * 200) * 100)


def fast_header_lines() -> Iterator[bytes]:
    yield b"HTTP/1.1 200 OK\r\n"
    for number in itertools.count():
        yield f"X-{number}: {'a' * 1000}\r\n".encode() * 20


def fast_header() -> Iterator[bytes]:
    yield b"HTTP/1.1 200 OK\r\nX-Long: "
    yield from itertools.repeat(b"a" * 20_000)


@pytest.mark.parametrize("pieces", [fast_provisional_responses, fast_header_lines, fast_header])
def test_headers_without_end_are_bounded_in_bytes(
    make_client: MakeClient, settings: Settings, pieces: Callable[[], Iterator[bytes]]
) -> None:
    with RawServer(pieces, pause_s=0) as server:
        client = make_client(dataclasses.replace(settings, base_url=server.url, timeout_s=30.0))
        with pytest.raises(ApiUnavailable, match="RemoteProtocolError"):
            client.get(USERS)
        assert server.connections == 8


BODY = b'{"data": ["%s"]}' % (b"0" * 5_000)
ONCE = gzip.compress(BODY)
TWICE = gzip.compress(ONCE)


ONE_LAYER: dict[str, tuple[str, bytes]] = {
    "gzip": ("gzip", ONCE),
    "x-gzip": ("x-gzip", ONCE),
    "capitals": ("GZip", ONCE),
    "gzip and identity": ("gzip, identity", ONCE),
    "gzip between empty names": (" , gzip ,", ONCE),
    "identity": ("identity", BODY),
    "identity twice": ("identity, identity", BODY),
    "an empty name": ("", BODY),
    "members one after the other": ("gzip", gzip.compress(BODY[:100]) + gzip.compress(b"") + gzip.compress(BODY[100:])),
    "zeros behind the gzip data": ("gzip", ONCE + b"\0" * 700),
}


@pytest.mark.parametrize(("encoding", "body"), ONE_LAYER.values(), ids=ONE_LAYER.keys())
def test_one_layer_of_gzip_is_decompressed(client: Client, server: ScriptedServer, encoding: str, body: bytes) -> None:
    server.script.append(Response(200, body, {"Content-Encoding": encoding}))
    response = client.get(USERS)
    assert (response.payload, response.attempts) == ({"data": ["0" * 5_000]}, 1)


def test_gzip_members_are_decompressed_wherever_a_piece_ends(make_client: MakeClient, settings: Settings) -> None:
    compressed = b"".join(gzip.compress(part) for part in (BODY[:1], BODY[1:300], b"", BODY[300:])) + b"\0\0\0"

    def pieces() -> Iterator[bytes]:
        yield b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n"
        for letter in compressed:
            yield b"1\r\n%s\r\n" % bytes([letter])
        yield b"0\r\n\r\n"

    with RawServer(pieces, pause_s=0) as server:
        response = make_client(dataclasses.replace(settings, base_url=server.url)).get(USERS)
    assert (response.payload, response.attempts) == ({"data": ["0" * 5_000]}, 1)


OTHER_ENCODINGS: dict[str, tuple[str, bytes]] = {
    "gzip twice": ("gzip, gzip", TWICE),
    "gzip, identity and x-gzip": ("gzip,identity,x-gzip", TWICE),
    "deflate": ("deflate", zlib.compress(BODY)),
    "deflate and gzip": ("deflate, gzip", gzip.compress(zlib.compress(BODY))),
    "br": ("br", BODY),
    "zstd": ("zstd", BODY),
    "gzip with a weight": ("gzip;q=1", ONCE),
    "a name of 5,000 letters": ("a" * 5_000, BODY),
}


@pytest.mark.parametrize(("encoding", "body"), OTHER_ENCODINGS.values(), ids=OTHER_ENCODINGS.keys())
def test_any_other_encoding_is_refused_and_not_decoded(
    client: Client, server: ScriptedServer, encoding: str, body: bytes
) -> None:
    server.script.append(Response(200, body, {"Content-Encoding": encoding}))
    with pytest.raises(ApiUnavailable, match=r"users.* content encoding '.*not requested") as refused:
        client.get(USERS)
    assert len(refused.value.message) < 300
    assert client.calls == 1


def test_repeated_encoding_headers_count_as_layers(make_client: MakeClient, settings: Settings) -> None:
    def pieces() -> Iterator[bytes]:
        head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n"
        yield head % len(TWICE) + TWICE

    with RawServer(pieces) as server, pytest.raises(ApiUnavailable, match="content encoding 'gzip, gzip'"):
        make_client(dataclasses.replace(settings, base_url=server.url)).get(USERS)


BROKEN_GZIP = {
    "a byte short": ONCE[:-1],
    "without its check": ONCE[:-8],
    "cut off in the middle": ONCE[:30],
    "something else behind it": ONCE + b"garbage",
    "a second member cut off": ONCE + ONCE[:20],
    "a wrong check": ONCE[:-6] + b"123456",
}


@pytest.mark.parametrize("body", BROKEN_GZIP.values(), ids=BROKEN_GZIP.keys())
def test_broken_gzip_is_retried(client: Client, server: ScriptedServer, body: bytes) -> None:
    server.script.extend([Response(200, body, {"Content-Encoding": "gzip"}), ok({"data": ["fine"]})])
    response = client.get(USERS)
    assert (response.payload, response.attempts) == ({"data": ["fine"]}, 2)


@pytest.mark.parametrize("encoding", ["gzip", "gzip, gzip", "br"])
def test_an_error_whose_body_cannot_be_decompressed_is_classified_by_its_status(
    client: Client, server: ScriptedServer, encoding: str
) -> None:
    server.script.append(Response(404, b"no gzip at all", {"Content-Encoding": encoding}))
    with pytest.raises(ApiError, match="HTTP 404"):
        client.get(USERS)
    assert client.calls == 1


BOMB = """
import sys
from pathlib import Path
from referral_warehouse.api.client import Client
from referral_warehouse.api.query import Query
from referral_warehouse.errors import ApiUnavailable
from referral_warehouse.settings import Settings, Token

settings = Settings(api_token=Token("t"), base_url=sys.argv[1], calls_per_minute=0, warehouse_dir=Path(sys.argv[2]))
with Client(settings) as client:
    for path in sys.argv[3:]:
        try:
            client.get(Query(path))
        except ApiUnavailable as error:
            assert "content encoding" in error.message or "too large" in error.message, error.message
        else:
            raise AssertionError("it was read")
status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
print(int(status["VmHWM"].split()[0]) / 1024)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc")
def test_a_bomb_in_two_layers_costs_no_memory(server: ScriptedServer, tmp_path: Path) -> None:
    squeeze = zlib.compressobj(1, zlib.DEFLATED, 31)
    once = b"".join([*(squeeze.compress(b"0" * MAX_PIECE_BYTES) for _ in range(500)), squeeze.flush()])
    bomb = gzip.compress(once, 9)
    server.default = lambda request: Response(
        200, once if "one" in request.target else bomb,
        {"Content-Encoding": "gzip" if "one" in request.target else "gzip, gzip"},
    )  # fmt: skip

    def peak_mb(*paths: str) -> float:
        done = subprocess.run(
            [sys.executable, "-c", BOMB, server.url, str(tmp_path), *paths],
            capture_output=True, text=True, check=False, timeout=300,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return float(done.stdout)

    assert peak_mb("two") < peak_mb() + 16
    assert peak_mb("one") < peak_mb() + 64 + 32
