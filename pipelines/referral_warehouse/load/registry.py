"""The streams, in the order in which they are read unless the plan requires another one.

The runner, the command line and the dlt source loop over them.
"""

from __future__ import annotations

from collections.abc import Collection, Container, Iterable

from referral_warehouse.errors import ConfigurationError
from referral_warehouse.load.plan import ordered
from referral_warehouse.load.records.schema import OBSERVATIONS, QUARANTINE, TableSchema
from referral_warehouse.load.streams.campaigns import Campaigns
from referral_warehouse.load.streams.coupons import Coupons
from referral_warehouse.load.streams.rewards import Rewards
from referral_warehouse.load.streams.rewards_due import RewardsDue
from referral_warehouse.load.streams.rewards_issued import RewardsIssued
from referral_warehouse.load.streams.stream import Stream
from referral_warehouse.load.streams.users import Users

SETTING = "SOURCES__REFERRAL_FACTORY__STREAMS"
STREAMS: dict[str, Stream] = {
    stream.name: stream for stream in (Campaigns(), Users(), Coupons(), RewardsIssued(), RewardsDue(), Rewards())
}
"""Streams by name."""

DOCUMENTED: dict[str, TableSchema] = {
    schema.name: schema
    for stream in STREAMS.values()
    for schema in (stream.schema, *stream.side_tables)
    if schema.name in STREAMS or schema.json_columns
}
"""The raw tables whose fields the vendor documents, by name."""

TABLES: dict[str, TableSchema] = {
    schema.name: schema
    for schema in (
        *(stream.schema for stream in STREAMS.values()),
        *(schema for stream in STREAMS.values() for schema in stream.side_tables),
        OBSERVATIONS,
        QUARANTINE,
    )
}
"""Every raw table that is loaded through dlt, by name."""


def with_required(names: Iterable[str]) -> frozenset[str]:
    """The streams of some names and those that they require; all streams for no name."""
    chosen = set(names) or set(STREAMS)
    for stream in reversed(STREAMS.values()):
        if stream.name in chosen:
            chosen.update(stream.requires)
    return frozenset(chosen)


def chosen_streams(loaded: Collection[str], requested: Collection[str]) -> frozenset[str]:
    """The streams of a run, with those that they require.

    Args:
        loaded: the setting SOURCES__REFERRAL_FACTORY__STREAMS; all where it is empty.
        requested: those that the command names; all of ``loaded`` where it is empty.

    Raises: ConfigurationError for a name that is none, and for a stream that is left out or lacks one that it requires.
    """
    for names, where in ((loaded, f"{SETTING} names"), (requested, "There is no stream")):
        if unknown := sorted(set(names) - STREAMS.keys()):
            is_setting = names is loaded
            what = f"{where} {unknown[0]!r}, which is not a stream." if is_setting else f"{where} {', '.join(unknown)}."
            raise ConfigurationError(what, f"Choose from {', '.join(STREAMS)}.")
    for name in loaded:
        if missing := sorted(set(STREAMS[name].requires) - set(loaded)):
            raise ConfigurationError(
                f"{SETTING} names {name!r} without {missing[0]!r}, whose records contain it.",
                f"Add {missing[0]!r}, or leave {name!r} out too.",
            )
    if loaded and (out := sorted(set(requested) - set(loaded))):
        raise ConfigurationError(f"The stream {out[0]!r} is left out: {SETTING} does not name it.", "Add it there.")
    return with_required(requested or loaded)


def left_out(loaded: Collection[str]) -> list[str]:
    """The streams that a setting of SOURCES__REFERRAL_FACTORY__STREAMS leaves out, in the order of the registry."""
    return [name for name in STREAMS if loaded and name not in loaded]


def in_order(names: Container[str]) -> list[Stream]:
    """The streams of some names, in the order in which they are read."""
    return [STREAMS[name] for name in ordered(name for name in STREAMS if name in names)]
