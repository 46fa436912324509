"""Switches for behaviour of the live API that differs from its documentation; independent of HTTP and tables.

All are off by default. Each field's metadata has ``help`` (one sentence) and, where only some values are allowed,
``choices``, so that a command line and its documentation can be generated from the class.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any


def _switch(text: str) -> Any:
    return field(default=False, metadata={"help": text})


def _every(text: str) -> Any:
    return field(default=0, metadata={"help": text})


def _choice(default: str, choices: tuple[str, ...], text: str) -> Any:
    return field(default=default, metadata={"help": text, "choices": choices})


def _name(text: str) -> Any:
    return field(default="", metadata={"help": text})


@dataclass(frozen=True)
class Quirks:
    """Deliberate deviations from the documented API, errors included.

    Units: ``…_every`` counts API calls since the quirks were set (0 = never), ``…_s`` seconds, ``…_hours`` hours.
    Raises: ValueError when a value is not among the choices or a number is negative.
    """

    # Queries.
    ignore_unknown_parameters: bool = _switch("Parameters the API does not know are ignored instead of refused.")
    ignore_filters: bool = _switch("All filters are ignored and every row is returned.")
    ignore_filter_field: str = _name("Filters on this field are ignored.")
    refuse_id_filters: bool = _switch("Filters on the field id are refused with a validation error.")
    ignore_order: bool = _switch("The order parameter is ignored and lists are returned newest first.")
    unstable_order: bool = _switch("Rows with equal sort values, and lists without order, change places between calls.")
    ignore_per_page: bool = _switch("Every page has 25 rows, whatever per_page is.")
    per_page_users_only: bool = _switch("Only the list of users supports per_page; other lists have 25 rows a page.")
    clamp_per_page: bool = _switch("A per_page above 250 returns 250 rows instead of a validation error.")
    oversize_pages: int = _every("Every page has this many rows more than per_page and repeats them on the next page.")
    coupon_relation: str = _choice(
        "", ("", "refused", "ignored"), "The relation coupon of users is refused, or left out without an error."
    )
    coupon_list: bool = _switch("A list of all coupons is served at /coupons.")

    # Days and times.
    text_time_filters: bool = _switch("Filters on times compare text with stored 'YYYY-MM-DD HH:MM:SS'.")
    lte_loses_day: bool = _switch("A plain day in a filter means its midnight, so lte excludes the whole day.")
    date_shift_hours: int = field(
        default=0,
        metadata={"help": "Users' date is shown this many hours earlier than it is stored and filtered (UTC offset)."},
    )
    timestamps: str = _choice(
        "iso", ("iso", "space", "day", "offset"), "How times are written: ISO with Z, with a space, as days, +02:00."
    )

    # Envelopes.
    links_keep_query: bool = _switch("Page links keep filters, order and per_page instead of the page number alone.")
    no_meta: bool = _switch("Lists have no meta.")
    no_total: bool = _switch("Lists have no total, no last_page and no last link.")
    data_as_object: bool = _switch("The data of lists is an object keyed by numbers instead of an array.")
    validation_422: bool = _switch("Validation errors have status 422 and {message, errors: {field: [text]}}.")
    html_errors: bool = _switch("Errors are HTML unless Accept names application/json.")

    # Values.
    ids_as_strings: bool = _switch("All ids are strings.")
    numbers_as_strings: bool = _switch("All counts and amounts are strings, amounts with two decimals.")
    reward_id_as_string: bool = _switch("The field reward_id is a string.")
    booleans_as: str = _choice("", ("", "int", "text"), 'Booleans are 0 and 1, or "0" and "1".')
    null_values: bool = _switch("Rewards with an even id have null as value and reward_value.")
    meta_shape: str = _choice("", ("", "pairs", "list"), "The meta of users is a list of pairs, or an empty list.")
    sharing_as_object: bool = _switch("The sharing of users is an object keyed by the network.")
    extra_fields: bool = _switch("Every row has fields that the documentation does not name.")
    vanished_field: str = _name("This field (a name, or list.name such as users.code) is missing from every row.")
    new_sources: bool = _switch("New users have a source that version 1 does not document.")

    # Failures.
    bad_json_every: int = _every("Every Nth response has status 200 and a body that is not JSON.")
    bad_json_kind: str = _choice(
        "", ("", "truncated", "html", "empty"), "What that body is; each kind in turn by default."
    )
    fail_every: int = _every("Every Nth call fails.")
    fail_status: int = field(default=500, metadata={"help": "The status of calls that fail."})
    throttle_every: int = _every("Every Nth response has status 429 and does not count as abuse.")
    retry_after: str = _choice(
        "seconds", ("seconds", "date", "zero", "absent"), "The form of Retry-After in responses with 429."
    )
    slow_every: int = _every("Every Nth response is delayed.")
    slow_s: float = field(default=25.0, metadata={"help": "Seconds by which a late response is delayed."})
    reset_every: int = _every("Every Nth call ends in a connection reset.")
    reset_in_body: bool = _switch("Connections break in the middle of the body instead of before the response.")
    redirect_to: str = _name("Every response is a 301 to the same path at this address.")

    # Rate limit and token.
    token_expires_after: int = _every("The token is replaced after this many calls: status 401 from then on.")
    blocked: bool = _switch("The address is blocked: every response has status 403.")
    no_rate_headers: bool = _switch("Responses have no X-RateLimit headers.")
    sliding_window: bool = _switch("The limit counts a sliding minute instead of one that begins with its first call.")
    others_spend: int = _every("Other integrations use this many calls of the limit for each of yours.")

    # Changes while a client reads.
    shift_every: int = _every("Before every Nth list call a user is deleted or added, in turn.")

    def __post_init__(self) -> None:
        for spec in fields(self):
            value = getattr(self, spec.name)
            choices = spec.metadata.get("choices")
            if choices and value not in choices:
                raise ValueError(f"{spec.name} must be one of {', '.join(repr(c) for c in choices)}, not {value!r}.")
            if type(spec.default) in (int, float) and spec.name != "date_shift_hours" and value < 0:
                raise ValueError(f"{spec.name} must not be negative: {value!r}.")

    def changed(self, values: Mapping[str, Any]) -> Quirks:
        """These quirks with some fields replaced, each checked for its type.

        Raises: ValueError when a name is unknown or a value has the wrong type.
        """
        known = {spec.name: type(spec.default) for spec in fields(self)}
        for name, value in values.items():
            if name not in known:
                raise ValueError(f"There is no quirk called {name!r}.")
            expected = (int, float) if known[name] is float else (known[name],)
            if type(value) not in expected:
                raise ValueError(f"{name} must be {known[name].__name__}, not {type(value).__name__}.")
        return replace(self, **values)


GROUPS: Mapping[str, str] = {
    "ignore_unknown_parameters": "Quirks of queries",
    "text_time_filters": "Quirks of days and times",
    "links_keep_query": "Quirks of envelopes",
    "ids_as_strings": "Quirks of values",
    "bad_json_every": "Failures",
    "token_expires_after": "Quirks of the rate limit and the token",
    "shift_every": "Changes while a client reads",
}
"""The first quirk of each group, in the order of the fields, and the group's heading in a help text."""


def grouped_quirks() -> dict[str, list[str]]:
    """The names of the quirks below the headings of their groups."""
    groups: dict[str, list[str]] = {}
    title = ""
    for spec in fields(Quirks):
        title = GROUPS.get(spec.name, title)
        groups.setdefault(title, []).append(spec.name)
    return groups
