"""Registered secrets are replaced in every text: long ones anywhere, short ones where they stand alone."""

from __future__ import annotations

import json

import pytest

from referral_warehouse import redaction
from referral_warehouse.api.error_mapping import error_for
from referral_warehouse.api.retry import status_meaning
from referral_warehouse.api.transport import LOCATION, Reply
from referral_warehouse.redaction import MIN_ANYWHERE_CHARS, redact, register_secret
from referral_warehouse.settings import Token

LONG, SHORT = "kept-7f3a9c", "k7f"


@pytest.fixture(autouse=True)
def own_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    """No secret of another test, and none for the tests that follow."""
    monkeypatch.setattr(redaction, "_secrets", set())
    monkeypatch.setattr(redaction, "_pattern", None)


def test_the_two_tokens_are_treated_differently() -> None:
    assert len(SHORT) < MIN_ANYWHERE_CHARS <= len(LONG)


@pytest.mark.parametrize("token", [LONG, SHORT])
@pytest.mark.parametrize(
    "text", ["Bearer {}", "{}", "token={}&x=1", '"{}"', "({}).", "a {} b {}", "{}\n", "bad_{}", "café {} ☕"]
)
def test_a_token_of_any_length_is_replaced_where_it_stands_alone(token: str, text: str) -> None:
    Token(token)
    assert redact(text.replace("{}", token)) == text.replace("{}", "***")


def test_a_long_token_is_replaced_within_words_too() -> None:
    Token(LONG)
    assert redact(f"x{LONG}y") == "x***y"


@pytest.mark.parametrize("word", [f"x{SHORT}", f"{SHORT}9", f"é{SHORT}é"])
def test_a_short_token_leaves_the_words_that_contain_it(word: str) -> None:
    Token(SHORT)
    assert redact(word) == word


@pytest.mark.parametrize("token", ["a.c", "(", "*", "\\", "$1", "a|b"])
def test_a_token_of_special_characters_is_replaced_as_it_is(token: str) -> None:
    register_secret(token)
    assert redact(f"said {token} abc") == "said *** abc"


def test_of_two_secrets_the_longer_one_is_replaced_first() -> None:
    register_secret(LONG)
    register_secret(f"{LONG}-and-more")
    assert redact(f"{LONG}-and-more, {LONG}") == "***, ***"


def test_no_secret_and_an_empty_one_change_nothing() -> None:
    assert redact("as it is") == "as it is"
    register_secret("")
    assert redact("as it is") == "as it is"


@pytest.mark.parametrize("token", [LONG, SHORT])
@pytest.mark.parametrize("status", [401, 403, 404, 422, 302])
def test_an_error_of_the_api_shows_no_token(token: str, status: int) -> None:
    Token(token)
    body = json.dumps({"message": f"bad token {token}"}).encode()
    reply = Reply(status, {LOCATION: f"https://example.com/{token}/login"}, body, elapsed_s=0.1)
    said = str(error_for(reply, status_meaning(status), "users"))
    assert token not in said
    assert "***" in said
