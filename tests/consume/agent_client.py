"""Asks the tools for agents with the SDK's own client, in this process."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from typing import Any, NamedTuple

from mcp import Client
from mcp.types import CallToolResult, Tool

from referral_warehouse.consume.agents.server import build_server
from referral_warehouse.consume.agents.source import Source
from referral_warehouse.settings import Settings

NOW = datetime(2026, 3, 2, 20, tzinfo=UTC)
"""36 hours after the last sync of the published account."""

Arguments = dict[str, Any]


class Answered(NamedTuple):
    """What a tool answered: the document, and whether it is an error."""

    document: dict[str, Any]
    is_error: bool
    text: str

    @property
    def rows(self) -> list[list[Any]]:
        found: list[list[Any]] = self.document["result"]["rows"]
        return found

    @property
    def error(self) -> str:
        assert self.is_error, self.text
        return f"{self.document['error']} {self.document['next_step']}"


def answered(result: CallToolResult) -> Answered:
    """A result, whose text and structured content are the same document."""
    [content] = result.content
    assert content.type == "text"
    document = json.loads(content.text)
    assert document == result.structured_content
    return Answered(document, bool(result.is_error), content.text)


class Agent:
    """Asks the tools of one warehouse directory; each call is a connection of its own."""

    def __init__(self, settings: Settings, timeout_s: float = 30.0) -> None:
        self.source = Source(settings, clock=lambda: NOW, timeout_s=timeout_s)
        self._server = build_server(self.source)

    def ask(self, tool: str, **arguments: Any) -> Answered:
        async def call() -> CallToolResult:
            async with Client(self._server) as client:
                return await client.call_tool(tool, arguments)

        return answered(asyncio.run(call()))

    def tools(self) -> list[Tool]:
        async def call() -> list[Tool]:
            async with Client(self._server) as client:
                return (await client.list_tools()).tools

        return asyncio.run(call())
