"""Chat services through Apprise: the real library, installed for these tests, sends to a server on loopback."""

from __future__ import annotations

import logging
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from referral_warehouse.operate.chat_services import send_to_services
from referral_warehouse.settings import Settings
from referral_warehouse.settings.notify import NotifySettings, SecretService
from tests.account_server import AccountServer
from tests.operate.conftest import Run
from tests.operate.receiver import Receiver

REFUSED = (401, b'{"message": "Unauthenticated."}')
HOOK, WORD = "hook-77c2e0d1a6b5", "secret-word"
PACKAGE = "apprise==2.*"


def test_without_apprise_a_command_says_what_to_install_before_it_begins(
    referrals: Run, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "apprise", None)  # as if it were not installed
    done = referrals("sync", NOTIFY__APPRISE_URLS=f"json://localhost/{HOOK}")
    assert done.code == 2
    [line] = done.err.splitlines()
    assert "needs the package apprise" in line
    assert "pip install 'referral-warehouse[notify]'" in line
    assert not settings.warehouse_dir.exists()
    shown = referrals("config", NOTIFY__APPRISE_URLS=f"json://localhost/{HOOK}")
    assert shown.code == 0
    assert HOOK not in shown.out + shown.err
    assert "apprise_urls" in shown.out


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with Apprise and what it needs."""
    folder = tmp_path_factory.mktemp("apprise")
    install = [sys.executable, "-m", "pip", "install", "-q", "--target", str(folder), PACKAGE]
    subprocess.run(install, check=True, capture_output=True)
    return folder


@pytest.fixture
def apprise(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Apprise can be imported; all else is that of this interpreter."""
    monkeypatch.setattr(sys, "path", [*sys.path, str(package)])


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as running:
        yield running


def address(receiver: Receiver) -> str:
    """The receiver as a service of Apprise, with a user, a password and a token."""
    return f"json://me:{WORD}@{receiver.base_url.removeprefix('http://')}/{HOOK}/?format=text"


def closed_address() -> str:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        return f"json://127.0.0.1:{closed.getsockname()[1]}/{HOOK}"


@pytest.mark.full
@pytest.mark.usefixtures("apprise")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_failure_and_the_recovery_are_sent_to_a_service(
    referrals: Run, account: AccountServer, synced: Settings, receiver: Receiver, tmp_path: Path
) -> None:
    given = {"NOTIFY__APPRISE_URLS": address(receiver), "NOTIFY__EVENTS": "failure,recovery"}
    account.errors["campaigns"] = account.errors["users"] = REFUSED
    failed = [referrals("sync", "--verbose", **given) for _ in range(2)]
    assert [done.code for done in failed] == [3, 3]
    [alert] = receiver.received
    assert alert.path == f"/{HOOK}/"
    assert (alert.json["title"], alert.json["type"]) == ("referral-warehouse", "failure")
    assert "sync failed with exit code 3: " in alert.json["message"]
    account.errors.clear()
    done = referrals("sync", "--verbose", **given)
    assert done.code == 0
    assert receiver.received[1].json["type"] == "success"
    assert "sync succeeded again, after 2 runs that did not." in receiver.received[1].json["message"]
    shown = "".join(one.out + one.err for one in (*failed, done, referrals("config", **given)))
    kept = "".join(path.read_text("utf-8", "replace") for path in synced.state_dir.glob("*.*") if path.is_file())
    sent = b"".join(one.body for one in receiver.received).decode()
    for secret in (HOOK, WORD, "tok-5e1f0a77c3"):
        assert secret not in shown + kept + sent
    assert not list(tmp_path.rglob("*apprise*")), "it keeps no files"


@pytest.mark.full
@pytest.mark.usefixtures("apprise")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_services_that_fail_are_one_warning_and_the_others_are_reached(
    referrals: Run, account: AccountServer, synced: Settings, receiver: Receiver
) -> None:
    account.lists["users"].append({**account.lists["users"][0], "id": 77})
    urls = f"{closed_address()} {address(receiver)}"
    done = referrals("publish", NOTIFY__APPRISE_URLS=urls, NOTIFY__EVENTS="warnings,failure,recovery")
    assert done.code == 0
    assert [one.json["type"] for one in receiver.received] == ["warning"] * len(receiver.received)
    account.errors["campaigns"] = account.errors["users"] = REFUSED
    failed = referrals("sync", NOTIFY__APPRISE_URLS=urls)
    assert failed.code == 3
    assert receiver.received[-1].json["type"] == "failure"
    warning, error = failed.err.splitlines()
    assert "NOTIFY__APPRISE_URLS: address 1, json, was not reached, or refused the message" in warning
    assert "the run is not affected" in warning
    assert HOOK not in failed.err
    assert "401" in error or "token" in error
    assert synced.manifest_path.is_file()


@pytest.mark.full
@pytest.mark.usefixtures("apprise")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_refusals_redirects_and_slow_services_are_sentences_and_no_log(
    receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    notify = NotifySettings(apprise_urls=(SecretService(address(receiver)),), timeout_s=1)
    for status in (302, 403, 500):
        receiver.status = status
        found = send_to_services(notify, "text", ["failure"])
        assert found == ["NOTIFY__APPRISE_URLS: address 1, json, was not reached, or refused the message"]
    assert len(receiver.received) == 3, "no redirect was followed"
    receiver.status, receiver.wait_s = 200, 1.5
    assert "did not answer within 1 s" in send_to_services(notify, "text", ["stale"])[0]
    assert [record for record in caplog.records if record.name.startswith(("apprise", "urllib3"))] == []


@pytest.mark.full
@pytest.mark.usefixtures("apprise")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_service_that_apprise_does_not_know_is_refused_before_a_run(referrals: Run, settings: Settings) -> None:
    done = referrals("sync", NOTIFY__APPRISE_URLS=f"json://localhost/x nosuch://{HOOK}")
    assert done.code == 2
    assert "Apprise cannot use address 2, nosuch" in done.err
    assert HOOK not in done.err
    assert not settings.warehouse_dir.exists()
