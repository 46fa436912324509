"""``referrals serve``: what it answers, byte by byte, and what it never gives."""

from __future__ import annotations

import base64
import hashlib
import http.client
import json
import os
import random
import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path

import pytest

from referral_warehouse.settings import Settings
from referral_warehouse.warehouse.public_names import switch_link
from tests.consume.serving import BEARER, SECRETS, TOKEN, Server, copy_published, served, snapshot_folder, tables_of

FEED = "marts.reward_liability"
NUMBERED = f"/snapshots/000003/feeds/{FEED}.parquet"
CURRENT = f"/feeds/{FEED}.parquet"


@pytest.fixture(scope="module")
def whole(published: Settings, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A directory whose personal tables are served too; no test changes it."""
    return replace(copy_published(published, tmp_path_factory.mktemp("serving") / "data"), serve_personal=True)


@pytest.fixture(scope="module")
def server(whole: Settings) -> Iterator[Server]:
    with served(whole) as asked:
        yield asked


@pytest.fixture
def own(published: Settings, tmp_path: Path) -> Settings:
    """A directory that the test may change."""
    return copy_published(published, tmp_path / "data")


def test_every_feed_is_the_file_itself_with_its_checksum(server: Server, whole: Settings) -> None:
    tables = tables_of(whole)
    assert len(tables) > 30
    for name, table in tables.items():
        for path in (f"/{table['feed']}", f"/feeds/{name}.parquet"):
            answer = server.ask(path)
            assert answer.status == 200
            assert f"sha256:{hashlib.sha256(answer.body).hexdigest()}" == table["checksum"]
            assert answer.headers["etag"] == f'"{table["checksum"]}"'
            assert answer.headers["content-location"] == f"/{table['feed']}"
    assert "immutable" in server.ask(NUMBERED).headers["cache-control"]
    assert server.ask(CURRENT).headers["cache-control"] == "private, no-cache"


def test_the_list_leads_to_everything(server: Server, whole: Settings) -> None:
    listed = server.ask("/").document
    assert (listed["published"], listed["withheld"]) == (3, [])
    assert sorted(listed["tables"]) == sorted(tables_of(whole))
    for table in listed["tables"]:
        assert server.ask(f"{listed['feeds']}{table}.parquet", "HEAD").status == 200
    assert [entry["snapshot"] for entry in listed["snapshots"]] == [3, 2, 1]
    assert listed["snapshots"][0]["synced_at"] == "2026-03-01T08:00:00+00:00"
    assert listed["snapshots"][0].keys() == {"snapshot", "synced_at", "manifest", "schema"}
    for entry in listed["snapshots"]:
        assert server.ask(entry["manifest"]).document["snapshot"] == entry["snapshot"]
    schema = server.ask(listed["snapshots"][0]["schema"])
    assert schema.document["tables"].keys() == tables_of(whole).keys()
    assert (server.ask("/schema.json").body, schema.headers["content-type"]) == (schema.body, "application/json")
    assert server.ask("/manifest.json").document == json.loads(whole.manifest_path.read_text())


def test_a_range_is_that_part_of_the_file(server: Server) -> None:
    content = server.ask(NUMBERED).body
    size, chance = len(content), random.Random(7)
    for _ in range(60):
        first, last = sorted(chance.randrange(size + 50) for _ in range(2))
        for text, expected in (
            (f"bytes={first}-{last}", content[first : last + 1]),
            (f"bytes={first}-", content[first:]),
            (f"bytes=-{last + 1}", content[-last - 1 :]),
        ):
            answer = server.ask(NUMBERED, headers={"Range": text})
            if not expected:
                assert (answer.status, answer.headers["content-range"]) == (416, f"bytes */{size}"), text
                continue
            assert (answer.status, answer.body) == (206, expected), text
            start = content.index(expected) if text.startswith("bytes=-") else first
            assert answer.headers["content-length"] == str(len(expected))
            if not text.startswith("bytes=-"):
                assert answer.headers["content-range"] == f"bytes {start}-{start + len(expected) - 1}/{size}"
    etag = server.ask(NUMBERED).headers["etag"]
    for condition, status in ((etag, 206), ('"another"', 200)):
        answer = server.ask(NUMBERED, headers={"Range": "bytes=0-3", "If-Range": condition})
        assert (answer.status, answer.body) == (status, content[:4] if status == 206 else content)
    for text in ("bytes=x", "bytes=", "bytes", "items=0-1", "bytes=5-2", "bytes=0-1,x", "bytes=--1", "bytes=0-1-2"):
        answer = server.ask(NUMBERED, headers={"Range": text})
        assert (answer.status, answer.body) == (200, content), f"{text} is no range, which is to be ignored"
    assert server.ask(NUMBERED, headers={"Range": f"bytes={'9' * 40}-"}).status == 416


def test_a_head_is_the_get_without_its_body(server: Server) -> None:
    for path in (NUMBERED, "/snapshots/000001/manifest.json", "/nothing", "/snapshots/000003/feeds/nothing.parquet"):
        got, head = server.ask(path), server.ask(path, "HEAD")
        assert (head.status, head.body) == (got.status, b"")
        assert {**head.headers, "date": ""} == {**got.headers, "date": ""}


def test_a_name_without_a_number_is_answered_as_a_whole(server: Server) -> None:
    """Whoever knew its length or checksum, or got a range, would put parts of two snapshots together."""
    for path in (CURRENT, "/manifest.json", "/"):
        began = datetime.now(UTC).replace(microsecond=0)
        head = server.ask(path, "HEAD").headers
        assert (head.keys() & {"content-length", "etag"}, head["accept-ranges"]) == (set(), "none"), path
        assert parsedate_to_datetime(head["last-modified"]) >= began, "nothing that is older is the same"
        answer = server.ask(path, headers={"Range": "bytes=0-3"})
        assert (answer.status, answer.body) == (200, server.ask(path).body)
        assert "last-modified" not in answer.headers
    assert server.ask(NUMBERED, "HEAD").headers["content-length"] == str(len(server.ask(NUMBERED).body))


def test_what_a_client_has_already_is_not_sent_again(own: Settings) -> None:
    with served(replace(own, serve_personal=True)) as server:
        for path in (NUMBERED, CURRENT, "/", "/manifest.json"):
            etag = server.ask(path).headers["etag"]
            answer = server.ask(path, headers={"If-None-Match": f'"other", {etag}'})
            assert (answer.status, answer.body, answer.headers["etag"]) == (304, b"", etag), path
            assert server.ask(path, headers={"If-None-Match": '"other"'}).status == 200
            assert server.ask(path, headers={"If-Match": etag}).status == 200
            refused = server.ask(path, headers={"If-Match": '"other"', "Range": "bytes=0-3"})
            assert (refused.status, refused.document["next_step"]) == (412, "Begin again with the manifest.")
        etag = server.ask("/manifest.json").headers["etag"]
        switch_link(own, 2)
        answer = server.ask("/manifest.json", headers={"If-None-Match": etag})
        assert (answer.status, answer.document["snapshot"]) == (200, 2)
        assert server.ask(CURRENT).headers["content-location"] == NUMBERED.replace("000003", "000002")


# Parts of paths, which are put together at random: a server may give a file that is meant to be read, or none.
PIECES = ["", ".", "..", "%2e%2e", "%2E%2e%2f", "%2f", "%5c", "\\", "%00", "%", "%ff", "~", "etc", "passwd", "state",
    "token", "load.duckdb", "warehouse.duckdb", "sandbox.sqlite3", "snapshots", "000003", "000001", "3", "0000003",
    "%30%30%30%30%30%33", "feeds", "core.users.parquet", "manifest.json", "schema.json",
    "%D9%A0%D9%A0%D9%A0%D9%A0%D9%A0%D9%A3", "report.html", "*", "%3f", ";", "x" * 5000,
]  # fmt: skip
AIMED = [
    "/../load.duckdb", "/%2e%2e/load.duckdb", "/load.duckdb", "/state/token", "/sandbox.sqlite3", "/warehouse.duckdb",
    "/snapshots/000003/warehouse.duckdb", "/snapshots/000003/../../load.duckdb",
    "/snapshots/000003/..%2f..%2fload.duckdb",
    "/snapshots/..%2fload.duckdb/x", "/feeds/../load.duckdb", "/feeds/..%2f..%2f..%2f..%2fload.duckdb", "//etc/passwd",
    "/feeds//etc/passwd", "/snapshots/000003//etc/passwd", "/snapshots", "/snapshots/", "/snapshots/000003/",
    "/snapshots/000003/feeds/", "/feeds", "/feeds/", "/snapshots/3/manifest.json", "/feeds/core.users",
]  # fmt: skip


def test_no_path_leads_anywhere_else(server: Server, whole: Settings) -> None:
    meant = {
        path.read_bytes()
        for number in (1, 2, 3)
        for path in snapshot_folder(whole, number).rglob("*")
        if path.is_file() and path.suffix in (".parquet", ".json")
    }
    meant |= {server.ask("/").body, server.ask("/manifest.json").body}
    chance = random.Random(11)
    made = ["/" + "/".join(chance.choices(PIECES, k=chance.randint(1, 5))) for _ in range(300)]
    seen = {200: 0, 404: 0}
    for path in AIMED + made:
        answer = server.ask(path)
        seen[answer.status] += 1  # no other status
        if path in AIMED:
            assert answer.status == 404, path
        if answer.status == 200:
            assert answer.body in meant, path
        else:
            assert answer.document.keys() == {"error", "next_step"}
            assert not any(secret in answer.body for secret in (*SECRETS.values(), str(whole.warehouse_dir).encode()))
    assert seen[404] > 200


def test_a_link_or_a_pipe_in_a_snapshot_is_not_served(own: Settings) -> None:
    feeds = snapshot_folder(own, 3) / "feeds"
    feeds.chmod(0o700)
    for name, plant in (
        ("core.users", lambda path: path.symlink_to(own.load_path)),
        ("core.units", os.mkfifo),
        ("core.rewards", lambda path: path.mkdir()),
    ):
        (feeds / f"{name}.parquet").unlink()
        plant(feeds / f"{name}.parquet")
    second = snapshot_folder(own, 2)
    (second / "feeds").rename(own.warehouse_dir / "elsewhere")
    (second / "feeds").symlink_to(own.warehouse_dir / "elsewhere")
    with served(replace(own, serve_personal=True)) as server:
        for name in ("core.users", "core.units", "core.rewards"):
            assert server.ask(f"/feeds/{name}.parquet").status == 404
        assert server.ask(f"/snapshots/000002/feeds/{FEED}.parquet").status == 404
        assert server.ask(CURRENT).status == 200


def test_nothing_but_get_and_head_is_answered(server: Server) -> None:
    for method in ("POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "PROPFIND"):
        for path in ("/", "/manifest.json", NUMBERED, CURRENT):
            answer = server.ask(path, method, {"Content-Length": "0"})
            assert (answer.status, set(answer.headers["allow"].split(", "))) == (405, {"GET", "HEAD"})
            assert answer.document["error"] == "Only GET and HEAD are answered."


def test_before_the_first_publication_everything_waits(own: Settings, tmp_path: Path) -> None:
    empty = replace(own, warehouse_dir=tmp_path / "empty", serve_personal=True)
    with served(empty) as server:
        for path in ("/", "/manifest.json", "/schema.json", CURRENT):
            answer = server.ask(path)
            assert (answer.status, answer.headers["retry-after"]) == (503, "60")
            assert "referrals sync" in answer.document["next_step"]
        assert server.ask(NUMBERED).status == 503
        own.warehouse_dir.rename(empty.warehouse_dir)
        assert server.ask(CURRENT).status == 200, "no restart is needed"


def test_a_removed_snapshot_is_reported_as_gone(own: Settings) -> None:
    with served(replace(own, serve_personal=True)) as server:
        gone = NUMBERED.replace("000003", "000001")
        assert server.ask(gone).status == 200
        shutil.rmtree(snapshot_folder(own, 1))
        for path in (gone, "/snapshots/000001/manifest.json", "/snapshots/999999/manifest.json"):
            answer = server.ask(path)
            assert answer.status == 404
            assert "older ones are removed" in answer.document["next_step"]
        assert [entry["snapshot"] for entry in server.ask("/").document["snapshots"]] == [3, 2]


def test_a_download_ends_whole_although_its_snapshot_is_removed(own: Settings) -> None:
    report = snapshot_folder(own, 3) / "report.html"
    report.write_bytes(os.urandom(24_000_000))
    content = report.read_bytes()
    with served(own) as server:
        connection = http.client.HTTPConnection(server.host, server.port, timeout=60)
        connection.request("GET", "/report.html", headers=BEARER)
        response = connection.getresponse()
        begun = response.read(1000)
        shutil.rmtree(own.snapshots_dir)
        assert begun + response.read() == content
        connection.close()


def test_a_damaged_publication_is_reported_as_damaged(own: Settings) -> None:
    settings = replace(own, serve_personal=True)
    manifest = snapshot_folder(own, 3) / "manifest.json"
    with served(settings) as server:
        assert server.ask(CURRENT).status == 200
        manifest.unlink()
        for content in (None, b"{}", b"\0"):
            if content is not None:
                manifest.write_bytes(content)
            answer = server.ask(CURRENT)
            assert (answer.status, "referrals publish" in answer.document["next_step"]) == (503, True)
        own.warehouse_path.unlink()
        own.warehouse_path.write_text("something else")
        for path in ("/", CURRENT):
            answer = server.ask(path)
            assert (answer.status, str(own.warehouse_dir) in answer.body.decode()) == (503, False)


def test_a_directory_of_its_own_without_links_is_served(own: Settings, tmp_path: Path) -> None:
    """What a network share looks like: the manifest says which snapshot is the published one."""
    share = tmp_path / "share"
    share.mkdir()
    for name in ("snapshots", "manifest.json"):
        (own.warehouse_dir / name).rename(share / name)
    settings = replace(own, publish_dir=share, serve_personal=True)
    with served(settings) as server:
        assert server.ask("/").document["published"] == 3
        assert server.ask(CURRENT).headers["content-location"] == NUMBERED


def basic(password: str, user: str = "reader") -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def test_without_the_token_nothing_is_answered(server: Server) -> None:
    for right in (f"Bearer {TOKEN}", f"bearer {TOKEN}", f"BASIC {basic(TOKEN)[6:]}", basic(TOKEN), basic(TOKEN, "")):
        assert server.ask("/", headers={"Authorization": right}).status == 200
    wrong = [
        "", "Bearer", f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}", TOKEN, f"Basic {TOKEN}", basic(TOKEN[:-1]), basic(""),
        basic(f"{TOKEN}:"), f"Bearer {base64.b64encode(TOKEN.encode()).decode()}", "Basic !", f"Bearer  {TOKEN}",
        "Bearer é",
    ]  # fmt: skip
    for header in wrong:
        for path in ("/", NUMBERED, "/nothing", "/load.duckdb"):
            answer = server.ask(path, headers={"Authorization": header})
            assert (answer.status, TOKEN in answer.body.decode()) == (401, False), header
            assert answer.headers["www-authenticate"].startswith("Bearer, Basic ")
            assert answer.document.keys() == {"error", "next_step"}
