"""Values as extreme as JSON text can write them, and rows of every stream that hold one of them in one place."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

from referral_warehouse.load.registry import DOCUMENTED

DIGITS = "9" * 5_000


def nested(depth: int) -> str:
    return '{"a":[' * (depth // 2) + "1" + "]}" * (depth // 2)


NUMBERS = [
    "1e999999999", "-1e999999999", "1e-999999999", "1E400", "1e99999999999999999999", "-0", "-0.0", "1.5", DIGITS,
    f"-{DIGITS}", f"0.{DIGITS}", f"{DIGITS}.5", f"{DIGITS}e5", "9223372036854775807", "9223372036854775808",
    "-9223372036854775808", "-9223372036854775809", "18446744073709551615", "18446744073709551616", "1e19", "NaN",
    "Infinity", "-Infinity", "-7", "1e16", "9999999999999999.99",
]  # fmt: skip
TEXTS = [
    DIGITS, f"-{DIGITS}", f"{DIGITS}.5", "1e999999999", "²", "٣", "", " ", "\x00", "a\x00b", "\ud800", "\udc00\ud800",
    "😀", "NaN", "true", "9999-12-31T23:59:59.999999Z", "9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00+14:00",
    "0000-00-00", "0000-00-00 00:00:00", "-0001-11-30T00:00:00.000000Z", "2026-13-45", f"{DIGITS}-01-01",
    "2026-01-01T00:00:00." + DIGITS + "Z", "'; drop table users; --", "x" * 100_000, "\u202e\x1b[31m\r\n", "0x10",
    "1_000", "+7", "7.0", "--1", "\u2028",
]  # fmt: skip
SHAPES = [
    "null", "true", "false", "[]", "{}", "[1e999999999]", f'{{"a":{{"b":{DIGITS}}}}}', '{"":1}', '{"\\ud800":1}',
    '{"\\u0000":null}', '{"id":1,"id":2}', '[["a"],[{"id":true}]]', nested(300), nested(2_000), nested(20_000),
]  # fmt: skip
EXTREMES = [*NUMBERS, *map(json.dumps, TEXTS), *SHAPES]
_GOOD = {"int": "7", "bool": "true", "money": '"19.99"', "time": '"2026-01-05T08:00:00.000000Z"', "text": '"word"',
         "json": '{"a":"b"}'}  # fmt: skip


def good_row(table: str, identifier: int) -> dict[str, str]:
    """A row in order: field → JSON text."""
    return {field.name: _GOOD[field.kind] for field in DOCUMENTED[table].fields} | {"id": str(identifier)}


def written(row: dict[str, str]) -> str:
    return "{" + ",".join(f"{json.dumps(name)}:{text}" for name, text in row.items()) + "}"


def listed(*rows: str) -> bytes:
    return f'{{"data":[{",".join(rows)}],"meta":{{"total":{len(rows)},"last_page":1}}}}'.encode()


def true_row(text: str) -> Any:
    """The values of a row, with every number to its last digit; None where Python cannot nest so deep."""
    try:
        return json.loads(text, strict=False, parse_int=_whole, parse_float=_exact, parse_constant=Decimal)
    except RecursionError:
        return None


def _whole(text: str) -> int | Decimal:
    return int(text) if len(text) < 4_000 else Decimal(text)


def _exact(text: str) -> Decimal | str:
    return Decimal(text) if "e999999999" not in text.lower().replace("-", "") and "e99999999" not in text else text
