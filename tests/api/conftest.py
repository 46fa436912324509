"""A scripted server on a real socket, a clock that only ``sleep`` advances, and a call store folder for each test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from referral_warehouse.api.client import Client
from referral_warehouse.api.clock import ClientClock
from referral_warehouse.api.retry import RetryPolicy
from referral_warehouse.settings import Settings, Token
from tests.api.scripted_server import ScriptedServer
from tests.api.stand_ins import TOKEN, FakeTime


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "machine"))
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer() as running:
        yield running


@pytest.fixture
def fake() -> FakeTime:
    return FakeTime()


@pytest.fixture
def settings(server: ScriptedServer, tmp_path: Path) -> Settings:
    return Settings(
        api_token=Token(TOKEN),
        base_url=f"{server.url}/api/v1",
        calls_per_minute=0,
        timeout_s=5.0,
        warehouse_dir=tmp_path / "data",
    )


@pytest.fixture
def make_client(settings: Settings, fake: FakeTime) -> Iterator[Callable[..., Client]]:
    """Clients that sleep without waiting; ``client.events`` are their events."""
    clients: list[Client] = []

    def make(own: Settings | None = None, **options: Any) -> Client:
        events: list[dict[str, Any]] = []
        options.setdefault("policy", RetryPolicy(jitter=lambda: 1.0))
        options.setdefault("clock", ClientClock(sleep=fake.sleep))
        options.setdefault("on_event", events.append)
        client = Client(own or settings, **options)
        client.events = events  # type: ignore[attr-defined]
        clients.append(client)
        return client

    yield make
    for client in clients:
        client.close()


@pytest.fixture
def client(make_client: Callable[..., Client]) -> Client:
    return make_client()
