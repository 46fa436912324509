"""The checks of the funnel, of rates and of changed days, on more kinds of damage than one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.warehouse.built_draft import BuiltDraft, built
from tests.warehouse.planted_damage import CLOSED_DAY, FIRST, SECOND, SOUND

FUNNEL, PERFORMANCE = "update marts.referral_funnel set ", "update marts.campaign_performance set "
COUNTS = "{} as first_published_count, {} as change_count, {} as current_count"
RIGHT = CLOSED_DAY + COUNTS.format(0, 1, 1)
TWICE = "insert into marts.period_changes by name select * replace ('date changed' as reason) from marts.period_changes"


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BuiltDraft]:
    with built(tmp_path_factory.mktemp("people"), SOUND, [FIRST, SECOND]) as draft:
        yield draft


def test_a_changed_day_that_adds_up_is_no_violation(sound: BuiltDraft) -> None:
    assert set(sound.counts(RIGHT, only="fail_").values()) == {0}


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("fail_period_changes_add_up", CLOSED_DAY + COUNTS.format(2, 1, 3)),
        ("fail_period_changes_add_up", CLOSED_DAY + COUNTS.format(1, 0, 1)),
        ("fail_period_changes_add_up", CLOSED_DAY + COUNTS.format(-1, 2, 1)),
        ("fail_period_changes_add_up", RIGHT + "; " + TWICE),
        ("fail_keys_marts", 2 * (RIGHT + "; ")),
        ("fail_funnel_grows", FUNNEL + "stage_count = 2 where stage = 'rewarded referrers'"),
        ("fail_funnel_grows", FUNNEL + "previous_count = 9 where stage = 'qualified'"),
        ("fail_funnel_grows", FUNNEL + "share_of_first = 1.01 where stage = 'qualified'"),
        ("fail_funnel_grows", FUNNEL + "share_of_previous = 0.5 where stage = 'issued'"),
        ("fail_rates_out_of_bounds", PERFORMANCE + "user_participation_rate = 1.01"),
        ("fail_rates_out_of_bounds", PERFORMANCE + "mature_referrals_count = referrals_count + 1"),
        ("fail_rates_out_of_bounds", PERFORMANCE + "uninvited_users_count = 0"),
    ],
)  # fmt: skip
def test_check_detects_each_damage(name: str, damage: str, sound: BuiltDraft) -> None:
    assert sound.counts(damage, only=name)[name] > 0
