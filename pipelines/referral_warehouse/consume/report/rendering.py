"""Makes the HTML of a page: text by the template with everything escaped, data as inert JSON, scripts by their hash.

The page may run its two scripts and nothing else, and may request nothing: the security policy in its head enforces it,
in addition to the escaping. Knows no database.
"""

from __future__ import annotations

import base64
import json
import re
from functools import cache
from hashlib import sha256
from importlib.resources import files
from typing import Any

from referral_warehouse.consume.report.charts import height_of, specs
from referral_warehouse.consume.report.document import Figure, Page

_ACTIVE = re.compile("[<>&\u2028\u2029]")


def render(page: Page, bundle: str) -> str:
    """The page as one HTML text. ``bundle`` is the script that defines ``vegaEmbed``."""
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    charts: dict[str, Any] = {}
    scripts = {"bundle": script_text(bundle), "script": script_text(_resource("page.js"))}
    template = environment.from_string(_resource("page.html"))
    return template.render(
        page=page,
        style=_resource("style.css"),
        policy=_policy(scripts.values()),
        chart_of=lambda scope, figure: _register(charts, scope, figure),
        data=lambda: inert_json({"specs": specs(), "charts": charts}),
        **scripts,
    )


def inert_json(value: Any) -> str:
    """JSON for a ``script`` element: no character of it can end the element or begin another."""
    text = json.dumps(value, ensure_ascii=True, separators=(",", ":"), allow_nan=False)
    return _ACTIVE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def script_text(text: str) -> str:
    """A script whose strings cannot end the element that holds it."""
    return re.sub(r"<(?=/script|!--|script)", r"\\x3c", text, flags=re.IGNORECASE)


def _register(charts: dict[str, Any], scope: str, figure: Figure) -> list[tuple[str, str]]:
    """Number and label of each chart of a figure; their rows are kept for the page's data."""
    numbered = []
    for chart in figure.charts:
        number = f"chart-{len(charts)}"
        height = height_of(chart.spec, chart.rows)
        charts[number] = {"spec": chart.spec, "scope": scope, "height": height, "rows": list(chart.rows)}
        numbered.append((number, chart.label))
    return numbered


def _policy(scripts: Any) -> str:
    hashes = " ".join(f"'sha256-{base64.b64encode(sha256(text.encode()).digest()).decode()}'" for text in scripts)
    return (
        f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; "
        "form-action 'none'"
    )


@cache
def _resource(name: str) -> str:
    return (files("referral_warehouse.consume.report") / "page" / name).read_text(encoding="utf-8")
