"""Names that look like settings and are none: each is reported with the nearest name of a setting.

Names below a section of ours are ours, except those that dlt itself reads there (of the dlt source in another
pipeline, or of another pipeline that has the name of a section); all other sections belong to dlt or to other programs.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from difflib import SequenceMatcher, get_close_matches
from typing import Any

from referral_warehouse.errors import ConfigurationError
from referral_warehouse.settings.accounts import ACCOUNT_SETTINGS, section_of
from referral_warehouse.settings.accounts import SECTION as ACCOUNTS
from referral_warehouse.settings.sources import SettingSources, shown, variable
from referral_warehouse.settings.table import SECTIONS, SOURCE, Section, Setting

STREAM_NAMES = ("campaigns", "users", "coupons", "rewards_issued", "rewards_due", "rewards")
"""The streams in the order of the registry, which takes a second to import."""
# What dlt resolves below the name of a pipeline (`<pipeline>.normalize.workers`), below a source
# (`sources.<name>.max_table_nesting`), and below one of its resources.
DLT_TABLES = frozenset({
    "data_writer", "destination", "extract", "load", "normalize", "pipelines", "runtime", "schema", "sources",
})  # fmt: skip
DLT_KEYS: Mapping[Section, frozenset[str]] = {
    SOURCE: frozenset({"max_table_nesting", "root_key", "schema_contract", "parallelized"}),
}
DLT_TABLES_BELOW: Mapping[Section, tuple[str, ...]] = {SOURCE: STREAM_NAMES}
SIMILAR, VERY_SIMILAR, SIMILAR_SECTION = 0.5, 0.8, 0.85
MOST_NAMED = 3
SEPARATORS = re.compile(r"[-_.]+")


@dataclass(frozen=True, slots=True)
class UnknownName:
    """A name that has no effect. ``keys`` is its path; ``nearest`` the variable or the path that was probably meant."""

    keys: tuple[str, ...]
    nearest: str | None


def refuse_unknown_names(sources: SettingSources) -> None:
    """Check all names of the environment and of the files.

    A name without a double underscore, such as WAREHOUSE_DIR, may belong to another program: it is a warning.
    Raises: ConfigurationError where a name is no setting, with the nearest that is one.
    """
    found = []
    for unknown in unknown_variables(sources.variables):
        text = f"{unknown.keys[0]} in the environment is not a setting{_meant(unknown)}"
        if "__" in unknown.keys[0]:
            found.append(text)
        else:
            sources.warnings.append(text)
    for file in (place.file for place in sources.places):
        for unknown in unknown_keys(file.document) if file is not None else ():
            section, key = ".".join(unknown.keys[:-1]), unknown.keys[-1]
            what = f"{shown(key)} in [{section}]" if section else f"[{key}]"
            where = f"{file.path}, {file.position_of(unknown.keys)}" if file is not None else ""
            found.append(f"{what} ({where}) is not a setting{_meant(unknown)}")
    if found:
        more = f" There are {len(found) - MOST_NAMED} more." if len(found) > MOST_NAMED else ""
        raise ConfigurationError(
            f"{'; '.join(found[:MOST_NAMED])}.{more}",
            "Correct or remove the name; docs/settings.md lists all settings.",
        )


def _meant(unknown: UnknownName) -> str:
    return f" (did you mean {unknown.nearest}?)" if unknown.nearest else ""


def unknown_keys(document: Mapping[str, Any]) -> Iterator[UnknownName]:
    """The names of a TOML document that are no settings."""
    for section, known in _sections(_inner(document, [ACCOUNTS])).items():
        for key, value in _inner(document, section).items():
            if key not in known and not _is_of_dlt(section, key, is_table=isinstance(value, dict)):
                found = _nearest(section, key)
                yield UnknownName((*section, key), None if found is None else f"{found[1]} in [{'.'.join(found[0])}]")
    for keys, table in _tables(document):
        meant = _misspelt_section(keys, table)
        if meant is not None:
            yield UnknownName(keys, f"[{'.'.join(meant)}]")
        for key in table if len(keys) == 1 else ():
            if (setting := PERSONAL.get(_without_separators(f"{keys[0]}.{key}"))) is not None:
                yield UnknownName((*keys, key), f"{setting.key} in [{'.'.join(setting.section)}]")


def unknown_variables(variables: Mapping[str, str]) -> Iterator[UnknownName]:
    """The variables of an environment that are no settings although they are named like one."""
    prefixed = (name.lower().split("__") for name in variables)
    sections = _sections(parts[1] for parts in prefixed if parts[0] == ACCOUNTS and len(parts) > 2)
    known = {variable(section, key) for section, settings in sections.items() for key in settings}
    by_letters = {_without_separators(name): name for name in known}
    for name in sorted(variables.keys() - known):
        parts = tuple(part.lower() for part in name.split("__"))
        section = next((section for section in sections if parts[: len(section)] == section != parts), None)
        if section is not None:
            first, *inner = parts[len(section) :]
            key = "__".join((first, *inner))
            if key in sections[section] or not _is_of_dlt(section, first, is_table=bool(inner)):
                found = _nearest(section, key)
                yield UnknownName((name,), None if found is None else variable(*found))
        elif _without_separators(name) in by_letters:
            yield UnknownName((name,), by_letters[_without_separators(name)])
        elif _without_separators(name) in PERSONAL:
            yield UnknownName((name,), PERSONAL[_without_separators(name)].name)
        elif len(parts) > 1:
            meant = _misspelt_section(parts[:-1], {parts[-1]: ""})
            if meant is not None:
                yield UnknownName((name,), variable(*(_nearest(meant, parts[-1]) or (meant, parts[-1]))))


def _sections(accounts: Iterable[str]) -> dict[Section, Mapping[str, Setting]]:
    """The sections with their settings, those of accounts too."""
    return {**SECTIONS, **{section_of(account): ACCOUNT_SETTINGS for account in accounts}}


def _is_of_dlt(section: Section, name: str, *, is_table: bool) -> bool:
    if section[0] == ACCOUNTS:
        return False
    if is_table:
        return name in DLT_TABLES or name in DLT_TABLES_BELOW.get(section, ())
    return name in DLT_KEYS.get(section, ())


def _nearest(section: Section, key: str) -> tuple[Section, str] | None:
    """The setting that was probably meant: of this section, or with exactly this key of another one."""
    lowered = SEPARATORS.sub("_", key.lower())
    own = ACCOUNT_SETTINGS if section[0] == ACCOUNTS else SECTIONS[section]
    if lowered in own:
        return section, lowered
    elsewhere = next((other for other, settings in SECTIONS.items() if lowered in settings), None)
    if elsewhere is not None:
        return elsewhere, lowered
    found = get_close_matches(lowered, own, n=1, cutoff=VERY_SIMILAR)
    found = found or sorted((name for name in own if lowered.startswith(name)), key=len, reverse=True)
    found = found or get_close_matches(lowered, own, n=1, cutoff=SIMILAR)
    return (section, found[0]) if found else None


def _misspelt_section(keys: tuple[str, ...], table: Mapping[str, Any]) -> Section | None:
    """The section that the name of a table resembles, if the table has a setting of that section, misspelt or not."""
    sections = _sections(keys[1:] if len(keys) > 1 else ())
    if any(keys == section[: len(keys)] for section in sections):
        return None
    alike = [section for section in sections if keys == section[-1:] or _is_similar(keys, section)]
    return next((section for section in alike if any(_resembles(key, sections[section]) for key in table)), None)


def _resembles(key: str, known: Iterable[str]) -> bool:
    return bool(get_close_matches(SEPARATORS.sub("_", key.lower()), known, n=1, cutoff=VERY_SIMILAR))


def _is_similar(keys: tuple[str, ...], section: Section) -> bool:
    one, other = (_without_separators(".".join(path)) for path in (keys, section))
    return len(keys) == len(section) and SequenceMatcher(None, one, other).ratio() >= SIMILAR_SECTION


def _without_separators(name: str) -> str:
    return SEPARATORS.sub("", name).upper()


PERSONAL = {
    _without_separators(key): setting for key, setting in SECTIONS[("warehouse",)].items() if key.endswith("personal")
}
"""The settings of who sees personal data, by their keys alone: a variable such as PUBLISH__PERSONAL lacks the section
and has no effect, so that names would be published. Other keys without a section, such as API__TOKEN, may be those of
other programs."""


def _inner(document: Mapping[str, Any], section: Iterable[str]) -> Mapping[str, Any]:
    table: Any = document
    for part in section:
        table = table.get(part) if isinstance(table, dict) else None
    return table if isinstance(table, dict) else {}


def _tables(document: Mapping[str, Any]) -> Iterator[tuple[tuple[str, ...], Mapping[str, Any]]]:
    """The tables of a document, as deep as sections are."""
    for key, value in document.items():
        if isinstance(value, dict):
            yield (key,), value
            for inner_key, inner in value.items():
                if isinstance(inner, dict):
                    yield (key, inner_key), inner
