"""Applies the policy of personal fields before anything is written: keep, replace by a pseudonym, or drop.

Applied to parsed rows and to rows of the load file alike. Knows no file, and no stream by name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from difflib import get_close_matches

import pyarrow as pa

from referral_warehouse.errors import ConfigurationError
from referral_warehouse.load.privacy.forgotten import NOBODY, Forgotten
from referral_warehouse.load.privacy.mentions import coerced_without_mentions
from referral_warehouse.load.privacy.pseudonyms import Pseudonyms
from referral_warehouse.load.quarantine import quarantine_key
from referral_warehouse.load.records.coercion import NO_TEXT, Coerced, Reject
from referral_warehouse.load.records.schema import QUARANTINE, TableSchema, id_in
from referral_warehouse.personal_kinds import EMAIL, FREE_TEXT
from referral_warehouse.settings.privacy import DROP, KEEP, PSEUDONYMISE

Place = tuple[str, str]
"""A raw table and one of its fields."""
Actions = Mapping[Place, str]
"""Personal field → ``keep``, ``pseudonymise`` or ``drop``."""


def chosen_actions(mode: str, fields: tuple[tuple[str, str], ...], schemas: Mapping[str, TableSchema]) -> Actions:
    """What the settings say of each personal field of these tables.

    Raises: ConfigurationError with the nearest name where the settings name a field that is not declared personal.
    """
    names = {f"{schema.name}.{name}": (schema.name, name) for schema in schemas.values() for name in declared(schema)}
    actions = dict.fromkeys(names.values(), mode)
    for name, action in fields:
        if name not in names:
            nearest = get_close_matches(name, names, n=1)
            raise ConfigurationError(
                f"PRIVACY__FIELDS names {name!r}, which is not a personal field.",
                f"Did you mean {nearest[0]!r}?" if nearest else "`referrals privacy` lists them.",
            )
        actions[names[name]] = action
    return actions


def declared(schema: TableSchema) -> dict[str, str]:
    """The personal columns of a raw table that have a policy, with their kinds.

    Observations have none of their own: they hold values of parsed rows, which follow the policy of their stream.
    """
    return schema.personal_columns if schema.name != "observations" else {}


@dataclass(frozen=True)
class Policy:
    """A policy.

    Args:
        actions: the fields that are not kept, and what becomes of them.
        pseudonyms: makes pseudonyms, where a field gets one.
        forgotten: people of whom nothing personal is stored, whatever the fields say.
    """

    actions: Actions = field(default_factory=dict)
    pseudonyms: Pseudonyms | None = None
    forgotten: Forgotten = NOBODY

    def coerced(self, schema: TableSchema, coerced: Coerced) -> Coerced:
        """Parsed rows as they may be written, with those that could not be read."""
        coerced = self.forgotten.coerced(schema, coerced)
        if self.actions:
            rejects = [self.reject(reject) for reject in coerced.rejects]
            coerced = replace(coerced, table=self.rows(schema, coerced.table), rejects=rejects)
        return coerced_without_mentions(self.forgotten, schema, coerced)

    def rows(self, schema: TableSchema, rows: pa.Table) -> pa.Table:
        """Rows of a raw table as they may be stored, with the columns that they have."""
        if schema.name == QUARANTINE.name:
            return self._quarantined(rows)
        for name, kind in declared(schema).items():
            action = self.actions.get((schema.name, name), KEEP)
            if action != KEEP and name in rows.column_names:
                index = rows.column_names.index(name)
                replaced = self._column(action, kind, rows.column(index), is_json=name in schema.json_columns)
                rows = rows.set_column(index, rows.schema.field(index), replaced)
        return rows

    def reject(self, reject: Reject) -> Reject:
        """A row that could not be read, as it may be kept: its text and what the reason quotes are free text."""
        raw, reason = (self.actions.get((QUARANTINE.name, name), KEEP) for name in ("raw", "reason"))
        found = reject
        if raw != KEEP and reject.raw != NO_TEXT:
            kept = self._json(raw, reject.raw) or NO_TEXT
            identity = kept if raw == PSEUDONYMISE else quarantine_key("", reject.raw)
            found = replace(found, raw=kept, identity=identity, record_id=self._record_id(raw, reject.record_id))
        if reason != KEEP:
            found = found.without_quotes()
        return found

    def _record_id(self, action: str, text: str) -> str:
        """An id is kept; any other text in its place may be personal."""
        if id_in(text) is not None or text == "null":
            return text
        return self._required_pseudonyms().text(FREE_TEXT, text) if action == PSEUDONYMISE else ""

    def _column(self, action: str, kind: str, column: pa.ChunkedArray, *, is_json: bool) -> pa.Array:
        if action == DROP:
            return pa.nulls(len(column), column.type)
        values = column.to_pylist()
        if is_json:
            found = [None if value is None else self._json(action, value) for value in values]
        elif kind == EMAIL:
            addresses = self._required_pseudonyms().addresses([value or "" for value in values])
            found = [None if value is None else made for value, made in zip(values, addresses, strict=True)]
        else:
            found = [None if value is None else self._required_pseudonyms().text(kind, value) for value in values]
        return pa.array(found, column.type)

    def _json(self, action: str, value: str) -> str | None:
        return self._required_pseudonyms().json(FREE_TEXT, value) if action == PSEUDONYMISE else None

    def _required_pseudonyms(self) -> Pseudonyms:
        if self.pseudonyms is None:
            raise ValueError("a policy of pseudonyms without a key")
        return self.pseudonyms

    def _quarantined(self, rows: pa.Table) -> pa.Table:
        """Stored rows of the quarantine. A key is made of what replaces the text, so that the row is recognised."""
        found = []
        for row in rows.to_pylist():
            kept = self.reject(Reject(row["record_id"] or "", row["reason"] or "", row["raw"] or NO_TEXT))
            changed = {"record_id": kept.record_id, "reason": kept.reason, "raw": kept.raw}
            if kept.identity:
                changed["key"] = quarantine_key(row["stream"], kept.identity)
            found.append({**row, **changed})
        return pa.Table.from_pylist(found, schema=rows.schema)


KEEP_ALL = Policy()
