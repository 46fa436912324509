"""Invented names, addresses and answers: pools, and functions that draw from them. No entry is of a real person."""

from __future__ import annotations

import json
from random import Random

FIRST_NAMES = (
    "Ada", "Ben", "Chloé", "Daan", "Elif", "Frédéric", "Göran", "Hana", "Ines", "João", "Kwame", "Łukasz", "Mai",
    "Ngọc", "O'Brien", "Priya", "Quinn", "Renée", "Søren", "Tomás", "Uma", "Vjosa", "Wei", "Ximena", "Yusuf", "Zoë",
    "李娜", "佐藤 花", "김민준", "Ольга", "Δημήτρης", "محمد", "שרה", "आरव", "Jean-Luc", "Mary Ann", "Sam 🌻",
    "Nu\u0308ria",    "A", "Maximiliana Theodora", "null", "Ann, \"Annie\"", "Bob\\Rob", "Tab\tby", "Zero\u200bWidth",
)  # fmt: skip

EMAIL_HOSTS = ("example.com", "example.org", "example.net", "mail.example.com")

CAMPAIGNS = (
    "Example Campaign", "Summer Camp Referrals", "Bring a Friend", "Partner Champions", "Café Freunde ☕",
    "VIP — Ambassadors", "Newsletter \"Inner Circle\"", "Früh & Spät", "春のキャンペーン", "Sample/Trial 50%",
)  # fmt: skip

NETWORKS = ("facebook", "whatsapp", "sms", "linkedin", "twitter", "email", "messenger")

REWARD_TYPES = ("Amazon Voucher", "Cash Digital Card", "Coupon", "Custom Reward")
PRICES_MILLS = (50_000, 35_000, 19_990, 10_000, 25_500, 7_500, 100_000, 3_330, 1_250)

COUPON_PREFIXES = (
    "Example coupon name", "SAVE 10%", "a/b", "Café", "50% off?", "#1 friend", "🎁", "x+y=z", "München & Co",
    "quote\"d",
)  # fmt: skip

SOURCES = ("Direct", "Added", "API")
NEW_SOURCES = ("Zapier", "Widget", "Popup", "Embed", "Test")

_HEARD = ("a friend", "the podcast", "Zeitung", "検索", "an ad I did not skip")
_LONG = "I would like to tell you why I joined. " * 60


def first_name(rng: Random) -> str:
    """A name of the pool; a third get an initial, so that names repeat, but not too often."""
    name = FIRST_NAMES[int(rng.random() * len(FIRST_NAMES))]
    return f"{name} {chr(65 + int(rng.random() * 26))}." if rng.random() < 0.33 else name


def email(rng: Random, number: int) -> str:
    """An address at a reserved domain; some with plus tags, dots or capitals."""
    draw = rng.random()
    host = EMAIL_HOSTS[int(rng.random() * len(EMAIL_HOSTS))]
    if draw < 0.04:
        return f"person.{number // 2}+{number}@{host}"
    if draw < 0.07:
        return f"Person.{number}@{host.upper()}"
    return f"person{number}@{host}"


def meta(rng: Random) -> str:
    """The answers of a campaign's form as JSON text: often none (``{}``, or ``[]`` as PHP writes it), some long."""
    draw = rng.random()
    if draw < 0.4:
        return "{}"
    if draw < 0.55:
        return "[]"
    answers: dict[str, object] = {
        "company": None if draw < 0.7 else f"Firm {int(rng.random() * 900)} GmbH",
        "how_did_you_hear": _HEARD[int(rng.random() * len(_HEARD))],
        "consent": rng.random() < 0.8,
    }
    if draw > 0.9:
        answers |= {"größe": round(rng.random() * 200, 1), "children": [], "nested": {"a": {"b": None}}}
    if draw > 0.995:
        answers["story"] = _LONG
    return json.dumps(answers, ensure_ascii=False, separators=(",", ":"))


def coupon_name(rng: Random, batch_id: int, number: int) -> str:
    """A unique name, many with characters that a URL must encode."""
    return f"{COUPON_PREFIXES[int(rng.random() * len(COUPON_PREFIXES))]} {batch_id}-{number:04d}"
