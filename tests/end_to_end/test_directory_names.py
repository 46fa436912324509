"""``WAREHOUSE__DIR`` as people write it: any directory works whatever it is called, or exit 2 says why it cannot."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.end_to_end.day_by_day import DayByDay, published
from tests.sampling import sampled

WORK = [
    "date=2020-05-05",
    "campaign_id=7/email=a@b.example",
    "o'brien \"[x]* {}; --#\\\n\t=",
    "a\u0301\u202e\U0001f600" + "x" * 200,
    "~/~/caf\u00e9",  # the home directory, and a directory called tilde in it
    "-relative/../-relative/./data/",
]
REFUSED = [("50% off", "'%' (U+0025)"), ("really?", "'?' (U+003F)"), (" data", "a space"), ("x" * 256, "256 bytes")]


@pytest.mark.parametrize("name", sampled(WORK, 1), ids=ascii)
def test_a_directory_of_any_name_is_synced_and_keeps_its_history(account: DayByDay, tmp_path: Path, name: str) -> None:
    """As it is moved, or restored from a backup by date."""
    directory = tmp_path / name.removeprefix("~/")
    directory.parent.mkdir(parents=True, exist_ok=True)
    account.copy(directory)
    value = name if name.startswith(("~", "-")) else str(directory)
    for day, server in account.servers.items():
        done = account.sync(server, value, home=tmp_path)
        assert done.returncode == 0, done.stderr
        account.assert_right(directory, day)


@pytest.mark.parametrize(("name", "words"), REFUSED, ids=ascii)
def test_a_directory_that_cannot_work_is_refused_before_anything_is_read_or_made(
    account: DayByDay, tmp_path: Path, name: str, words: str
) -> None:
    server = account.servers[2]
    server.reset_calls()
    done = account.sync(server, name, home=tmp_path)
    assert done.returncode == 2, done.stderr
    assert words in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert server.calls == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.full
def test_a_first_sync_into_a_directory_named_like_a_partition(account: DayByDay, tmp_path: Path) -> None:
    directories = [tmp_path / "plain", tmp_path / "year=2026" / "date=2020-05-05"]
    for directory in directories:
        done = account.sync(account.servers[2], directory)
        assert done.returncode == 0, done.stderr
    assert published(directories[0]) == published(directories[1])
