"""Bytes one by one, without an end, for servers that trickle."""

from __future__ import annotations

import itertools
from collections.abc import Iterator


def letters(text: bytes) -> Iterator[bytes]:
    for letter in itertools.cycle(text):
        yield bytes([letter])
