"""Parses query strings and form bodies as PHP does; must not know the meaning of a parameter.

``a[b][c]=1`` nests, ``a[]=1`` appends, the last of two equal names wins, a dot or space in a name is an underscore.
"""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import unquote_plus

Parameters = dict[str, Any]


def parse_query(text: str) -> Parameters:
    """Parameters of a query string or an urlencoded body.

    Shape: values are strings or nested dicts of strings; lists are dicts keyed "0", "1", …
    """
    found: Parameters = {}
    for part in text.split("&"):
        name, _, value = part.partition("=")
        name = unquote_plus(name, errors="replace").lstrip(" ")
        if not name:
            continue  # `a=1&&b=2`, as the documentation writes it, has an empty part
        head, keys = _split(name)
        _put(found, head.replace(".", "_").replace(" ", "_"), keys, unquote_plus(value, errors="replace"))
    return found


def parse_body(content_type: str, body: bytes) -> Parameters:
    """Parameters of a request body, urlencoded or a JSON object; anything else has none."""
    if "json" in content_type:
        try:
            document = json.loads(body or b"{}")
        except (ValueError, RecursionError):
            return {}
        return document if isinstance(document, dict) else {}
    return parse_query(body.decode("utf-8", errors="replace"))


def as_words(value: Any) -> list[str]:
    """A string, or the strings of a list in its order."""
    if isinstance(value, dict):
        return [word for item in value.values() for word in as_words(item)]
    return [str(value)]


def _split(name: str) -> tuple[str, list[str]]:
    """``filters[0][field]`` → ``filters``, ``0``, ``field``; an unclosed bracket belongs to the name."""
    head, bracket, rest = name.partition("[")
    if not bracket or not head or "]" not in rest:
        return name, []
    keys = []
    while True:
        key, closed, rest = rest.partition("]")
        if not closed:
            break
        keys.append(key)
        if not rest.startswith("["):
            break
        rest = rest[1:]
    return head, keys


def _put(into: Parameters, name: str, keys: list[str], value: str) -> None:
    for key in keys:
        below = into.get(name)
        if not isinstance(below, dict):
            below = into[name] = {}
        into = below
        name = key if key else str(1 + max((int(k) for k in below if k.isdecimal()), default=-1))
    into[name] = value
