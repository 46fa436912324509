"""The settings of settlement and expiry: read from TOML and the environment, or refused in one line."""

from __future__ import annotations

from pathlib import Path

import pytest

from referral_warehouse.errors import ConfigurationError
from referral_warehouse.settings import Settings, load_settings

ON, DAYS = "WAREHOUSE__SETTLES_ON", "WAREHOUSE__EXPIRES_AFTER_DAYS"


def load(folder: Path, **environ: str) -> Settings:
    return load_settings(environ=environ, folder=folder, home=folder / "no home")


def test_they_are_read_from_toml_and_from_the_environment(tmp_path: Path) -> None:
    (tmp_path / ".dlt").mkdir()
    (tmp_path / ".dlt" / "config.toml").write_text(
        '[warehouse.settles_on]\n"Store credit" = "Use"\nEUR = "issue"\n'
        '[warehouse.expires_after_days]\n"Store credit" = 365\n',
        encoding="utf-8",
    )
    settings = load(tmp_path)
    assert settings.settles_on == (("EUR", "issue"), ("Store credit", "use"))
    assert settings.expires_after_days == (("Store credit", 365),)
    other = load(tmp_path, **{ON: '{" points ": "use"}', DAYS: '{"points": 1}'})
    assert (other.settles_on, other.expires_after_days) == ((("points", "use"),), (("points", 1),))
    assert load(tmp_path / "nowhere").settles_on == ()


@pytest.mark.parametrize(
    ("on", "days", "words"),
    [
        ("use", "{}", f"{ON} is not a table of units"),
        ('["use"]', "{}", f"{ON} is not a table of units"),
        ('{"a": "later"}', "{}", "must be issue or use for 'a', not 'later'"),
        ('{"a": 1}', "{}", "must be issue or use for 'a'"),
        ('{" ": "use"}', "{}", "an entry without a unit"),
        ('{"percent": "use"}', "{}", "cannot be use for percent"),
        ('{"a": "use", "a ": "issue"}', "{}", "'a' twice, with 'use' and 'issue'"),
        ('{"a": "use", "a": "issue"}', "{}", "'a' twice, with 'use' and 'issue'"),
        ('{"a": "use"}', '{"a": 0}', f"{DAYS} must be a whole number of days, from 1 to 36600, for 'a'"),
        ('{"a": "use"}', '{"a": true}', "must be a whole number of days"),
        ('{"a": "use"}', '{"a": 1.5}', "must be a whole number of days"),
        ('{"a": "use"}', '{"a": 36601}', "must be a whole number of days"),
        ('{"a": "use"}', '{"a": "9"}', "must be a whole number of days"),
        ('{"a": "use"}', '{"a": 1, "a": 2}', "'a' twice, with 1 and 2"),
        ('{"a": "issue"}', '{"a": 1}', "has days for 'a', whose rewards are settled when they are issued"),
        ("{}", '{"a": 1}', "has days for 'a', whose rewards are settled when they are issued"),
    ],
)
def test_what_makes_no_sense_is_refused(on: str, days: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as refused:
        load(tmp_path, **{ON: on, DAYS: days})
    assert words in str(refused.value)
    assert "\n" not in str(refused.value)
