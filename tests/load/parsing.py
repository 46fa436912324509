"""Parsers for tests that need no load file, and the rows that they quarantine."""

from __future__ import annotations

import pyarrow as pa

from referral_warehouse.api.responses import Page
from referral_warehouse.load.batch import LoadBatch
from referral_warehouse.load.page_parser import PageParser
from referral_warehouse.load.records.coercion import Reject
from referral_warehouse.load.records.schema import QUARANTINE, TableSchema
from referral_warehouse.load.report import LoadReport


def new_parser(run_id: str = "r1") -> PageParser:
    """A parser for one run."""
    return PageParser(LoadReport(run_id))


def parsed_page(parser: PageParser, schema: TableSchema, page: Page, where: str) -> tuple[pa.Table, list[Reject]]:
    """The rows of one page that fit, and those that do not."""
    [parsed] = parser.read(schema, [page], where)
    return parsed.table, parsed.rejects


def quarantined(parser: PageParser) -> pa.Table:
    """What entered or left the quarantine since the last call."""
    batch = LoadBatch()
    parser.add_quarantine(batch)
    return batch.rows(QUARANTINE)
