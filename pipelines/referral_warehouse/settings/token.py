"""A secret such as the API token, which is shown by one method only."""

from __future__ import annotations

from typing import Any

from referral_warehouse.redaction import register_secret


class Token:
    """A token or a password; shown only by ``reveal()``: its repr hides it, and logs and messages are redacted."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value
        register_secret(value)

    def reveal(self) -> str:
        return self._value

    def __repr__(self) -> str:
        return "Token(***)"

    __str__ = __repr__

    def __reduce__(self) -> Any:
        raise TypeError("a token is never pickled")
