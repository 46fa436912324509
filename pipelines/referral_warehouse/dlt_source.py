"""A dlt source of the Referral Factory API for any dlt pipeline: six resources that load incrementally.

    pipeline = dlt.pipeline("referrals", destination="bigquery", dataset_name="referral_factory")
    pipeline.run(referral_factory())

Reads with the same code as ``referrals sync``. What only ``referrals sync`` guarantees is listed in docs/dlt-source.md.
Source of the fields: the sections Campaigns, Users, Rewards and Coupons of the vendor's API documentation.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import dlt
import pyarrow as pa
import pyarrow.compute as pc
from dlt.extract import DltResource

from referral_warehouse.api.client import Client
from referral_warehouse.api.pagination.paginator import Paginator
from referral_warehouse.load.clock.observation_clock import ObservationClock
from referral_warehouse.load.context import LoadContext, LoadRequest
from referral_warehouse.load.page_parser import PageParser
from referral_warehouse.load.records.schema import OBSERVATIONS, QUARANTINE, LoadStrategy, TableSchema
from referral_warehouse.load.registry import STREAMS, TABLES, in_order, with_required
from referral_warehouse.load.report import LoadReport
from referral_warehouse.load.storage.column_hints import column_hints
from referral_warehouse.load.storage.memory_store import MemoryStore
from referral_warehouse.load.streams.stream import Stream
from referral_warehouse.settings import DEFAULT_BASE_URL, Settings, Token, checked_settings

__all__ = ["referral_factory"]

NAME = "referral_factory"
REPLACED_SIDE_TABLES = frozenset({"campaign_reach"})
"""Tables of our own load that the source does not need: its campaigns hold the same column."""


@dlt.source(name=NAME, section=NAME, max_table_nesting=0)
def referral_factory(
    api_token: str = dlt.secrets.value,
    base_url: str = DEFAULT_BASE_URL,
    calls_per_minute: int = 540,
    concurrency: int = 64,
    overlap_days: int = 1,
    sweep_every_days: int = 7,
    issued_lookback_days: int = 35,
    timeout_s: int = 60,
    simulated_time: bool = False,
) -> list[DltResource]:
    """Campaigns, users, coupons, rewards issued, rewards due and rewards of one account.

    Every argument is also a setting below ``[sources.referral_factory]``, or a variable such as
    ``SOURCES__REFERRAL_FACTORY__API_TOKEN``.

    Args:
        api_token: the token of the account.
        base_url: the address of the API; another one than the vendor's for tests.
        calls_per_minute: the rate limit; 0 is unlimited, for a server on this machine only.
        concurrency: the most requests in flight; the actual number follows latency and budget.
        overlap_days: so many whole days before the cursor are requested again.
        sweep_every_days: after so many days every user is read, because names and counters leave no date.
        issued_lookback_days: rewards issued in so many days before the run are read again, undated ones always.
        timeout_s: seconds that a response may take.
        simulated_time: whether the server's clock counts as it is; for a sandbox on this machine only.

    Returns:
        Six resources. ``campaigns``, ``rewards`` and ``rewards_due`` replace their tables with the complete list;
        ``users``, ``coupons`` and ``rewards_issued`` merge what is new or changed by ``id``. Rows that cannot be read
        exactly go to the table ``quarantine`` with the reason.

    Raises:
        ConfigurationError: when an argument is unsafe.
        ReferralsError: any, while the resources are read; dlt reports it as the cause of its own error.
    """
    settings = checked_settings(
        Settings(
            api_token=Token(api_token), base_url=base_url, calls_per_minute=calls_per_minute, concurrency=concurrency,
            overlap_days=overlap_days, sweep_every_days=sweep_every_days, issued_lookback_days=issued_lookback_days,
            timeout_s=float(timeout_s), simulated_time=simulated_time,
        )
    )  # fmt: skip
    return [_resource(stream, settings) for stream in STREAMS.values()]


def _resource(stream: Stream, settings: Settings) -> DltResource:
    resource: Any = dlt.resource(_read, name=stream.name)(stream, settings)
    for schema in _side_tables(stream):  # first: hints of a table that are set later are copied from the resource
        hints = _hints(schema)
        resource.apply_hints(table_name=schema.name, create_table_variant=True, **hints)
    resource.apply_hints(**_hints(stream.schema))
    return cast(DltResource, resource)


def _side_tables(stream: Stream) -> list[TableSchema]:
    """The other tables that a resource fills."""
    own = [schema for schema in stream.side_tables if schema.name not in REPLACED_SIDE_TABLES]
    return [*own, OBSERVATIONS, QUARANTINE]


def _hints(schema: TableSchema) -> dict[str, Any]:
    """dlt's hints for a table, complete: nothing is inferred from data."""
    is_list = schema.strategy is LoadStrategy.LIST_HISTORY
    return {
        "write_disposition": "replace" if is_list else "merge",
        "primary_key": list(schema.key),
        # JSON stays text, which every destination takes from Parquet files
        "columns": column_hints(
            schema.arrow, time={"data_type": "timestamp"}, required=schema.key, keeps_newest=not is_list
        ),
    }


def _read(stream: Stream, settings: Settings) -> Iterator[Any]:
    """Yield the rows of a stream as Arrow tables; its state is saved for what was yielded, not for what is next."""
    state = dlt.current.resource_state()
    own = {schema.name for schema in (stream.schema, *_side_tables(stream))}
    request = LoadRequest(with_required([stream.name]))
    parser = PageParser(LoadReport(NAME), ObservationClock(simulated=settings.simulated_time))
    with MemoryStore(TABLES, state) as store, Client(settings) as client:
        try:
            with Paginator(client) as paginator:
                ctx = LoadContext(settings, request, paginator, store, parser)
                for required in in_order(request.streams):
                    for batch in required.extract(ctx):
                        if batch.is_list and stream.schema.name not in batch.tables:
                            batch.replace_rows(stream.schema, stream.schema.stored.empty_table())
                        batch.deduplicate()
                        for table in batch.tables:
                            if table in own:
                                yield _item(stream, TABLES[table], batch.rows(TABLES[table]))
                        state.update(store.saved(batch))
        finally:
            client.stop()  # ends requests that were sent ahead, where not all rows are wanted


def _item(stream: Stream, schema: TableSchema, rows: pa.Table) -> Any:
    """Rows as dlt takes them: times with the zone UTC, keys that are not null, no columns of our own history."""
    names = schema.arrow.names
    columns = [
        pc.assume_timezone(column, "UTC") if pa.types.is_timestamp(column.type) else column
        for column in rows.select(names).columns
    ]
    types = [
        pa.field(name, column.type, nullable=name not in schema.key)
        for name, column in zip(names, columns, strict=True)
    ]
    table = pa.Table.from_arrays(columns, schema=pa.schema(types))
    return table if schema.name == stream.name else dlt.mark.with_table_name(table, schema.name)
