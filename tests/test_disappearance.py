"""How many records may be gone at once: the rule at its boundaries, and at random."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from referral_warehouse.deletion_limit import Disappearance, refuse_disappearances
from referral_warehouse.errors import MassDisappearance


@pytest.mark.parametrize(
    ("gone", "before", "percent", "is_refused"),
    [
        (0, 0, 20, False),
        (0, 1000, 0, False),
        (20, 100, 20, False),
        (21, 100, 20, True),
        (9, 10, 20, False),
        (10, 49, 20, True),
        (10, 50, 20, False),
        (11, 50, 20, True),
        (4, 4, 20, False),
        (5, 5, 20, True),
        (5, 6, 20, False),
        (9, 100, 0, False),
        (10, 100_000, 0, True),
        (100, 100, 99, True),
        (99, 100, 99, False),
        (1_000_000, 1_000_000, 100, False),
    ],
)
def test_the_boundaries_of_the_share_that_may_be_gone(gone: int, before: int, percent: int, is_refused: bool) -> None:
    assert Disappearance("users", gone, before).exceeds(percent) is is_refused


@given(st.data())
def test_more_gone_is_never_less_of_a_reason_to_refuse(data: st.DataObject) -> None:
    before = data.draw(st.integers(1, 10_000))
    gone = data.draw(st.integers(0, before - 1))
    percent = data.draw(st.integers(0, 100))
    fewer, more = Disappearance("users", gone, before), Disappearance("users", gone + 1, before)
    assert more.exceeds(percent) or not fewer.exceeds(percent)
    assert fewer.exceeds(percent) or not fewer.exceeds(min(100, percent + 1))
    assert not more.exceeds(100)
    if fewer.exceeds(percent):
        assert 100 * gone > percent * before


def test_the_words_name_every_stream_that_lost_too_many_and_no_other() -> None:
    found = [
        Disappearance("users", 1500, 2000),
        Disappearance("coupons", 1, 2000),
        Disappearance("rewards_due", 12, 12, " without having been issued"),
    ]
    with pytest.raises(MassDisappearance) as refused:
        refuse_disappearances(found, 20, "the last publication")
    assert refused.value.exit_code == 5
    assert "users: 1,500 of 2,000 records are gone; rewards_due: 12 of 12 records are gone without having been" in str(
        refused.value
    )
    assert "20 %" in str(refused.value)
    assert "--accept-deletions" in str(refused.value)
    assert "coupons" not in str(refused.value)
