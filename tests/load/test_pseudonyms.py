"""Pseudonyms are equal where the rules on fraud take addresses for equal, and nowhere else; the key is kept apart."""

from __future__ import annotations

import random
import stat
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from referral_warehouse.errors import ConfigurationError
from referral_warehouse.load.privacy.key_file import make_key, read_key
from referral_warehouse.load.privacy.policy import Policy, chosen_actions
from referral_warehouse.load.privacy.pseudonyms import Pseudonyms, key_check
from referral_warehouse.load.records.coercion import NO_TEXT, Reject
from referral_warehouse.load.records.schema import QUARANTINE
from referral_warehouse.load.registry import TABLES
from referral_warehouse.load.streams.user_schema import USERS
from referral_warehouse.personal_kinds import CODE, NAME
from referral_warehouse.settings import Settings
from referral_warehouse.settings.model import refuse_nested_directories
from referral_warehouse.settings.privacy import DROP, PSEUDONYMISE
from referral_warehouse.warehouse.build import build
from referral_warehouse.warehouse.connection import draft_path
from tests.warehouse.planting import plant

KEY = b"k" * 32
LOCALS = ["ada", "Ada", "a.d.a", "ada+x", "ADA+y+z", "+ada", "", " ada", "ÉA", "straße", "strasse", "ΑΣ", "İx", "a b"]
DOMAINS = [
    "gmail.com",
    "googlemail.com",
    "Gmail.com",
    "example.com",
    "EXAMPLE.com ",
    "mailinator.com",
    "x@y.com",
    "b+c",
]


def _addresses(count: int) -> list[str | None]:
    chance = random.Random(5)
    made: list[str | None] = [f"{chance.choice(LOCALS)}@{chance.choice(DOMAINS)}" for _ in range(count)]
    return [*made, None, "", "no address", "ada", " Ada "]


def _signals(folder: Path, addresses: list[str | None]) -> list[tuple[Any, ...]]:
    users = [
        {"id": number, "campaign_id": number % 2, "referrer_id": number - 1 or None, "email": email,
         "date": "2026-01-01 07:00:00", "_fetched_at": "2026-01-01 08:00:00"}
        for number, email in enumerate(addresses, start=1)
    ]  # fmt: skip
    settings = plant(folder, {"users": users}, syncs=["2026-01-01 08:00:00"])
    build(settings)
    with duckdb.connect(str(draft_path(settings)), read_only=True) as connection:
        return connection.execute("from marts.fraud_signals order by all").fetchall()


def test_the_rules_on_fraud_find_the_same_with_pseudonyms(tmp_path: Path, models_of: Callable[..., None]) -> None:
    models_of("marts.fraud_signals")
    given = _addresses(150)
    policy = Policy({("users", "email"): PSEUDONYMISE}, Pseudonyms(KEY))
    rows = USERS.arrow.empty_table().select(["email"])
    made = policy.rows(USERS, pa.Table.from_pydict({"email": given}, schema=rows.schema)).column("email").to_pylist()
    found = _signals(tmp_path / "plain", given)
    assert found == _signals(tmp_path / "pseudonyms", made)
    assert {row[2] for row in found} >= {"same_email", "alias_email", "self_referral_email", "disposable_domain"}
    assert [value is None for value in made] == [value is None for value in given]
    assert set(made) & set(given) == {None, ""}


def test_a_pseudonym_depends_on_the_key_the_kind_and_the_value() -> None:
    one, other = Pseudonyms(KEY), Pseudonyms(b"j" * 32)
    assert one.text(NAME, " Ada") == one.text(NAME, "ADA ") != other.text(NAME, "Ada")
    assert one.text(NAME, "ada") != one.text(CODE, "ada") != one.text(CODE, "Ada")
    assert one.text(NAME, "") == ""
    assert key_check(KEY) != key_check(b"j" * 32)
    assert key_check(KEY) not in one.text(NAME, "ada")


def test_the_quarantine_keeps_the_id_and_the_field_alone() -> None:
    reject = Reject("7", "date: 'Ada' is not a date", '{"id": 7, "date": "Ada"}')
    nameless = Reject("Ada", "id: 'Ada' is not a whole number", '{"id": "Ada"}')
    for mode in (DROP, PSEUDONYMISE):
        policy = Policy(chosen_actions(mode, (), TABLES), Pseudonyms(KEY))
        found, other = policy.reject(reject), policy.reject(nameless)
        assert (found.known_id, found.reason) == (7, "date: a value that cannot be read")
        assert (found.raw == NO_TEXT) == (mode == DROP)
        assert not any("Ada" in str(text) for text in (*found_texts(found), *found_texts(other)))
        assert found.identity != other.identity, "two rows stay two rows"
        assert policy.reject(reject) == found
    only = Policy(chosen_actions("keep", (("quarantine.reason", DROP),), TABLES))
    assert only.reject(reject) == replace(reject, reason="date: a value that cannot be read")
    assert QUARANTINE.name in {table for table, _ in chosen_actions(DROP, (), TABLES)}


def found_texts(reject: Reject) -> tuple[str, ...]:
    return reject.record_id, reject.reason, reject.raw, reject.identity


def test_a_key_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    settings = Settings(warehouse_dir=tmp_path / "data", privacy_key_file=tmp_path / "secrets" / "key")
    path = make_key(settings)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    key = read_key(settings)
    assert len(key) == 32
    with pytest.raises(ConfigurationError, match="exists already"):
        make_key(settings)
    assert read_key(settings) == key
    path.write_text("short", encoding="ascii")
    with pytest.raises(ConfigurationError, match="holds no key"):
        read_key(settings)
    with pytest.raises(ConfigurationError, match="names no file"):
        read_key(Settings(warehouse_dir=tmp_path / "data"))


def test_a_key_inside_the_directory_is_refused(tmp_path: Path) -> None:
    inside = Settings(warehouse_dir=tmp_path, privacy_key_file=tmp_path / "state" / "key")
    with pytest.raises(ConfigurationError, match="both the pseudonyms and their key"):
        refuse_nested_directories(inside)
