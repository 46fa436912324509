"""How charts look: colours, axes, legends and type, as Vega-Lite. Knows no chart.

Colours are custom properties of the style sheet, so that light, dark and print need no second drawing. The two hues of
a pair can be distinguished with any kind of colour vision (blue and orange of Okabe and Ito).
"""

from __future__ import annotations

from typing import Any

Spec = dict[str, Any]
INK, MUTED, LINE = "var(--ink)", "var(--muted)", "var(--line)"
BLUE, ORANGE, GREEN, GREY = "var(--c1)", "var(--c2)", "var(--c3)", "var(--c4)"
HEAT = ["#e8f1f8", "#a9cde4", "#5b9fca", "#2271a8", "#0a3f6b"]
SHORT = "format(datum.value, '~s')"
CONFIG: Spec = {
    "background": None,
    "font": "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif",
    "aria": False,
    "view": {"stroke": None},
    "axis": {
        "labelColor": MUTED, "titleColor": MUTED, "gridColor": LINE, "domainColor": LINE, "tickColor": LINE,
        "labelFontSize": 11, "titleFontSize": 11, "titleFontWeight": "normal", "labelLimit": 150, "ticks": False,
        "labelPadding": 6,
    },
    "legend": {
        "labelColor": INK, "labelFontSize": 11, "title": None, "orient": "top", "direction": "horizontal",
        "symbolSize": 80, "labelLimit": 220, "columnPadding": 14,
    },
    "text": {"color": INK, "fontSize": 11},
}  # fmt: skip


def chart(**parts: Any) -> Spec:
    """A specification without its data; its width is that of the page."""
    autosize = {"type": "fit-x", "contains": "padding"}
    return {"width": "container", "autosize": autosize, "config": CONFIG, **parts}


def axis(**more: Any) -> Spec:
    """An axis without a title, unless one is given."""
    return {"title": None, **more}


def by(field: str, sort: str = "order") -> Spec:
    """A field of names in the order of another field."""
    return {"field": field, "type": "nominal", "sort": {"field": sort, "op": "min"}}


def number(field: str, **more: Any) -> Spec:
    """A field of numbers."""
    return {"field": field, "type": "quantitative", **more}
