"""The body of a writing request, checked field by field; all errors are reported together."""

from __future__ import annotations

import re

from referral_warehouse.sandbox.http.php_params import Parameters
from referral_warehouse.sandbox.http.refusals import VALIDATION_MESSAGE, Refusal
from referral_warehouse.sandbox.quirks import Quirks

_EMAIL = re.compile(r"[^@\s]+@[^@\s.]+(\.[^@\s.]+)+")
_BOOLEANS = {"1": True, "true": True, "0": False, "false": False}


class Form:
    """Read the known fields, then call ``finish``: it refuses wrong values and fields that were not read."""

    def __init__(self, values: Parameters, quirks: Quirks) -> None:
        self._values = dict(values)
        self._quirks = quirks
        self._errors: dict[str, list[str]] = {}

    def text(self, name: str, required: bool = False) -> str | None:
        """A string; an empty one counts as not sent, as in the framework of the live API."""
        value = self._values.pop(name, None)
        if isinstance(value, str) and value.strip():
            return value.strip()
        if value is None or (isinstance(value, str) and not required):
            if required:
                self._wrong(name, "field is required.")
            return None
        self._wrong(name, "field is required." if isinstance(value, str) else "must be a string.")
        return None

    def email(self, name: str, required: bool = False) -> str | None:
        value = self.text(name, required)
        if value is not None and not _EMAIL.fullmatch(value):
            self._wrong(name, "must be a valid email address.")
        return value

    def number(self, name: str, required: bool = False) -> int | None:
        value = self._values.pop(name, None)
        if value is None or value == "":
            if required:
                self._wrong(name, "field is required.")
            return None
        text = str(value)
        if isinstance(value, bool) or not re.fullmatch(r"\d{1,18}", text):
            self._wrong(name, "must be a number.")
            return None
        return int(text)

    def boolean(self, name: str, required: bool = False) -> bool | None:
        value = self._values.pop(name, None)
        if value is None or value == "":
            if required:
                self._wrong(name, "field is required.")
            return None
        found = _BOOLEANS.get(str(value).lower())
        if found is None:
            self._wrong(name, "field must be true or false.")
        return found

    def finish(self) -> None:
        """Raises: Refusal when a field was wrong or is not known."""
        if not self._quirks.ignore_unknown_parameters:
            for name in self._values:
                self._errors.setdefault(name, []).append(f"The parameter {name} is not known here.")
        if self._errors:
            raise Refusal(400, VALIDATION_MESSAGE, self._errors)

    def _wrong(self, name: str, rest: str) -> None:
        self._errors.setdefault(name, []).append(f"The {name.replace('_', ' ')} {rest}")
