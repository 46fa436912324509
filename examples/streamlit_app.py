"""A small dashboard on the published warehouse, as a starting point for your own.

    pip install streamlit duckdb
    WAREHOUSE_FILE=data/warehouse.duckdb streamlit run examples/streamlit_app.py

Each rerun opens the file read-only and closes it again, so that it shows the newest snapshot. Amounts stay ``Decimal``;
values of different units are never added.
"""

from __future__ import annotations

import os
from typing import Any

import duckdb
import streamlit as st

FILE = os.environ.get("WAREHOUSE_FILE", "data/warehouse.duckdb")
CAMPAIGNS = "select campaign_id, campaign_name from marts.campaign_performance order by campaign_name, campaign_id"
FUNNEL = """
select journey, stage, stage_count
from marts.referral_funnel
where campaign_id = $campaign
order by stage_order
"""
OWED = """
select unit, sum(owed_count) as owed_count, sum(owed_value) as owed_value, max(age_days_count) as oldest_days
from marts.reward_liability
where campaign_id = $campaign
group by unit
order by unit
"""
WEEKS = """
select date_trunc('week', day_on) as week_on, sum(new_referrals_count) as referrals_count
from marts.referral_funnel_daily
where campaign_id = $campaign
group by all
order by week_on
"""


def rows(connection: duckdb.DuckDBPyConnection, query: str, **values: Any) -> list[dict[str, Any]]:
    """The rows of a query, by column."""
    found = connection.execute(query, values) if values else connection.execute(query)
    names = [column[0] for column in found.description or []]
    return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


st.set_page_config(page_title="Referrals", layout="wide")
st.title("Referrals")
try:
    connection = duckdb.connect(FILE, read_only=True)
except duckdb.Error as error:
    st.error(f"{FILE} cannot be read: {error}. Set WAREHOUSE_FILE to the published warehouse, or run `referrals sync`.")
    st.stop()
with connection:
    [freshness] = rows(connection, "select max(observed_at) as observed_at from ops.runs")
    st.caption(f"Data as of {freshness['observed_at']} UTC")
    names = {row["campaign_id"]: row["campaign_name"] for row in rows(connection, CAMPAIGNS)}
    if not names:
        st.info("The account has no campaign yet.")
        st.stop()
    campaign = st.selectbox("Campaign", list(names), format_func=lambda key: f"{names[key]} ({key})")
    left, right = st.columns(2)
    left.subheader("Funnel")
    left.dataframe(rows(connection, FUNNEL, campaign=campaign))
    right.subheader("Owed")
    right.dataframe(rows(connection, OWED, campaign=campaign))
    st.subheader("Referrals by week")
    if weeks := rows(connection, WEEKS, campaign=campaign):
        st.bar_chart(weeks, x="week_on", y="referrals_count")
