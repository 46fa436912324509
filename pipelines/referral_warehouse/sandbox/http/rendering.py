"""Converts rows of the tables into documented values, changed by quirks; must not know queries or envelopes."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import orjson

from referral_warehouse.sandbox.domain.resources import Field, Resource
from referral_warehouse.sandbox.domain.store import MILL, full_text, money_text, parse_stamp, stamp
from referral_warehouse.sandbox.quirks import Quirks

Convert = Callable[[Any], Any]

NO_QUIRKS = Quirks()


class Renderer:
    """Turns rows of ``columns`` into dicts of the documented fields.

    ``fields`` chooses and orders names; None means all. Money and JSON stay text inside the dicts (orjson.Fragment),
    unless ``plain`` asks for Decimal and Python objects.
    """

    def __init__(
        self, resource: Resource, quirks: Quirks, fields: tuple[str, ...] | None = None, plain: bool = False
    ) -> None:
        names = [
            name
            for name in (resource.fields if fields is None else fields)
            if quirks.vanished_field not in (name, f"{resource.name}.{name}")
        ]
        self._names = names
        self._converts: list[tuple[str, Convert]] = []
        for name in names:
            spec = resource.fields[name]
            convert = _plain(spec) if plain else _convert(spec, quirks)
            if convert is not None:
                self._converts.append((name, convert))
        # A constant first, so that a row without any known field is still selected.
        self.columns = ", ".join(["0", *(resource.fields[name].sql for name in names)])
        self._extra = quirks.extra_fields and not plain
        self._nullable = self._nullable_value(resource, names) if quirks.null_values and not plain else None
        if self._nullable:
            self.columns += f", {self._nullable[1]}"

    def row(self, values: tuple[Any, ...]) -> dict[str, Any]:
        """One row of ``columns`` as the API shows it."""
        item = dict(zip(self._names, values[1:], strict=False))
        for name, convert in self._converts:
            item[name] = convert(item[name])
        if self._nullable and values[-1] % 2 == 0:
            item[self._nullable[0]] = None
        if self._extra:
            item |= {"loyalty_tier": "gold", "score_v2": 0.5, "labels": [{"id": 1, "name": "new"}]}
        return item

    @staticmethod
    def _nullable_value(resource: Resource, names: list[str]) -> tuple[str, str] | None:
        reward = "id" if resource.name == "rewards" else "reward_id"
        for name in ("value", "reward_value"):
            if name in names and reward in resource.fields:
                return name, resource.fields[reward].sql
        return None


def plain_rows(resource: Resource, values: list[tuple[Any, ...]]) -> list[dict[str, Any]]:
    """Rows of ``Renderer(…, plain=True).columns`` without quirks: Decimal money, Python objects for JSON."""
    renderer = Renderer(resource, NO_QUIRKS, plain=True)
    return [renderer.row(row) for row in values]


def _plain(spec: Field) -> Convert | None:
    if spec.kind == "money":
        return lambda mills: Decimal(mills) / MILL
    if spec.kind == "json":
        return orjson.loads
    if spec.kind == "sharing":
        return lambda text: [{"social": network, "url": url} for network, url in _networks(text or "")]
    return _convert(spec, NO_QUIRKS)


def _convert(spec: Field, quirks: Quirks) -> Convert | None:
    """How a stored value is shown; None when it is shown as it is stored."""
    kind = spec.kind
    if kind == "id":
        as_text = quirks.ids_as_strings or (quirks.reward_id_as_string and spec.name == "reward_id")
        return _text if as_text else None
    if kind == "int":
        return _text if quirks.numbers_as_strings else None
    if kind == "money":
        return full_text if quirks.numbers_as_strings else lambda mills: orjson.Fragment(money_text(mills))
    if kind == "bool":
        return {"": bool, "int": int, "text": str}[quirks.booleans_as]
    if kind == "datetime":
        shift_h = quirks.date_shift_hours if spec.name == "date" else 0
        return _time(quirks.timestamps, shift_h)
    if kind == "sharing":
        return _sharing_object if quirks.sharing_as_object else lambda text: orjson.Fragment(_sharing(text))
    if kind == "json":
        return _meta(quirks.meta_shape) if spec.name == "meta" else orjson.Fragment
    return None


def _text(value: Any) -> str | None:
    return None if value is None else str(value)


def _time(style: str, shift_h: int) -> Convert:
    def show(text: str | None) -> str | None:
        if text is None:
            return None
        if shift_h:
            text = stamp(parse_stamp(text) - timedelta(hours=shift_h))
        if style == "iso":
            return f"{text[:10]}T{text[11:]}.000000Z"
        if style == "space":
            return text
        if style == "day":
            return text[:10]
        local = stamp(parse_stamp(text) + timedelta(hours=2))
        return f"{local[:10]}T{local[11:]}+02:00"

    return show


def _meta(shape: str) -> Convert:
    def show(text: str) -> Any:
        if shape == "list":
            return []
        answers = orjson.loads(text) or {}
        return [{"field": name, "value": value} for name, value in answers.items()]

    return show if shape else orjson.Fragment


def _networks(text: str) -> list[tuple[str, str]]:
    url, _, networks = text.partition("|")
    return [(network, f"{url}/socials/{network}") for network in networks.split(",") if network]


def _sharing(text: str | None) -> str:
    items = ",".join(f'{{"social":"{network}","url":"{url}"}}' for network, url in _networks(text or ""))
    return f"[{items}]"


def _sharing_object(text: str | None) -> dict[str, str]:
    return dict(_networks(text or ""))
