"""Bodies of 200 MB, eight of them at once: refused with a message, in a process whose memory stays bounded."""

from __future__ import annotations

import subprocess
import sys
import zlib
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

SCRIPT = """
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from referral_warehouse.api.client import Client
from referral_warehouse.api.query import Query
from referral_warehouse.errors import ApiUnavailable
from referral_warehouse.settings import Settings, Token

settings = Settings(api_token=Token("t"), base_url=sys.argv[1], calls_per_minute=0, warehouse_dir=Path(sys.argv[2]))
with Client(settings) as client, ThreadPoolExecutor(8) as pool:
    def send(page):
        try:
            client.get(Query("users", page=page))
        except ApiUnavailable as error:
            return error.message
    if sys.argv[3] == "200":
        for words in pool.map(send, range(1, 9)):
            assert "users?" in words and "too large (more than 64 MB)" in words, words
status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
print(int(status["VmHWM"].split()[0]) / 1024)
"""
# What a body may hold, what is read of the others until it is their turn, and a little for decompression.
ALLOWED_MB = 64 + 8 * 4 + 8 * 2 + 32
MEGABYTE = b"0" * (1024 * 1024)
BODY = (b'{"data": ["', *[MEGABYTE] * 200, b'"]}')


@pytest.fixture
def endless() -> Iterator[str]:
    """A server whose every response is 200 MB of JSON; under /gzip it is sent as a few hundred kilobytes."""

    squeeze = zlib.compressobj(1, zlib.DEFLATED, 31)
    compressed = [squeeze.compress(part) for part in BODY]

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            is_compressed = self.path.startswith("/gzip")
            self.send_response(200)
            if is_compressed:
                self.send_header("Content-Encoding", "gzip")
            self.end_headers()
            try:
                for part in compressed if is_compressed else BODY:
                    self.wfile.write(part)
            except OSError:
                self.close_connection = True  # the client stopped reading

        def log_message(self, *_: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: object) -> None:
            pass

    with Server(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def peak_mb(url: str, folder: Path, size: str) -> float:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, url, str(folder), size], capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stderr
    return float(done.stdout)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc")
def test_eight_bodies_of_200_mb_are_refused_within_bounded_memory(endless: str, tmp_path: Path) -> None:
    idle = peak_mb(endless, tmp_path, "none")
    for url in (endless, f"{endless}/gzip"):
        assert peak_mb(url, tmp_path, "200") < idle + ALLOWED_MB
