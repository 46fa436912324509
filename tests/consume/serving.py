"""A copy of the published directory that a test may change, and its server, asked with paths as they are written."""

from __future__ import annotations

import http.client
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import duckdb

from referral_warehouse.consume.description.schema_json import write_schema
from referral_warehouse.consume.http_server import HttpServer
from referral_warehouse.consume.serving.app import serving_app
from referral_warehouse.settings import Settings
from referral_warehouse.warehouse.snapshots import access_of
from referral_warehouse.workspace.current_snapshot import folder_name

TOKEN = "tok-0123456789abcdef"
BEARER = {"Authorization": f"Bearer {TOKEN}"}
SECRETS = {"load.duckdb": b"the load file", "state/token": b"the state", "sandbox.sqlite3": b"the account"}
"""Files of the directory that nobody may read."""


class Answer(NamedTuple):
    """A response; the names of headers are in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def document(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.body)
        return found


class Server:
    """A running server; each request is a connection of its own, and its path is sent as it is written."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.host, _, port = url.removeprefix("http://").partition(":")
        self.port = int(port)

    def ask(self, path: str, method: str = "GET", headers: Mapping[str, str] | None = None) -> Answer:
        connection = http.client.HTTPConnection(self.host, self.port, timeout=60)
        try:
            connection.putrequest(method, path)
            for name, value in (BEARER | dict(headers or {})).items():
                connection.putheader(name, value)
            connection.endheaders()
            response = connection.getresponse()
            return Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())
        finally:
            connection.close()


@contextmanager
def served(settings: Settings) -> Iterator[Server]:
    """Serve a directory in this process."""
    with HttpServer(lambda _port: serving_app(settings), TOKEN, has_passwords=True) as server:
        yield Server(server.url)


def copy_published(published: Settings, into: Path) -> Settings:
    """The same snapshots in another directory, with secrets beside them and a schema in the published one.

    Files are linked, not copied: a test may remove or replace one, and must not write into it.
    """
    for name in ("snapshots", "feeds", "warehouse.duckdb", "manifest.json"):
        source = published.published_dir / name
        if source.is_dir() and not source.is_symlink():
            shutil.copytree(source, into / name, copy_function=os.link)
        else:
            into.mkdir(exist_ok=True)
            shutil.copy(source, into / name, follow_symlinks=False)
    for name, content in SECRETS.items():
        (into / name).parent.mkdir(exist_ok=True)
        (into / name).write_bytes(content)
    settings = replace(published, warehouse_dir=into)
    folder = snapshot_folder(settings, 3)
    with duckdb.connect() as connection:
        connection.execute(f"attach '{folder / 'warehouse.duckdb'}' as it (read_only)")
        write_schema(folder / "schema.json", connection, "it", access_of(settings))
    return settings


def snapshot_folder(settings: Settings, number: int) -> Path:
    return settings.snapshots_dir / folder_name(number)


def tables_of(settings: Settings) -> dict[str, Any]:
    """The tables of the manifest of snapshot 3."""
    found: dict[str, Any] = json.loads((snapshot_folder(settings, 3) / "manifest.json").read_text())["tables"]
    return found
