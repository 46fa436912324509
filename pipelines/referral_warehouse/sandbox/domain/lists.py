"""Queries the tables: the ids of a list in order, and their rows with relations. Must not know envelopes.

The ids of a list are cached until the next change, so that reading many pages sorts and counts once.
"""

from __future__ import annotations

from array import array
from collections import OrderedDict
from collections.abc import Iterable
from random import Random
from typing import Any

from referral_warehouse.sandbox.domain.resources import RESOURCES, Resource
from referral_warehouse.sandbox.domain.sql_filters import condition
from referral_warehouse.sandbox.domain.store import Store
from referral_warehouse.sandbox.http.query_parser import ResourceQuery
from referral_warehouse.sandbox.http.rendering import Renderer
from referral_warehouse.sandbox.quirks import Quirks

_CACHED_LISTS = 24

Row = dict[str, Any]


class Lists:
    """The lists of one store."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._cached: OrderedDict[tuple[Any, ...], array[int]] = OrderedDict()
        self._cached_version = -1

    def ids(self, resource: Resource, query: ResourceQuery, quirks: Quirks, call: int = 0) -> array[int]:
        """The ids of all rows that pass the filters, in the requested order.

        Args: ``call`` is the number of the request, for quirks that change between calls.
        """
        where, values = _where(query, quirks)
        order = None if quirks.ignore_order else query.order
        if order:
            spec = resource.fields[order[0]]
            direction = "desc" if order[1] else "asc"
            by = f"{spec.sql} {direction}" if spec.name == "id" else f"{spec.sql} {direction}, {resource.key}"
        else:
            by = f"{resource.key} {'desc' if quirks.ignore_order else 'asc'}"
        if quirks.unstable_order and (order is None or order[0] != "id"):
            return self._unstable(resource, where, values, order, call)
        with self._store.lock:
            if self._store.version != self._cached_version:
                self._cached.clear()
                self._cached_version = self._store.version
            key = (resource.name, where, tuple(values), by)
            if key not in self._cached:
                sql = f"select {resource.key} from {resource.source} where {where} order by {by}"
                self._cached[key] = array("q", (row[0] for row in self._store.all(sql, *values)))
                while len(self._cached) > _CACHED_LISTS:
                    self._cached.popitem(last=False)
            return self._cached[key]

    def rows(self, resource: Resource, ids: Iterable[int], query: ResourceQuery, quirks: Quirks) -> list[Row]:
        """The rows of some ids in that order, with the requested relations: one query each."""
        requested = list(ids)
        views = query.fields or {}
        links = [resource.relations[name] for name in query.relations]
        renderer = Renderer(resource, quirks, views.get(""))
        with self._store.lock:
            extra = "".join(f", {link.local}" for link in links)
            found = {
                row[0]: row
                for row in self._store.all(
                    f"select {resource.key}{extra}, {renderer.columns} from {resource.source} "
                    f"where {resource.key} in ({','.join(map(str, requested))})"
                )
            }
            kept = [found[key] for key in requested if key in found]
            skip = 1 + len(links)
            rendered = [renderer.row(row[skip:]) for row in kept]
            for at, (name, link) in enumerate(zip(query.relations, links, strict=True), start=1):
                locals_ = [row[at] for row in kept]
                related = self._related(link.resource, link.remote, locals_, quirks, views.get(name))
                for local, item in zip(locals_, rendered, strict=True):
                    matches = related.get(local, [])
                    item[name] = matches if link.many else (matches[0] if matches else None)
        return rendered

    def _related(
        self, name: str, remote: str, keys: list[int | None], quirks: Quirks, fields: tuple[str, ...] | None
    ) -> dict[int | None, list[Row]]:
        resource = RESOURCES[name]
        renderer = Renderer(resource, quirks, fields)
        marks = ",".join(str(key) for key in sorted({key for key in keys if key is not None}))
        found: dict[int | None, list[Row]] = {}
        for row in self._store.all(
            f"select {remote}, {renderer.columns} from {resource.source} where {remote} in ({marks}) "
            f"order by {resource.key}"
        ):
            found.setdefault(row[0], []).append(renderer.row(row[1:]))
        return found

    def _unstable(
        self, resource: Resource, where: str, values: list[Any], order: tuple[str, bool] | None, call: int
    ) -> array[int]:
        """Rows with equal sort values are shuffled at every call, as in a database query without a tie-breaker."""
        rng = Random(call)
        tie = resource.fields[order[0]].sql if order else "0"
        rows = self._store.all(f"select {resource.key}, {tie} from {resource.source} where {where}", *values)
        rng.shuffle(rows)
        rows.sort(key=lambda row: (row[1] is not None, row[1]), reverse=bool(order and order[1]))
        return array("q", (row[0] for row in rows))


def _where(query: ResourceQuery, quirks: Quirks) -> tuple[str, list[Any]]:
    parts, values = ["1"], []
    for item in query.filters:
        sql, marks = condition(item, quirks)
        parts.append(sql)
        values += marks
    return " and ".join(parts), values
