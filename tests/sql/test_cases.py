"""Runs every case of tests/sql/<model>/<case>.yaml: plants what is given, builds what the model needs, compares.

A case gives rows of raw tables and expects all rows of the model, in the columns it names, in any order. Money is
compared as Decimal, shares to nine digits, everything else exactly.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml

from referral_warehouse.warehouse.build import prepare_draft_dir, run_models
from referral_warehouse.warehouse.connection import connect_draft, substitute_missing_tables
from referral_warehouse.warehouse.models import Model, load_models
from referral_warehouse.warehouse.reward_units import declare_terms, declare_units
from tests.warehouse.planting import plant

HERE = Path(__file__).parent
RATIO_PREFIXES = ("share_", "median_", "p90_")
RATIO_SUFFIXES = ("_rate", "_per_user", "_per_referrer", "_trend")
CASES = sorted(HERE.glob("*/*.yaml"))
MODELS = {model.name: model for model in load_models()}


def test_every_published_model_has_a_case() -> None:
    published = {model.name for model in MODELS.values() if model.layer in ("core", "marts")}
    assert published <= {path.parent.name for path in CASES}


@pytest.mark.parametrize("path", CASES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_case(path: Path, tmp_path: Path) -> None:
    case = yaml.safe_load(path.read_text(encoding="utf-8"))
    known = {"syncs", "partial_syncs", "given", "reward_units", "settles_on", "expires_after_days", "expect", "where"}
    assert set(case) <= known, "a case has no other keys"
    settings = plant(tmp_path, case.get("given"), case.get("syncs", ()), case.get("partial_syncs", ()))
    terms: dict[str, Any] = {key: tuple(case.get(key, {}).items()) for key in ("settles_on", "expires_after_days")}
    settings = replace(settings, **terms)
    model = MODELS[path.parent.name]
    columns = sorted({name for row in case["expect"] for name in row}) or ["count(*)"]
    prepare_draft_dir(settings)
    with connect_draft(settings) as connection:
        substitute_missing_tables(connection)
        declare_units(connection, tuple(case.get("reward_units", {}).items()))
        declare_terms(connection, settings)
        run_models(connection, needed_for(model))
        condition = case.get("where", "true")
        query = f"select {', '.join(columns)} from {model.qualified_name} where {condition}"
        found = [dict(zip(columns, row, strict=True)) for row in connection.execute(query).fetchall()]
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
