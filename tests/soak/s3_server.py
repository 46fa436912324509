"""A server of S3 that can be told to fail; runs in an environment with moto's server.

Prints its port, and ends with its standard input. ``PUT /__fail`` with a JSON object makes it answer requests with an
error: ``method``, ``contains`` (a part of the path), ``status``, ``code`` (the word of S3 for it), ``skip`` (so many go
well first), ``wait_s`` (seconds before it answers), or ``is_cut`` instead of the status (the answer ends half-way);
an empty object ends that. ``GET /__requests`` lists the requests so far. Like Amazon's, it refuses a body that does not
have the checksum that is sent along; moto itself does not check it.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import sys
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any

from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server

XML = '<?xml version="1.0"?><Error><Code>{code}</Code><Message>told to fail</Message></Error>'


class FailingServer:
    """The application of WSGI around that of moto."""

    def __init__(self) -> None:
        self._s3 = DomainDispatcherApplication(create_backend_app)
        self._fault: dict[str, Any] = {}
        self._requests: list[str] = []
        self._lock = threading.Lock()

    def __call__(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
        if path == "/__fail":
            self._fault = json.loads(environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"])))
            return self._answer(start, "200 OK", "")
        if path == "/__requests":
            return self._answer(start, "200 OK", json.dumps(self._requests))
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        environ["wsgi.input"] = io.BytesIO(body)
        checksum = environ.get("HTTP_X_AMZ_CHECKSUM_SHA256")
        if checksum is not None and base64.b64decode(checksum) != hashlib.sha256(body).digest():
            return self._answer(start, "400 Error", XML.format(code="BadDigest"))
        with self._lock:
            self._requests.append(f"{method} {path} {'with' if checksum else 'without'} checksum")
            fault, fails = self._fault, False
            if fault and method == fault["method"] and fault["contains"] in path:
                fails = fault["skip"] <= 0
                fault["skip"] -= 1
        if fails and fault.get("is_cut"):
            content = b"".join(self._s3(environ, start))
            return [content[: len(content) // 2]]
        if fails:
            time.sleep(fault.get("wait_s", 0))
            return self._answer(start, f"{fault['status']} Error", XML.format(code=fault["code"]))
        answered: Iterable[bytes] = self._s3(environ, start)
        return answered

    def _answer(self, start: Callable[..., Any], status: str, text: str) -> list[bytes]:
        start(status, [("Content-Type", "text/plain"), ("Content-Length", str(len(text.encode())))])
        return [text.encode()]


def main() -> None:
    server = make_server("127.0.0.1", 0, FailingServer(), threaded=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    sys.stdout.write(f"{server.port}\n")
    sys.stdout.flush()
    sys.stdin.read()


if __name__ == "__main__":
    main()
