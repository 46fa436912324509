"""Sandboxes over real sockets: one shared account that is only read, and small new ones that are changed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from referral_warehouse.sandbox import Quirks, Sandbox

Ask = Callable[..., httpx.Response]


@pytest.fixture(scope="session")
def shared_world() -> Iterator[Sandbox]:
    with Sandbox(users=400, seed=11, calls_per_minute=0) as sandbox:
        yield sandbox


@pytest.fixture
def world(shared_world: Sandbox) -> Iterator[Sandbox]:
    """For reading only; quirks may be set and are reset afterwards."""
    shared_world.set_quirks(Quirks())
    shared_world.reset_calls()
    yield shared_world
    shared_world.set_quirks(Quirks())


@pytest.fixture
def fresh() -> Iterator[Sandbox]:
    """A small account for one test."""
    with Sandbox(users=120, seed=3, calls_per_minute=0) as sandbox:
        yield sandbox


@pytest.fixture(scope="session")
def http() -> Iterator[httpx.Client]:
    with httpx.Client(timeout=20, trust_env=False) as client:
        yield client


@pytest.fixture
def ask(http: httpx.Client) -> Ask:
    """``ask(sandbox, "GET", "/users?per_page=2")`` with the token and Accept, unless headers say otherwise."""

    def send(
        sandbox: Sandbox,
        method: str,
        path: str,
        form: str | None = None,
        headers: dict[str, str] | None = None,
        **more: Any,
    ) -> httpx.Response:
        sent = {"Authorization": f"Bearer {sandbox.token}", "Accept": "application/json"} | (headers or {})
        if form is not None:
            sent["Content-Type"] = "application/x-www-form-urlencoded"
            more["content"] = form
        url = path if path.startswith("http") else sandbox.base_url + path
        return http.request(method, url, headers=sent, **more)

    return send


@pytest.fixture
def data(ask: Ask) -> Callable[..., Any]:
    """The ``data`` of a GET that must succeed."""

    def get(sandbox: Sandbox, path: str) -> Any:
        reply = ask(sandbox, "GET", path)
        assert reply.status_code == 200, reply.text
        return reply.json()["data"]

    return get
