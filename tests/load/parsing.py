"""Parsers for tests that need no load file, and what they set aside."""

from __future__ import annotations

import pyarrow as pa

from referral_warehouse.load.batch import LoadBatch
from referral_warehouse.load.page_parser import PageParser
from referral_warehouse.load.records.schema import QUARANTINE
from referral_warehouse.load.report import LoadReport


def new_parser(run_id: str = "r1") -> PageParser:
    """A parser for one run."""
    return PageParser(LoadReport(run_id))


def quarantined(parser: PageParser) -> pa.Table:
    """What entered or left the quarantine since the last call."""
    batch = LoadBatch()
    parser.add_quarantine(batch)
    return batch.rows(QUARANTINE)
