"""Refuses the data of another account than the one that was loaded into the directory before.

Ids alone prove nothing: two accounts may have equal ids of campaigns and users. A campaign is recognised by its id with
its code or its address, a user by the id with the campaign and the code or the e-mail address. Where no campaign is
recognised (all edited, replaced or deleted; or only users were ever loaded), users are compared. Knows no dlt and
writes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from referral_warehouse.api.pagination.paginator import Paginator
from referral_warehouse.api.query import Filter, Query
from referral_warehouse.api.responses import Page, row_id
from referral_warehouse.errors import AnotherAccount, ApiUnavailable, BadEnvelope, RequestRefused
from referral_warehouse.load.guards.known_account import KnownAccount
from referral_warehouse.load.guards.marks import Marks, campaign_marks, user_marks
from referral_warehouse.load.registry import STREAMS

IDS_SHOWN = 5
ACCOUNT_LIST = STREAMS["campaigns"]
"""The list that an account is recognised by first."""
ACCOUNT_ROW = replace(ACCOUNT_LIST.query, per_page=1)
"""The smallest request that every account supports."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """Listed and known marks by id, of campaigns and of the requested users.

    ``has_users`` is whether any user is known here, requested or not.
    """

    listed: Mapping[int, Marks]
    known: Mapping[int, Marks]
    listed_users: Mapping[int, Marks]
    known_users: Mapping[int, Marks]
    has_users: bool

    @property
    def is_other_account(self) -> bool:
        """Whether nothing is recognised although there is something to compare."""
        if recognises(self.listed, self.known) or recognises(self.listed_users, self.known_users):
            return False
        if self.listed_users and self.has_users:
            return True
        return bool(self.listed) and bool(self.known) and not self._resembles

    @property
    def _resembles(self) -> bool:
        """Whether a campaign has the id of a known one, or its code under another id: it may have been edited."""
        marks = Marks().union(*self.known.values())
        return bool(self.listed.keys() & self.known.keys()) or any(marks & found for found in self.listed.values())


def recognises(listed: Mapping[int, Marks], known: Mapping[int, Marks]) -> bool:
    """Whether some id is in both, with a common mark."""
    return any(marks & known.get(identifier, frozenset()) for identifier, marks in listed.items())


def is_other_account(
    paginator: Paginator, known: KnownAccount, campaigns: Iterable[Page] | None, *, accept: bool
) -> bool:
    """Compare what the API lists with what is known here, before anything is written.

    Args:
        paginator: sends the requests.
        known: the account of the load file, or else of the published snapshot.
        campaigns: the pages of the list of campaigns where they were read already; None requests the first page.
        accept: whether another account may replace the data of the directory.

    Calls: none where nothing is known, or a campaign is recognised among ``campaigns``; 1 for the list of campaigns
    otherwise, and where none is recognised, 1 to 4 for users.

    Returns:
        True when it is another account, and that is accepted.

    Raises:
        AnotherAccount: when it is another account, and that is not accepted.
    """
    if known.is_empty:
        return False
    if campaigns is None:
        campaigns = _pages(paginator, ACCOUNT_LIST.query) if known.campaigns else ()
    listed = {i: campaign_marks(row) for i, row in _rows(campaigns).items()}
    if recognises(listed, known.campaigns):
        return False
    users = _rows(_pages(paginator, replace(STREAMS["users"].query, order="id")))
    evidence = _evidence(known, listed, users)
    if not evidence.is_other_account:
        return False
    queries = [STREAMS["users"].query.where(Filter("id", "equal", identifier)) for identifier in known.some_users()]
    for pages in paginator.together(partial(_pages, paginator, query) for query in queries):
        users |= _rows(pages)
    evidence = _evidence(known, listed, users)
    if evidence.is_other_account and not accept:
        raise AnotherAccount(_message(evidence))
    return evidence.is_other_account


def _evidence(known: KnownAccount, listed: Mapping[int, Marks], users: Mapping[int, Any]) -> Evidence:
    listed_users = {i: user_marks(row) for i, row in users.items()}
    return Evidence(listed, known.campaigns, listed_users, known.users(listed_users), known.has_users)


def _pages(paginator: Paginator, query: Query) -> list[Page]:
    """The first page, or none where the API refuses the request."""
    try:
        return [paginator.fetch_page(query)]
    except (RequestRefused, ApiUnavailable, BadEnvelope):
        return []


def _rows(pages: Iterable[Page]) -> dict[int, dict[str, Any]]:
    rows: dict[int, dict[str, Any]] = {}
    for page in pages:
        if page.restart:
            rows.clear()
        rows.update((found, row) for row in page.rows if (found := row_id(row)) is not None)
    return rows


def _message(evidence: Evidence) -> str:
    return (
        f"The token belongs to another account than the data in this directory. The API lists "
        f"{_counted(evidence.listed, 'campaign')}, known here are {_counted(evidence.known, 'campaign')}, and none is "
        f"the same; of {_counted(evidence.listed_users, 'user')} of the API none is known here."
    )


def _counted(found: Mapping[int, Any], noun: str) -> str:
    ids = ", ".join(map(str, sorted(found)[:IDS_SHOWN])) + (", …" if len(found) > IDS_SHOWN else "")
    return f"{len(found):,} {noun}{'' if len(found) == 1 else 's'}" + (f" (ids {ids})" if found else "")
