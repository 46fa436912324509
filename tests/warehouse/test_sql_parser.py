"""What a SQL text reads and the comments of its columns, also where strings and names look like something else."""

from __future__ import annotations

import pytest

from referral_warehouse.warehouse.sql_parser import read_sql

SCHEMAS = frozenset({"core", "raw"})


@pytest.mark.parametrize(
    ("text", "reads"),
    [
        ("select 1 from core.users", {"core.users"}),
        ('select 1 from "core"."Users", raw.rewards', {"core.users", "raw.rewards"}),
        ("select ' from core.users ' from raw.rewards", {"raw.rewards"}),
        ("select 1 -- from core.users\nfrom raw.rewards", {"raw.rewards"}),
        ("select $$ from core.users $$, 'it''s' /* join core.x */ from raw.rewards", {"raw.rewards"}),
        ("select core.name from other.users", set()),
        ("select 'é…' as \"ü\" FROM Core.Users", {"core.users"}),
    ],
)
def test_what_a_text_reads(text: str, reads: set[str]) -> None:
    assert read_sql(text, SCHEMAS)[0] == reads


def test_a_comment_belongs_to_the_column_in_whose_line_it_stands() -> None:
    text = """with final as (
        select
            a.one, -- the first, é
            f(x, y) as "two", /* the second */
            -- of the next
            'a, -- b' as three,
            four -- the last
        from core.users
    )
    select * from final"""
    assert read_sql(text, SCHEMAS)[1] == (
        ("one", "the first, é"), ("two", "the second"), ("three", ""), ("four", "the last"),
    )  # fmt: skip


@pytest.mark.parametrize("text", ["select 'a", 'select "a', "select /* a", "select $$a", "select 'a''"])
def test_what_is_never_closed_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not closed"):
        read_sql(text, SCHEMAS)
