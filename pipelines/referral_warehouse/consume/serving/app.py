"""The files of published snapshots as an ASGI application: GET and HEAD, ranges, conditions, errors as JSON.

A path with the number of a snapshot supports ranges, and its content changes only by erasures of personal values. A
path without a number, such as ``/feeds/core.users.parquet``, leads to the snapshot that is published at the time of the
request. Programs read a Parquet file by several requests, and a publication in between would mix two files; so such a
file is always sent as a whole. The response to a HEAD has neither length nor checksum, because the file may be replaced
before the next GET. DuckDB, which sends a HEAD first, then reads the file by one GET, and uses no cached parts.
Programs that need ranges cannot read these paths.
"""

from __future__ import annotations

import hashlib
import os
import re
from email.utils import formatdate
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route
from starlette.staticfiles import NotModifiedResponse, StaticFiles

from referral_warehouse.consume.serving.contents import (
    NotAvailable,
    NotFound,
    NotServed,
    Opened,
    PublishedFiles,
    Withheld,
)
from referral_warehouse.display_text import json_text
from referral_warehouse.workspace.current_snapshot import (
    DESCRIPTION,
    MANIFEST,
    NUMBERED,
    REPORT,
    SNAPSHOTS,
    folder_name,
)

if TYPE_CHECKING:
    from starlette.requests import Request

    from referral_warehouse.settings import Settings

IMMUTABLE = "private, max-age=31536000, immutable"
REVALIDATE = "private, no-cache"
STATUS = {NotFound: 404, Withheld: 403, NotAvailable: 503}
RANGE = re.compile(rb"(\d+)-(\d*)|-(\d+)")
"""One range as HTTP writes it."""
PARQUET_TYPE = "application/vnd.apache.parquet"
MEDIA_TYPES = {MANIFEST: "application/json", DESCRIPTION: "application/json", REPORT: "text/html; charset=utf-8"}

_conditions = StaticFiles(check_dir=False)


class OpenedFile(FileResponse):
    """A file that is already open: the response is complete even if the file is removed or replaced meanwhile."""

    def __init__(self, opened: Opened, cache_control: str) -> None:
        descriptor = opened.stream.fileno()
        headers = {"cache-control": cache_control, "content-location": f"/{opened.name}"}
        if opened.checksum is not None:
            headers["etag"] = f'"{opened.checksum}"'
        media_type = MEDIA_TYPES.get(opened.name.rpartition("/")[2], PARQUET_TYPE)
        super().__init__(
            f"/dev/fd/{descriptor}", headers=headers, media_type=media_type, stat_result=os.fstat(descriptor)
        )
        self._stream = opened.stream

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Send the file and close it. A range that is not valid is ignored, as HTTP demands."""
        headers = [(name, value) for name, value in scope["headers"] if name != b"range" or _is_range(value)]
        with self._stream:
            await super().__call__({**scope, "headers": headers}, receive, send)

    def close(self) -> None:
        """Send nothing."""
        self._stream.close()


class CurrentFile(OpenedFile):
    """A file of the published snapshot, requested by a path without a number."""

    def __init__(self, opened: Opened) -> None:
        super().__init__(opened, REVALIDATE)
        _refuse_ranges(self.headers)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Send all of it, whatever range is requested."""
        headers = [(name, value) for name, value in scope["headers"] if name != b"range"]
        _drop_what_may_change(scope, self.headers)
        await super().__call__({**scope, "headers": headers}, receive, send)


class WholeDocument(JSONResponse):
    """A JSON document that was made for this request."""

    def __init__(self, document: dict[str, Any]) -> None:
        super().__init__(document, headers={"cache-control": REVALIDATE})
        self.headers["etag"] = f'"sha256:{hashlib.sha256(self.body).hexdigest()}"'
        _refuse_ranges(self.headers)

    def render(self, content: Any) -> bytes:
        """The document as it is written to files."""
        return f"{json_text(content, indent=True)}\n".encode()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Send it."""
        _drop_what_may_change(scope, self.headers)
        await super().__call__(scope, receive, send)

    def close(self) -> None:
        """Send nothing."""


def _refuse_ranges(headers: MutableHeaders) -> None:
    headers["accept-ranges"] = "none"
    del headers["last-modified"]  # two publications may have the same second


def _is_range(value: bytes) -> bool:
    unit, _, ranges = value.partition(b"=")
    found = [RANGE.fullmatch(one.strip()) for one in ranges.split(b",")]
    return unit.strip().lower() == b"bytes" and all(
        one is not None and (not one[2] or int(one[1]) <= int(one[2])) for one in found
    )


def _drop_what_may_change(scope: Any, headers: MutableHeaders) -> None:
    """Remove from the response to a HEAD what the next GET may contradict.

    A client that knows the length requests ranges. One that knows the checksum uses its cached file of that checksum,
    and caches the next file under it; without a checksum, a file that changed just now is not cached.
    """
    if scope["method"] == "HEAD":
        del headers["content-length"]
        del headers["etag"]
        headers["last-modified"] = formatdate(usegmt=True)


class Endpoints:
    """A method for each kind of path."""

    def __init__(self, files: PublishedFiles) -> None:
        self._files = files

    def list_all(self, request: Request) -> Response:
        """The list of snapshots, tables and paths."""
        return _conditional(request, WholeDocument(self._files.listed()))

    def current_manifest(self, request: Request) -> Response:
        """The manifest of the published snapshot, with the time when a sync last found nothing newer."""
        return _conditional(request, WholeDocument(self._files.manifest()))

    def current(self, request: Request) -> Response:
        """A file of the published snapshot."""
        opened = self._files.open(self._files.published_number(), request.path_params["name"])
        return _conditional(request, CurrentFile(opened))

    def of_snapshot(self, request: Request) -> Response:
        """A file of a snapshot. It never changes, unless an erasure of personal values rewrites it."""
        number = request.path_params["number"]
        if NUMBERED.fullmatch(number) is None or folder_name(int(number)) != number:
            raise HTTPException(404)
        opened = self._files.open(int(number), request.path_params["name"])
        return _conditional(request, OpenedFile(opened, IMMUTABLE if opened.is_final else REVALIDATE))


def serving_app(settings: Settings) -> Starlette:
    """The ASGI application that serves one published directory. Whoever reaches it may read: it asks for no token."""
    endpoints = Endpoints(PublishedFiles(settings))
    routes = [
        Route("/", endpoints.list_all),
        Route(f"/{MANIFEST}", endpoints.current_manifest),
        Route(f"/{SNAPSHOTS}/{{number}}/{{name:path}}", endpoints.of_snapshot),
        Route("/{name:path}", endpoints.current),
    ]
    app = Starlette(routes=routes, exception_handlers={NotServed: _not_served, HTTPException: _refused})
    app.router.redirect_slashes = False
    return app


def _conditional(request: Request, response: OpenedFile | WholeDocument) -> Response:
    """The response; 304 where the client has this file already; 412 where it requires another one (If-Match)."""
    wanted = request.headers.get("if-match", "*")
    if wanted.strip() != "*" and response.headers["etag"] not in [tag.strip() for tag in wanted.split(",")]:
        response.close()
        return _error(412, "The file is another one by now.", "Begin again with the manifest.")
    if _conditions.is_not_modified(response.headers, request.headers):
        response.close()
        return NotModifiedResponse(response.headers)
    return response


def _not_served(_: Request, error: Exception) -> Response:
    assert isinstance(error, NotServed)  # noqa: S101 - what it is registered for
    response = _error(STATUS[type(error)], error.message, error.next_step)
    if isinstance(error, NotAvailable):
        response.headers["retry-after"] = "60"
    return response


def _refused(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - what it is registered for
    words = {404: "There is no such path.", 405: "Only GET and HEAD are answered."}
    response = _error(error.status_code, words.get(error.status_code, error.detail), "/ lists what there is.")
    response.headers.update(error.headers or {})
    return response


def _error(status: int, message: str, next_step: str) -> Response:
    return JSONResponse({"error": message, "next_step": next_step}, status, {"cache-control": "no-store"})
