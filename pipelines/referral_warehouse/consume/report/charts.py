"""The charts as plain Vega-Lite, one specification per kind of chart; the rows come with each chart. Knows no data."""

from __future__ import annotations

from collections.abc import Sequence

from referral_warehouse.consume.report.chart_style import (
    BLUE,
    GREEN,
    GREY,
    HEAT,
    INK,
    LINE,
    ORANGE,
    SHORT,
    Spec,
    axis,
    by,
    chart,
    number,
)  # fmt: skip
from referral_warehouse.consume.report.document import Row

BANDS = {
    "funnel": ("stage", 34), "rules": ("rule", 34), "cohorts": ("month", 30), "interval": ("campaign", 34),
    "parts": ("campaign", 34),
}  # fmt: skip
"""Field that has a band for each of its values, and pixels of a band."""

HEIGHTS = {"trend": 150, "waterfall": 210, "ageing": 190, "coupons": 190, "runs": 110}


def height_of(name: str, rows: Sequence[Row]) -> int:
    """The height of a chart's plot in pixels: charts with a band for each row grow with them."""
    if name not in BANDS:
        return HEIGHTS[name]
    field, step = BANDS[name]
    return step * len({row[field] for row in rows})


def specs() -> dict[str, Spec]:
    """Each specification by its name; ``data`` is left to the page."""
    return {
        "funnel": _labelled_bars("stage", "count"),
        "rules": _labelled_bars("rule", "count", ORANGE),
        "trend": _trend(),
        "cohorts": _cohorts(),
        "waterfall": _waterfall(),
        "ageing": _ageing(),
        "interval": _interval(),
        "parts": _parts(),
        "coupons": _coupons(),
        "runs": _runs(),
    }


def _labelled_bars(name: str, value: str, colour: str = BLUE) -> Spec:
    y = by(name) | {"axis": axis(domain=False, labelColor=INK, labelFontSize=12)}
    x = number(value, axis=None, scale={"domainMin": 0, "padding": 0})
    bars: Spec = {
        "mark": {"type": "bar", "color": colour, "cornerRadiusEnd": 3, "height": {"band": 0.62}},
        "encoding": {"x": x},
    }
    # An invisible point beyond the longest bar, so that its label fits.
    label_space: Spec = {
        "transform": [{"aggregate": [{"op": "max", "field": value, "as": "most"}]},
            {"calculate": "max(datum.most, 1) * 1.45", "as": "label_space"},
        ],
        "mark": {"type": "point", "opacity": 0}, "encoding": {"x": number("label_space")},
    }  # fmt: skip
    labels: Spec = {
        "mark": {"type": "text", "align": "left", "dx": 6},
        "encoding": {"x": x, "text": {"field": "label"}},
    }
    bars["encoding"]["y"] = labels["encoding"]["y"] = y
    return chart(layer=[bars, labels, label_space])


def _trend() -> Spec:
    periods = ["last 12 weeks", "12 weeks before"]
    legend = {"symbolType": "stroke", "symbolStrokeWidth": 2}
    x = {
        "field": "week", "type": "quantitative",
        "axis": axis(grid=False, tickMinStep=1, tickCount=6, labelExpr="'week ' + datum.label"),
        "scale": {"domain": [1, 12], "nice": False},
    }  # fmt: skip
    tooltip = [{"field": "until", "title": "week to"}, {"field": "period"}, {"field": "count"}]
    colour = {
        "field": "period", "type": "nominal",
        "scale": {"domain": periods, "range": [BLUE, GREY]},
        "legend": legend,
    }  # fmt: skip
    y = number("count", axis=axis(tickCount=4, tickMinStep=1, domain=False), scale={"domainMin": 0})
    base = {"x": x, "y": y, "color": colour, "tooltip": tooltip}
    dash = {
        "field": "period", "type": "nominal", "scale": {"domain": periods, "range": [[1, 0], [4, 4]]}, "legend": legend,
    }  # fmt: skip
    return chart(
        layer=[
            {"mark": {"type": "line", "strokeWidth": 2}, "encoding": {**base, "strokeDash": dash}},
            {
                "transform": [{"filter": f"datum.period === '{periods[0]}'"}],
                "mark": {"type": "point", "filled": True, "size": 36, "opacity": 1}, "encoding": base,
            },
        ],
    )  # fmt: skip


def _cohorts() -> Spec:
    y = by("month") | {
        "sort": {"field": "order", "op": "min", "order": "descending"}, "axis": axis(domain=False, labelColor=INK)
    }  # fmt: skip
    x = {
        "field": "since", "type": "ordinal",
        "axis": axis(title="whole months since joining", orient="top", labelAngle=0, domain=False),
    }  # fmt: skip
    rate = number("rate", scale={"range": HEAT, "domainMin": 0}, legend=None)
    ink = {"condition": {"test": "datum.rate > 0.55 * datum.most", "value": "#ffffff"}, "value": "#16222e"}
    tooltip = [
        {"field": "month", "title": "joined in"}, {"field": "referrals"}, {"field": "qualified"},
        {"field": "rate", "format": ".1%"}, {"field": "growing", "title": "can still grow"},
    ]  # fmt: skip
    return chart(
        transform=[{"joinaggregate": [{"op": "max", "field": "rate", "as": "most"}]}],
        encoding={"x": x, "y": y},
        layer=[
            {
                "mark": {"type": "rect", "cornerRadius": 3, "stroke": "var(--card)", "strokeWidth": 2},
                "encoding": {"color": rate, "tooltip": tooltip},
            },
            {"mark": {"type": "text"}, "encoding": {"text": {"field": "label"}, "color": ink}},
        ],
    )  # fmt: skip


def _waterfall() -> Spec:
    colour = {
        "field": "kind", "type": "nominal", "legend": None,
        "scale": {"domain": ["balance", "up", "down"], "range": [BLUE, ORANGE, GREEN]},
    }  # fmt: skip
    names = axis(labelAngle=0, labelColor=INK, labelExpr="split(datum.label, ' ')", domain=False)
    x = by("step") | {"axis": names, "scale": {"paddingInner": 0.3, "paddingOuter": 0.15}}
    axis_y = axis(tickCount=4, domain=False, labelExpr=SHORT)
    return chart(
        encoding={"x": x},
        layer=[
            {
                "mark": {"type": "bar", "cornerRadius": 2, "minBandSize": 2},
                "encoding": {"y": number("from", axis=axis_y), "y2": {"field": "to"}, "color": colour},
            },
            {
                "mark": {"type": "text", "dy": -7, "fontSize": 10.5},
                "encoding": {"y": number("top"), "text": {"field": "label"}},
            },
        ],
    )  # fmt: skip


def _ageing() -> Spec:
    kinds = ["known age", "at least this old"]
    colour = {"field": "known", "type": "nominal", "scale": {"domain": kinds, "range": [BLUE, GREY]}}
    x = {
        "field": "bucket", "type": "nominal",
        "scale": {"domain": ["0-7", "8-30", "31-60", "61-90", "over 90"], "paddingInner": 0.3},
        "axis": axis(labelAngle=0, labelColor=INK, domain=False),
    }  # fmt: skip
    y = number("value", axis=axis(tickCount=4, domain=False, labelExpr=SHORT), stack="zero")
    tooltip = [
        {"field": "bucket", "title": "days"},
        {"field": "known", "title": "age"},
        {"field": "label", "title": "owed"},
    ]
    bar = {"type": "bar", "cornerRadiusEnd": 2}
    return chart(mark=bar, encoding={"x": x, "y": y, "color": colour, "tooltip": tooltip})


def _interval() -> Spec:
    y = by("campaign") | {"axis": axis(domain=False, labelColor=INK, labelFontSize=11.5)}
    x = {"axis": axis(tickCount=4, domain=False, labelExpr=SHORT), "scale": {"zero": True, "padding": 18}}
    colour = {
        "field": "within", "type": "nominal", "scale": {"domain": ["within", "outside"], "range": [BLUE, ORANGE]},
        "legend": None,
    }  # fmt: skip
    shape = {
        "field": "within", "type": "nominal",
        "scale": {"domain": ["within", "outside"], "range": ["circle", "diamond"]},
        "legend": None,
    }  # fmt: skip
    return chart(
        encoding={"y": y},
        layer=[
            {
                "mark": {"type": "rule", "strokeWidth": 5, "opacity": 0.4, "strokeCap": "round", "color": BLUE},
                "encoding": {"x": number("low", **x), "x2": {"field": "high"}},
            },
            {
                "mark": {"type": "point", "filled": True, "size": 90, "opacity": 1},
                "encoding": {"x": number("point"), "color": colour, "shape": shape},
            },
            {
                "mark": {"type": "text", "dy": -11, "fontSize": 10.5},
                "encoding": {"x": number("point"), "text": {"field": "label"}},
            },
        ],
    )  # fmt: skip


def _parts() -> Spec:
    parts = ["Used", "Expired", "Withdrawn", "Unused, owed"]
    y = by("campaign") | {"axis": axis(domain=False, labelColor=INK, labelFontSize=12)}
    colour = {"field": "part", "type": "nominal", "scale": {"domain": parts, "range": [GREEN, GREY, LINE, ORANGE]}}
    x = number("value", stack="zero", axis=axis(tickCount=4, domain=False, labelExpr=SHORT))
    tooltip = [{"field": "campaign"}, {"field": "part"}, {"field": "label", "title": "value"}]
    order = {"field": "part_order", "type": "ordinal"}
    bar = {"type": "bar", "height": {"band": 0.6}}
    return chart(mark=bar, encoding={"x": x, "y": y, "color": colour, "order": order, "tooltip": tooltip})


def _coupons() -> Spec:
    states = ["used", "outstanding", "deleted unused"]
    colour = {"field": "state", "type": "nominal", "scale": {"domain": states, "range": [GREEN, BLUE, GREY]}}
    x = by("month") | {
        "axis": axis(labelAngle=0, domain=False, labelExpr="split(datum.label, ' ')", labelOverlap=True),
        "scale": {"paddingInner": 0.3},
    }  # fmt: skip
    y = number("count", stack="zero", axis=axis(tickCount=4, domain=False, tickMinStep=1))
    order = {"field": "state_order", "type": "ordinal"}
    tooltip = [{"field": "month"}, {"field": "state"}, {"field": "count"}]
    return chart(mark="bar", encoding={"x": x, "y": y, "color": colour, "order": order, "tooltip": tooltip})


def _runs() -> Spec:
    states = ["done", "running", "failed", "interrupted"]
    colour = {"field": "status", "type": "nominal", "scale": {"domain": states, "range": [BLUE, GREEN, ORANGE, GREY]}}
    x = {"field": "run", "type": "ordinal", "axis": None, "scale": {"paddingInner": 0.25}}
    y = number("calls", axis=axis(title="calls", tickCount=3, domain=False, tickMinStep=1))
    tooltip = [{"field": "at", "title": "started"}, {"field": "calls"}, {"field": "status"}]
    bar = {"type": "bar", "cornerRadiusEnd": 2}
    return chart(mark=bar, encoding={"x": x, "y": y, "color": colour, "tooltip": tooltip})
