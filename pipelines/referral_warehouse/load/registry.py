"""One row per stream: where it is read, how it is loaded and what it is checked against.

This room is a table; it does nothing. A stream added here is picked up by the source, the runner, the command line and
the test that walks through README's steps for adding one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Loading = Literal["history", "issued", "current", "riding"]


@dataclass(frozen=True, slots=True)
class Stream:
    """A list of the API and the way it becomes a table.

    ``loading``:
      ``history``  a complete snapshot each time, kept as SCD2: what is absent is retired;
      ``issued``   rows by id and date, kept as SCD2: what is absent is *not* retired;
      ``current``  rows by their dates, the newest version of each;
      ``riding``   rows that arrive inside those of another stream (``rides_on``).
    ``counted`` names the boolean fields whose ``1`` counts are compared with the API's beside the total.
    """

    name: str
    path: str
    loading: Loading
    cursors: tuple[str, ...] = ()
    relations: tuple[str, ...] = ()
    rides_on: str | None = None
    counted: tuple[str, ...] = ()
    section: str = ""


STREAMS: dict[str, Stream] = {
    stream.name: stream
    for stream in (
        Stream("campaigns", "campaigns", "history", section="Campaigns > Get All Campaigns"),
        Stream("rewards", "rewards", "history", section="Rewards > Reward Relations"),
        Stream(
            "users",
            "users",
            "current",
            cursors=("date", "qualified_at", "unsubscribed_at"),
            relations=("coupon",),
            counted=("qualified", "unsubscribed"),
            section="Users > Get All Users",
        ),
        Stream("rewards_due", "rewards/due", "history", section="Rewards > Get Rewards Due"),
        Stream(
            "rewards_issued", "rewards/issued", "issued", cursors=("issued_at",), section="Rewards > Get Rewards Issued"
        ),
        Stream("coupons", "coupons", "riding", rides_on="users", section="Coupons > Coupon Relations"),
    )
}
