"""Feeds are delivered to a real server of S3, which fails at times; the client and the server are installed for it."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from referral_warehouse.cli.feed_delivery import deliver_published
from referral_warehouse.operate.delivery_bucket import DeliveryBucket
from referral_warehouse.operate.feed_delivery import Delivery, deliver_feeds
from referral_warehouse.settings import Settings
from referral_warehouse.settings.delivery_target import DeliveryTarget
from tests.operate.deliveries import published_thrice, read_set, switch_to, without_grace
from tests.soak.buckets import SECRET, Server, aws, bucket_server

pytestmark = pytest.mark.usefixtures("few_models_in_module")
PROJECT = Path(__file__).parents[2]
# Its own packages come last, so that all others are those of this interpreter.
COMMAND = """
import sys
sys.path.append(sys.argv.pop(1))
from referral_warehouse.__main__ import main
main()
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with bucket_server(tmp_path_factory.mktemp("s3")) as running:
        yield running


@pytest.fixture(scope="module")
def publications(tmp_path_factory: pytest.TempPathFactory, few_models_in_module: None) -> Settings:
    return published_thrice(tmp_path_factory.mktemp("published"))


@pytest.fixture
def settings(publications: Settings, server: Server) -> Settings:
    """The first snapshot is the published one, and is for a bucket of the test's own."""
    target = DeliveryTarget(bucket=server.new_bucket(), prefix="some/prefix")
    return switch_to(replace(publications, deliver_to=target), 1)


def deliver(settings: Settings) -> Delivery:
    assert settings.deliver_to is not None
    with closing(DeliveryBucket(settings.deliver_to.bucket, settings.deliver_to.prefix)) as bucket:
        delivery = deliver_feeds(settings, bucket)
    assert delivery is not None
    return delivery


def read(settings: Settings) -> dict[str, Any]:
    assert settings.deliver_to is not None
    with closing(DeliveryBucket(settings.deliver_to.bucket, settings.deliver_to.prefix)) as bucket:
        manifest = read_set(bucket.read)
    assert manifest is not None
    return manifest


def sets(settings: Settings) -> set[str]:
    assert settings.deliver_to is not None
    with closing(DeliveryBucket(settings.deliver_to.bucket, settings.deliver_to.prefix)) as bucket:
        return {name.split("/")[1] for name in bucket.files()}


def test_sets_are_delivered_replaced_and_removed(settings: Settings, server: Server) -> None:
    first = deliver(settings)
    assert read(settings)["snapshot"] == 1
    feeds = [line for line in server.requests() if "/some/prefix/snapshots/000001/feeds/" in line and "PUT" in line]
    assert len(feeds) == first.copied - 1
    assert all(line.endswith("with checksum") for line in feeds)
    again = deliver(settings)
    assert (again.copied, again.is_new, again.problems) == (0, False, ())
    deliver(switch_to(settings, 2))
    assert sets(settings) == {"000001", "000002"}
    assert deliver(switch_to(without_grace(settings), 3)).problems == ()
    assert sets(settings) == {"000003"}
    assert read(settings)["snapshot"] == 3


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ({"method": "PUT", "contains": "/feeds/", "skip": 3, "status": 503, "code": "SlowDown"}, "OSError"),
        ({"method": "PUT", "contains": "/feeds/", "skip": 0, "status": 403, "code": "AccessDenied"}, "PermissionError"),
        ({"method": "PUT", "contains": "prefix/manifest.json", "skip": 0, "status": 500, "code": "InternalError"}, ""),
        ({"method": "GET", "contains": "/bucket", "skip": 0, "status": 403, "code": "AccessDenied"}, "PermissionError"),
        ({"method": "HEAD", "contains": "manifest.json", "skip": 0, "status": 403, "code": "AccessDenied"}, ""),
        ({"method": "PUT", "contains": "/feeds/", "skip": 3, "status": 400, "code": "BadDigest"}, "OSError"),
    ],
)
def test_an_error_of_the_server_is_a_warning_and_the_next_delivery_completes(
    settings: Settings, server: Server, caplog: pytest.LogCaptureFixture, fault: Mapping[str, Any], words: str
) -> None:
    deliver(settings)
    switch_to(settings, 2)
    server.fail(**fault)
    try:
        with caplog.at_level(logging.WARNING):
            deliver_published(settings)
    finally:
        server.fail()
    [message] = [record.getMessage() for record in caplog.records if record.name.startswith("referral_warehouse")]
    assert "were not delivered to s3://bucket-" in message
    assert words in message
    assert SECRET not in message
    assert len(message.splitlines()) == 1
    assert read(settings)["snapshot"] == 1
    caplog.clear()
    deliver_published(settings)
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []
    assert read(settings)["snapshot"] == 2


def test_sets_that_must_not_be_removed_are_a_warning(settings: Settings, server: Server) -> None:
    deliver(settings)
    server.fail(method="POST", contains="/bucket", skip=1, status=403, code="AccessDenied")
    try:  # the first removal is that of the mark of an incomplete set
        delivery = deliver(switch_to(without_grace(settings), 2))
    finally:
        server.fail()
    assert "000001 could not be removed" in delivery.problems[0]
    assert read(settings)["snapshot"] == 2
    assert deliver(without_grace(settings)).problems == ()
    assert sets(settings) == {"000002"}


@pytest.mark.parametrize("user", ["", "somebody:hunter22@"])
def test_an_endpoint_that_is_down_is_a_warning_without_its_password(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, user: str
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{user}127.0.0.1:1")
    deliver_published(settings)
    [message] = [record.getMessage() for record in caplog.records if record.name.startswith("referral_warehouse")]
    assert "were not delivered" in message
    assert ("127.0.0.1:1" in message) == (user == "")
    assert "hunter22" not in message


def test_a_reader_that_follows_the_manifest_sees_whole_sets_only(settings: Settings) -> None:
    deliver(settings)
    seen: list[int] = []
    failures: list[BaseException] = []
    ended = threading.Event()

    def follow() -> None:
        while not ended.is_set():
            try:
                seen.append(read(settings)["snapshot"])
            except BaseException as error:
                failures.append(error)
                return

    thread = threading.Thread(target=follow)
    thread.start()
    try:
        for number in (2, 3, 1, 2, 3):
            deliver(replace(switch_to(settings, number), keep_snapshots=1))
            read_before = len(seen)
            while len(seen) == read_before and not failures:
                time.sleep(0.01)
    finally:
        ended.set()
        thread.join()
    assert failures == []
    assert {*seen} == {1, 2, 3}


@pytest.mark.parametrize("skip", [0, 4, 9])
def test_a_killed_delivery_leaves_the_older_set_and_is_continued(
    settings: Settings, server: Server, tmp_path: Path, skip: int
) -> None:
    deliver(settings)
    before = len(server.requests())
    server.fail(method="PUT", contains="/feeds/", skip=skip, status=503, code="SlowDown", wait_s=5)
    child = subprocess.Popen(
        [sys.executable, "-c", COMMAND, server.packages, "publish"], env=environ(settings, server, tmp_path),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    while len([line for line in server.requests()[before:] if "PUT" in line and "/feeds/" in line]) <= skip:
        assert child.poll() is None, child.communicate()
        time.sleep(0.02)
    child.send_signal(signal.SIGKILL)
    child.communicate()
    server.fail()
    assert child.returncode == -signal.SIGKILL
    assert read(settings)["snapshot"] == 1
    continued = deliver(settings)
    delivered = read(settings)
    assert delivered["snapshot"] == continued.snapshot > 1
    assert continued.copied == len(delivered["tables"]) + 1 - skip


def test_a_command_delivers_and_shows_no_secret(settings: Settings, server: Server, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", COMMAND, server.packages, "publish", "--verbose"], capture_output=True, text=True,
        env=environ(settings, server, tmp_path), check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert f"are delivered to {settings.deliver_to}" in done.stderr
    assert "Unclosed" not in done.stderr
    assert SECRET not in done.stdout + done.stderr
    written = [path.read_bytes() for path in settings.state_dir.rglob("*") if path.is_file()]
    assert written
    assert not any(SECRET.encode() in content for content in written)
    assert "marts.campaign_performance" in read(settings)["tables"]


def environ(settings: Settings, server: Server, home: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("SOURCES__", "WAREHOUSE__"))}
    return kept | aws(server, home) | {
        "PYTHONPATH": str(PROJECT / "pipelines"), "WAREHOUSE__DIR": str(settings.warehouse_dir),
        "WAREHOUSE__DELIVER_TO": str(settings.deliver_to),
    }  # fmt: skip
