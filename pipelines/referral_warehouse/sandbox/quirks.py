"""Switches for what the live API has been seen to do beyond its documentation; knows nothing of HTTP or tables.

All are off by default. Each field's metadata carries ``help`` (one sentence) and, where only some words are allowed,
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


def _word(default: str, choices: tuple[str, ...], text: str) -> Any:
    return field(default=default, metadata={"help": text, "choices": choices})


def _name(text: str) -> Any:
    return field(default="", metadata={"help": text})


@dataclass(frozen=True)
class Traps:
    """What the sandbox does wrong, or differently from its documentation, on purpose.

    Units: ``…_every`` counts API calls since the traps were set (0 = never), ``…_s`` seconds, ``…_hours`` hours.
    Raises: ValueError when a word is not among the choices or a number is negative.
    """

    # Asking: what the server understands of a query.
    ignore_unknown_parameters: bool = _switch("Parameters the API does not know are ignored instead of refused.")
    ignore_filters: bool = _switch("All filters are ignored and every row comes back.")
    ignore_filter_field: str = _name("Filters on this field are ignored.")
    refuse_id_filters: bool = _switch("Filters on the field id are refused with a validation error.")
    ignore_order: bool = _switch("The order parameter is ignored and lists come newest first.")
    unstable_order: bool = _switch("Rows that tie, and lists without an order, change places from call to call.")
    ignore_per_page: bool = _switch("Every page has 25 rows, whatever per_page says.")
    per_page_users_only: bool = _switch("Only the list of users honours per_page; other lists have 25 rows a page.")
    clamp_per_page: bool = _switch("A per_page above 250 gives 250 rows instead of a validation error.")
    oversize_pages: int = _every("Every page carries this many rows more than per_page, repeating the next page's.")
    coupon_relation: str = _word(
        "", ("", "refused", "ignored"), "The relation coupon of users is refused, or silently left out."
    )
    coupon_list: bool = _switch("A list of all coupons is served at /coupons.")

    # Days and times.
    text_time_filters: bool = _switch("Filters on times compare text with stored 'YYYY-MM-DD HH:MM:SS'.")
    lte_loses_day: bool = _switch("A plain day in a filter means its midnight, so lte loses the whole day.")
    date_shift_hours: int = field(
        default=0,
        metadata={"help": "Users' date is shown this many hours earlier than it is stored and filtered (UTC offset)."},
    )
    timestamps: str = _word(
        "iso", ("iso", "space", "day", "offset"), "How times are written: ISO with Z, with a space, as days, +02:00."
    )

    # Envelopes.
    links_keep_query: bool = _switch("Page links keep filters, order and per_page instead of the page alone.")
    no_meta: bool = _switch("Lists come without meta.")
    no_total: bool = _switch("Lists come without total, last_page and the last link.")
    data_as_object: bool = _switch("Lists' data is an object keyed by numbers instead of an array.")
    validation_422: bool = _switch("Validation errors come as 422 with {message, errors: {field: [text]}}.")
    html_errors: bool = _switch("Errors come as HTML to callers whose Accept does not name application/json.")

    # Values.
    ids_as_strings: bool = _switch("All ids are strings.")
    numbers_as_strings: bool = _switch("All counts and amounts are strings, amounts with two decimals.")
    reward_id_as_string: bool = _switch("The field reward_id is a string.")
    booleans_as: str = _word("", ("", "int", "text"), 'Booleans are 0 and 1, or "0" and "1".')
    null_values: bool = _switch("Rewards with an even id show null as value and reward_value.")
    meta_shape: str = _word("", ("", "pairs", "list"), "Users' meta is a list of field-value pairs, or an empty list.")
    sharing_as_object: bool = _switch("Users' sharing is an object keyed by the network.")
    extra_fields: bool = _switch("Every row carries fields the documentation does not know.")
    vanished_field: str = _name("This field (name, or list.name such as users.code) is missing from every row.")
    new_sources: bool = _switch("People who join come from sources that version 1 does not document.")

    # Answers that are no answers.
    bad_json_every: int = _every("Every n-th call is answered with 200 and a body that is not JSON.")
    bad_json_kind: str = _word("", ("", "truncated", "html", "empty"), "What that body is; by default each in turn.")
    fail_every: int = _every("Every n-th call fails with fail_status.")
    fail_status: int = field(default=500, metadata={"help": "The status of calls that fail."})
    throttle_every: int = _every("Every n-th call is answered with 429, without being an abuse.")
    retry_after: str = _word(
        "seconds", ("seconds", "date", "zero", "absent"), "How 429 answers state their Retry-After."
    )
    slow_every: int = _every("Every n-th call is answered slow_s seconds late.")
    slow_s: float = field(default=25.0, metadata={"help": "How many seconds late slow answers are."})
    reset_every: int = _every("Every n-th call ends in a connection reset.")
    reset_in_body: bool = _switch("Connections break in the middle of the body instead of before the answer.")
    redirect_to: str = _name("Every call is answered with 301 to the same path under this address.")

    # The budget and the token.
    token_expires_after: int = _every("The token is regenerated after this many calls: 401 from then on.")
    blocked: bool = _switch("The address is blocked: every call is answered with 403.")
    no_rate_headers: bool = _switch("Answers carry no X-RateLimit headers.")
    sliding_window: bool = _switch("The limit counts a sliding minute instead of one that begins with its first call.")
    others_spend: int = _every("Other integrations spend this many calls of the budget for each of ours.")

    # A world that does not hold still.
    shift_every: int = _every("Every n-th list call is preceded by a user's deletion or arrival, in turn.")

    def __post_init__(self) -> None:
        for spec in fields(self):
            value = getattr(self, spec.name)
            choices = spec.metadata.get("choices")
            if choices and value not in choices:
                raise ValueError(f"{spec.name} must be one of {', '.join(repr(c) for c in choices)}, not {value!r}.")
            if type(spec.default) in (int, float) and spec.name != "date_shift_hours" and value < 0:
                raise ValueError(f"{spec.name} must not be negative: {value!r}.")

    def changed(self, values: Mapping[str, Any]) -> Traps:
        """These traps with some fields replaced, each checked for its type.

        Raises: ValueError when a name is unknown or a value has the wrong type.
        """
        known = {spec.name: type(spec.default) for spec in fields(self)}
        for name, value in values.items():
            if name not in known:
                raise ValueError(f"There is no trap called {name!r}.")
            wanted = (int, float) if known[name] is float else (known[name],)
            if type(value) not in wanted:
                raise ValueError(f"{name} must be {known[name].__name__}, not {type(value).__name__}.")
        return replace(self, **values)
