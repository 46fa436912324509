"""What a campaign or a user is recognised by is the same in a row of the API and in a stored one."""

from __future__ import annotations

from typing import Any

import pytest

from referral_warehouse.load.guards.marks import campaign_marks, user_marks


def test_a_row_of_the_api_and_its_stored_row_have_the_same_marks() -> None:
    listed = {"id": 4, "campaign_id": "7", "code": 12, "email": " ann@example.com ", "first_name": "Ann"}
    stored = {"campaign_id": 7, "code": "12", "email": "ann@example.com"}
    assert user_marks(listed) == user_marks(stored) == {"7 code 12", "7 email ann@example.com"}


@pytest.mark.parametrize(
    ("row", "marks"),
    [
        ({"code": "c", "url": "https://example.com"}, {"code c", "url https://example.com"}),
        ({"code": None, "url": " "}, set()),
        ({}, set()),
        ({"code": "same", "url": "same"}, {"code same", "url same"}),
    ],
    ids=["both", "empty", "absent", "equal"],
)
def test_only_texts_that_are_there_are_marks(row: dict[str, Any], marks: set[str]) -> None:
    assert campaign_marks(row) == marks
