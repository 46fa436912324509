"""Options of ``referrals sandbox``: every quirk has a switch, also under its name of version 0.2."""

from __future__ import annotations

from typing import Any

import pytest
from click.testing import CliRunner

import referral_warehouse.sandbox
from referral_warehouse.cli import cli
from referral_warehouse.sandbox import Quirks


@pytest.mark.parametrize("prefix", ["quirk", "trap"])
def test_switches_set_quirks(monkeypatch: pytest.MonkeyPatch, prefix: str) -> None:
    served: dict[str, Any] = {}
    monkeypatch.setattr(referral_warehouse.sandbox, "serve", lambda **options: served.update(options))
    arguments = [f"--{prefix}-no-meta", f"--{prefix}-fail-every", "3", f"--{prefix}-booleans-as=int"]
    done = CliRunner().invoke(cli, ["sandbox", *arguments])
    assert (done.exit_code, done.output) == (0, "")
    assert served["quirks"] == Quirks(no_meta=True, fail_every=3, booleans_as="int")


def test_help_shows_the_current_names_alone() -> None:
    text = CliRunner().invoke(cli, ["sandbox", "--help"]).output
    assert "--quirk-no-meta" in text
    assert "trap" not in text
