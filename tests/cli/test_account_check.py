"""``check`` ends soon whatever is wrong, names the wrong setting, and never advises to run ``check``."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from referral_warehouse import errors
from referral_warehouse.cli import account_check
from referral_warehouse.cli.account_check import COMMAND, check_account
from referral_warehouse.errors import (
    ApiUnavailable,
    BadEnvelope,
    BudgetExhausted,
    ConfigurationError,
    FilterIgnored,
    ReferralsError,
    RequestRefused,
)
from referral_warehouse.settings import Settings, Token
from tests.account_server import AccountServer

SOURCES = Path(errors.__file__).parent
ERRORS = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, ReferralsError)]


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[AccountServer]:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    with AccountServer() as running:
        yield running


def settings_of(base_url: str) -> Settings:
    return replace(Settings(), base_url=base_url, api_token=Token("check-test-token"), calls_per_minute=0)


def test_a_closed_port_is_reported_after_two_short_retries(server: AccountServer) -> None:
    """The longest waits, and nothing else than waits takes time where a port refuses connections."""
    assert sum(account_check.BASE_S * 2**retry for retry in range(account_check.ATTEMPTS - 1)) <= 2
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/api/v1"
        with pytest.raises(ApiUnavailable, match="in 3 attempts over") as refused:
            check_account(settings_of(url))
    assert f"SOURCES__REFERRAL_FACTORY__BASE_URL ({url})" in refused.value.next_step


def test_a_limit_that_is_used_up_is_reported_without_waiting_for_it(server: AccountServer) -> None:
    server.errors["campaigns"] = (429, b'{"message": "Too Many Attempts."}')
    with pytest.raises(BudgetExhausted, match="in 1 attempts"):
        check_account(settings_of(server.base_url))


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        ((404, b'{"message": "Not found"}'), ConfigurationError),
        ((405, b"<html><title>Not allowed</title></html>"), ConfigurationError),
        ((410, b""), ConfigurationError),
        ((200, b"<!DOCTYPE html><title>Shop</title>"), ApiUnavailable),
    ],
)
def test_a_wrong_path_is_named(server: AccountServer, answer: tuple[int, bytes], kind: type[ReferralsError]) -> None:
    server.errors["campaigns"] = answer
    with pytest.raises(ReferralsError) as refused:
        check_account(settings_of(server.base_url))
    assert type(refused.value) is kind
    assert "Check the path of SOURCES__REFERRAL_FACTORY__BASE_URL: the vendor's API is at" in refused.value.next_step


def test_a_path_that_is_missing_later_is_not_blamed_on_the_base_url(server: AccountServer) -> None:
    server.errors["rewards/issued"] = (422, b'{"message": "The filter is invalid."}')
    found = {f.subject: f.text for f in check_account(settings_of(server.base_url)).findings}
    assert found["status filter of rewards issued"].startswith("refused (HTTP 422)")
    server.errors["users"] = (404, b"{}")
    with pytest.raises(RequestRefused):
        check_account(settings_of(server.base_url))


@pytest.mark.parametrize("kind", [*ERRORS, BadEnvelope, FilterIgnored], ids=lambda kind: kind.__name__)
def test_no_error_advises_to_run_the_command_that_failed(
    server: AccountServer, monkeypatch: pytest.MonkeyPatch, kind: type[ReferralsError]
) -> None:
    def fail(*_arguments: object, **_options: object) -> Iterator[object]:
        yield from ()
        raise kind("It failed.", 422) if issubclass(kind, RequestRefused) else kind("It failed.")

    monkeypatch.setattr("referral_warehouse.load.capability_check.probe", fail)
    with pytest.raises(kind) as refused:
        check_account(settings_of(server.base_url))
    assert COMMAND not in str(refused.value)
    assert refused.value.next_step.endswith(".")


@pytest.mark.parametrize(
    "answer",
    [
        b"[]", b'{"data": {}}', b'{"data": null, "meta": 5}', b'{"meta": {}}', b'{"data": [1], "meta": {"total": -1}}',
        b'{"data": [{"id": 1}], "meta": {"total": 5, "current_page": 9}}', b'{"data": ', b"", b"plain",
    ],
)  # fmt: skip
@pytest.mark.parametrize("path", ["campaigns", "users"])
def test_a_strange_response_ends_in_one_error_without_that_advice(
    server: AccountServer, path: str, answer: bytes
) -> None:
    server.errors[path] = (200, answer)
    try:
        findings = check_account(settings_of(server.base_url)).findings
        assert json.dumps([found.text for found in findings]).count(COMMAND) == 0
    except ReferralsError as refused:
        words = str(refused)
        assert COMMAND not in words


def test_the_advice_that_is_replaced_is_one_that_is_given() -> None:
    """Advice in another spelling would not be recognised."""
    spelled = [path for path in SOURCES.rglob("*.py") if "referrals check" in path.read_text(encoding="utf-8")]
    assert len(spelled) > 5
    for path in spelled:
        for line in path.read_text(encoding="utf-8").splitlines():
            if "referrals check" in line and "Example" not in line:
                assert COMMAND in line, f"{path}: {line}"
