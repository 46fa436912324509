"""Coupons beyond their holders: a list of them where the account has one, names that were given, and what is gone.

The documentation promises a coupon by its name and no list. Where ``/coupons`` answers all the same, it is walked
completely; where it does not, that is remembered and asked again with a sweep. Knows no dlt: puts rows into a slice.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

from referral_warehouse.api.query import Query
from referral_warehouse.api.responses import row_id
from referral_warehouse.errors import (
    ApiUnavailable,
    AuthenticationError,
    BadEnvelope,
    ConfigurationError,
    RequestRefused,
)
from referral_warehouse.load.storage.dlt_resources import LoadBatch
from referral_warehouse.load.storage.load_db import DATASET
from referral_warehouse.load.streams.coupons import NEEDED, CouponIntake
from referral_warehouse.workspace.text_files import UnreadableFile, read_text_file

COUPON_LIST = Query("coupons", relations=("batch",))
WALKED_EACH_TIME = 5_000
"""Coupons of a list that is walked at every sync (20 calls); a longer one only where a count differs, and by sweeps."""
MAX_NAMES_BYTES = 16 * 1024 * 1024
"""Of a file of names; each name costs a call, so that a larger file would take days."""
LOOKED_AT = 20
"""Of the coupons that a list lacks, so many are asked for by name before it is believed that they are gone."""


def read_names(path: Path | None) -> tuple[str, ...]:
    """The names in a file: one a line, UTF-8. Blank lines and blanks around a name do not count; every other character
    does (``#`` may begin a name, so there are no comments); a name that stands there twice is asked for once.

    Raises: ConfigurationError when the file cannot be read.
    """
    if path is None:
        return ()
    try:
        text = read_text_file(path, MAX_NAMES_BYTES)
    except (OSError, UnreadableFile) as error:
        reason = error.reason if isinstance(error, UnreadableFile) else error.strerror or error
        raise ConfigurationError(
            f"SOURCES__REFERRAL_FACTORY__COUPON_NAMES_FILE {path} cannot be read: {reason}."
        ) from None
    return tuple(dict.fromkeys(name for line in text.split("\n") if (name := line.strip())))


class UnheldCoupons:
    """Looks for coupons that ride on no user. ``state`` is what dlt saved for the stream (changed with the slice)."""

    def __init__(self, coupons: CouponIntake, state: dict[str, Any]) -> None:
        self._coupons = coupons
        self._paginator = coupons.paginator
        self._load_file = coupons.load_file
        self._parser = coupons.parser
        self._names = coupons.names
        self._state = state
        coupons.is_listed = bool(state.get("list"))

    def look(self, part: LoadBatch, *, swept: bool) -> None:
        """Put into the slice what the list or the names show.

        Calls: 1 a list that was not asked about since the last sweep; 1 and the pages of a list; else 1 a name that
        nobody holds yet.
        """
        moment = self._parser.latest
        if moment is None:
            return
        is_listed, total = self._ask_for_the_list(part, again=swept or "list" not in self._state)
        if not is_listed:
            self._ask_for_names(part, moment, swept=swept)
            return
        held = self._load_file.live_count("coupons")
        if swept or total is None or total <= WALKED_EACH_TIME or total != held:
            self._walk(part, moment)

    def _ask_for_the_list(self, part: LoadBatch, *, again: bool) -> tuple[bool, int | None]:
        was_there = bool(self._state.get("list"))
        if not again and not was_there:
            return False, None
        try:
            is_there, total = True, self._paginator.count(Query(COUPON_LIST.path))
        except (RequestRefused, ApiUnavailable, BadEnvelope, AuthenticationError):
            # A 403 may stand for what is not documented; a token that is refused stops whoever asks next.
            is_there, total = False, None
        self._remember(part, is_listed=is_there)
        return is_there, total

    def _walk(self, part: LoadBatch, moment: datetime) -> None:
        """The whole list: also coupons that nobody holds, and those that are gone."""
        self._coupons.forget_seen()
        held: list[dict[str, Any]] = []
        total: int | None = None
        for page in self._paginator.iter_all(COUPON_LIST):
            if page.restart:
                held.clear()
            held.extend(row for row in page.rows if isinstance(row, dict))
            total = page.total
        if not all(row.keys() >= NEEDED for row in held):
            self._disbelieve(part, "does not tell who holds a coupon and when it was used")
            return
        self._parser.report("coupons").api_count = len({row_id(row) for row in held})
        self._coupons.put(held, moment, "the list of coupons", part)
        if not held and total != 0:
            return
        missing = self._coupons.missing()
        if self._are_gone(missing[:LOOKED_AT], moment, part):
            self._coupons.bury(missing, moment, part)
            self._parser.report("coupons").is_complete = True
        else:
            self._disbelieve(part, "does not hold all coupons")

    def _are_gone(self, ids: list[int], moment: datetime, part: LoadBatch) -> bool:
        """Whether coupons that a list lacks are gone: none of them answers to its name."""
        names = {identifier: name for identifier, name, _ in self._known()}
        asked = {identifier: names[identifier] for identifier in ids}
        return len(self._coupons.not_there(asked, moment, part)) == len(ids)

    def _disbelieve(self, part: LoadBatch, why: str) -> None:
        self._remember(part, is_listed=False)
        note = f"the list at /coupons {why}, so it is not used; coupons come with their holders"
        self._parser.report("coupons").notes.append(note)

    def _remember(self, part: LoadBatch, *, is_listed: bool) -> None:
        if is_listed is not self._state.get("list"):
            self._state = {**self._state, "list": is_listed}
            part.states["coupons"] = self._state
        self._coupons.is_listed = is_listed

    def _ask_for_names(self, part: LoadBatch, moment: datetime, *, swept: bool) -> None:
        """The coupons of the names given, unless their holders bring them or they are used up."""
        known = {name: identifier for identifier, name, settled in self._known() if settled and not swept}
        asked = [name for name in self._names if name not in known and name not in self._coupons.seen_names]
        if not asked:
            return
        found = dict(zip(asked, self._coupons.by_names(asked), strict=True))
        self._coupons.put([row for row in found.values() if row is not None], moment, "coupons by name", part)
        lost = [name for name, row in found.items() if row is None]
        if lost:
            shown = ", ".join(repr(name) for name in lost[:3])
            self._parser.report("coupons").notes.append(
                f"{len(lost)} of {len(self._names)} names in the coupon file are not there: {shown}"
                + (" …" if len(lost) > 3 else "")
            )
        held = {name: identifier for identifier, name, _ in self._known()}
        self._coupons.bury([held[name] for name in lost if name in held], moment, part)

    def _known(self) -> list[tuple[int, str, bool]]:
        """Id and name of the coupons we hold that are not gone, and whether asking by name would bring nothing new."""
        found = self._load_file.connection.execute(
            f"select id, name, referral_id is not null or used_at is not null from {DATASET}.coupons"
        ).fetchall()
        return [row for row in found if row[0] not in self._coupons.gone]
