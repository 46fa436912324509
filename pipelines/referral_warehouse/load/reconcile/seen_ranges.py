"""When ranges of ids were last read, and which of them are due to be read again: the one seen longest ago first.

Pure. A time stands for every stored row of its range: the row was read then or later. A row that arrives afterwards was
read later, too, so that ranges without a row need no exception.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from referral_warehouse.load.reconcile.bisect import Span
from referral_warehouse.load.reconcile.counts import ALL_IDS


@dataclass(frozen=True, slots=True)
class SeenRange:
    """A range of ids, and when it was read (naive UTC)."""

    span: Span
    seen_at: datetime


class SeenRanges:
    """The ranges of one stream. Together they hold every id, and no id twice.

    Args:
        complete_at: when the last complete read of the stream began (naive UTC).
        ranges: what was read since then; earlier times do not count.
    """

    def __init__(self, complete_at: datetime, ranges: Iterable[SeenRange] = ()) -> None:
        self._complete_at = complete_at
        self._parts = [SeenRange(ALL_IDS, complete_at)]
        for found in sorted(ranges, key=lambda found: found.seen_at):
            if found.seen_at > complete_at:
                self.mark(found.span, found.seen_at)

    def mark(self, span: Span, seen_at: datetime) -> None:
        """Note that a range was read."""
        parts: list[SeenRange] = []
        for part in self._parts:
            if part.span.above < span.above:
                parts.append(SeenRange(Span(part.span.above, min(part.span.upto, span.above)), part.seen_at))
            if part.span.upto > span.upto:
                parts.append(SeenRange(Span(max(part.span.above, span.upto), part.span.upto), part.seen_at))
        self._parts = _joined(sorted([*parts, SeenRange(span, seen_at)], key=lambda part: part.span.above))

    def read_since_complete(self) -> list[SeenRange]:
        """The ranges that were read after the last complete read, ascending: what has to be saved."""
        return [part for part in self._parts if part.seen_at > self._complete_at]

    def due(self, latest: datetime) -> list[Span]:
        """The ranges last read at ``latest`` or earlier, oldest first; neighbours in this order are joined."""
        found: list[Span] = []
        for part in sorted(self._parts, key=lambda part: (part.seen_at, part.span.above)):
            if part.seen_at > latest:
                break
            if found and found[-1].upto == part.span.above:
                found[-1] = Span(found[-1].above, part.span.upto)
            else:
                found.append(part.span)
        return found


def _joined(parts: Iterable[SeenRange]) -> list[SeenRange]:
    """The parts, neighbours with the same time as one."""
    joined: list[SeenRange] = []
    for part in parts:
        last = joined[-1] if joined else None
        if last is not None and last.seen_at == part.seen_at and last.span.upto == part.span.above:
            joined[-1] = SeenRange(Span(last.span.above, part.span.upto), last.seen_at)
        else:
            joined.append(part)
    return joined
