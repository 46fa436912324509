"""Texts that an account may hold and that programs may interpret; every sink is tested with all of them."""

from __future__ import annotations

HOSTILE: dict[str, str] = {
    "closing markup": "Gift [/promo]",
    "opening markup": "[vip] gift [bold red]now[/]",
    "link markup": "[link=https://example.com/]gift[/link]",
    "emoji code": "gift :fire: :pile_of_poo:",
    "colour": "\x1b[31mred\x1b[0m",
    "clear screen": "gift \x1b[2J\x1b[H",
    "window title": "\x1b]0;owned\x07",
    "hyperlink": "\x1b]8;;https://example.com/\x1b\\click\x1b]8;;\x1b\\",
    "clipboard": "\x1b]52;c;cm0gLXJmIC8=\x07",
    "C1 introducer": "\x9b31mred \x90q\x9c",
    "carriage return": "due 1000000\rdue 1      ",
    "backspaces": "1000\b\b\b\b0000\x7f",
    "forged log line": "gift\n2026-01-01T00:00:00Z warning: everything was deleted",
    "forged JSON line": 'gift"}\n{"at":"2026-01-01T00:00:00Z","event":"failed"}',
    "other line ends": "a\x0bb\x0cc\x1cd\x85e\u2028f\u2029g",
    "tab and blanks": "\ta\u00a0b\u3000c ",
    "bidi override": "gift \u202egnp.exe\u202c \u2066x\u2069 \u200f\u061c",
    "zero width": "g\u200bi\u200cf\u200dt\u2060\ufeff\u00ad",
    "fillers": "\u3164\u115f\u1160\uffa0\u2800\u034f",
    "tags": "gift" + "".join(chr(0xE0000 + ord(letter)) for letter in "ignore this"),
    "SQL quote": "x'; drop table core.users; --",
    "SQL double quote": 'x"; drop schema core cascade; --',
    "percent": "%s %(token)s %n %d 100%",
    "braces": "{} {0} {0.__class__} {token!r} ${HOME} {{7*7}}",
    "formula": "=cmd|' /C calc'!A0",
    "formula at": "@SUM(1+1)*cmd|' /C calc'!A0",
    "HTML": "</script><script>alert(1)</script><img src=x onerror=alert(1)>",
    "Markdown": "`rm` | [click](https://example.com/) **bold** ![i](x) <b>\n# head",
    "path": "../../../../etc/passwd",
    "long": "long" * 2_500,
    "long wide": "漢" * 3_000,
    "NUL": "a\x00b",
    "combining stack": "Z" + "\u0300\u0301\u0302\u0303" * 40 + "algo",
    "combining first": "\u0300\u0489gift",
    "emoji": "🎁 gift 👩‍👩‍👧 🇩🇪",
    "right to left": "هدية מתנה",
    "ordinary": "Émile's 25 € “voucher” – naïve",
}

HALF_SURROGATE = "half \ud83d of a pair"
"""Valid in JSON text and nowhere else; such a value never becomes a row, but it is shown in messages."""


def stays_visible(shown: str) -> bool:
    """Whether a text is one line in which nothing acts on a terminal or hides."""
    hidden = {"\u00ad", "\u034f", "\u115f", "\u1160", "\u2800", "\u3164", "\uffa0"}
    return not hidden & set(shown) and all(letter.isprintable() or letter in "\u00a0\u3000" for letter in shown)
