"""The streams, in the order in which they are read unless the plan asks for another one.

The runner, the command line and the dlt source loop over them.
"""

from __future__ import annotations

from collections.abc import Container, Iterable

from referral_warehouse.load.plan import ordered
from referral_warehouse.load.records.schema import OBSERVATIONS, QUARANTINE, TableSchema
from referral_warehouse.load.streams.campaigns import Campaigns
from referral_warehouse.load.streams.coupons import Coupons
from referral_warehouse.load.streams.rewards import Rewards
from referral_warehouse.load.streams.rewards_due import RewardsDue
from referral_warehouse.load.streams.rewards_issued import RewardsIssued
from referral_warehouse.load.streams.stream import Stream
from referral_warehouse.load.streams.users import Users

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


def in_order(names: Container[str]) -> list[Stream]:
    """The streams of some names, in the order in which they are read."""
    return [STREAMS[name] for name in ordered(name for name in STREAMS if name in names)]
