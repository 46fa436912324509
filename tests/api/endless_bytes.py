"""Single bytes without an end, for slow servers."""

from __future__ import annotations

import itertools
from collections.abc import Iterator


def letters(text: bytes) -> Iterator[bytes]:
    for letter in itertools.cycle(text):
        yield bytes([letter])
