"""Runs every case of tests/sql/<model>/<case>.yaml: plants what is given, builds what the model needs, compares.

A case gives rows of raw tables and expects all rows of the model, in the columns it names, in any order. Money is
compared as Decimal, shares to nine digits, everything else exactly.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml

from referral_warehouse.warehouse.models import Model, load_models
from referral_warehouse.warehouse.reward_units import declare_terms, declare_units
from tests.sql.refilled_draft import RefilledDraft, refilled_draft
from tests.warehouse.planting import fill

SafeLoader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""The one of libyaml, where it is there, which takes a tenth of the time."""
HERE = Path(__file__).parent
RATIO_PREFIXES = ("share_", "median_", "p90_")
RATIO_SUFFIXES = ("_rate", "_per_user", "_per_referrer", "_trend")
CASES = sorted(HERE.glob("*/*.yaml"))
MODELS = {model.name: model for model in load_models()}


def test_every_published_model_has_a_case() -> None:
    published = {model.name for model in MODELS.values() if model.layer in ("core", "marts")}
    assert published <= {path.parent.name for path in CASES}


@pytest.fixture(scope="module")
def opened_once(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RefilledDraft]:
    with refilled_draft(tmp_path_factory.mktemp("cases")) as draft:
        yield draft


@pytest.fixture
def draft(opened_once: RefilledDraft) -> RefilledDraft:
    """A draft without rows and models, whatever the case before it left."""
    opened_once.clear()
    return opened_once


@pytest.mark.parametrize("path", CASES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_case(path: Path, draft: RefilledDraft) -> None:
    case = yaml.load(path.read_text(encoding="utf-8"), SafeLoader)  # noqa: S506 - both loaders are safe
    known = {"syncs", "partial_syncs", "given", "reward_units", "settles_on", "expires_after_days", "expect", "where"}
    assert set(case) <= known, "a case has no other keys"
    fill(draft.connection, case.get("given"), case.get("syncs", ()), case.get("partial_syncs", ()))
    terms: dict[str, Any] = {key: tuple(case.get(key, {}).items()) for key in ("settles_on", "expires_after_days")}
    model = MODELS[path.parent.name]
    columns = sorted({name for row in case["expect"] for name in row}) or ["count(*)"]
    declare_units(draft.connection, tuple(case.get("reward_units", {}).items()))
    declare_terms(draft.connection, replace(draft.settings, **terms))
    draft.build(needed_for(model))
    condition = case.get("where", "true")
    query = f"select {', '.join(columns)} from {model.qualified_name} where {condition}"
    found = [dict(zip(columns, row, strict=True)) for row in draft.connection.execute(query).fetchall()]
    if not case["expect"]:
        assert found == [{"count(*)": 0}]
        return
    assert comparable(found, columns) == comparable(case["expect"], columns)


def needed_for(model: Model) -> list[Model]:
    """The model and all it reads, in building order."""
    by_name = {m.qualified_name: m for m in MODELS.values()}
    wanted, waiting = set(), [model.qualified_name]
    while waiting:
        name = waiting.pop()
        if name in by_name and name not in wanted:
            wanted.add(name)
            waiting.extend(by_name[name].reads)
    return [m for m in MODELS.values() if m.qualified_name in wanted]


def comparable(rows: Iterable[dict[str, Any]], columns: list[str]) -> list[str]:
    return sorted(", ".join(f"{name}={plain(name, row.get(name))}" for name in columns) for row in rows)


def plain(name: str, value: Any) -> str:
    if isinstance(value, bool) or value is None:
        return str(value)
    if name.startswith(("chance_", "expected_qualified", "predicted_qualified")):
        return f"{float(value):.9f}"
    if name.endswith("_value"):
        return str(Decimal(str(value)).quantize(Decimal("0.000001")))
    if isinstance(value, float) or name.startswith(RATIO_PREFIXES) or name.endswith(RATIO_SUFFIXES):
        return f"{float(value):.9f}"
    if isinstance(value, dt.datetime):
        return value.isoformat(" ")
    return str(value)
