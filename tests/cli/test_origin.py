"""Where the data of a directory comes from: recorded by loads only, and restored after damage."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from referral_warehouse.cli.directory_state import refuse_mixing, remember_origin
from referral_warehouse.errors import ConfigurationError
from referral_warehouse.settings import Settings
from tests.damage.damages import CONTENT, KINDS

VENDOR, HERE = "https://referral-factory.com/api/v1", "http://127.0.0.1:9/api/v1"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A directory that was filled from the vendor."""
    found = Settings(warehouse_dir=tmp_path, base_url=VENDOR)
    found.state_dir.mkdir()
    refuse_mixing(found)
    found.load_path.write_bytes(b"loaded")
    return found


def origin(settings: Settings) -> Path:
    return settings.state_dir / "origin"


def test_the_other_side_is_refused(settings: Settings) -> None:
    refuse_mixing(settings)
    with pytest.raises(ConfigurationError, match="holds data of the vendor"):
        refuse_mixing(replace(settings, base_url=HERE))


@pytest.mark.parametrize("name", [*CONTENT, *KINDS])
def test_a_damaged_origin_is_written_anew_by_a_load_and_by_nothing_else(settings: Settings, name: str) -> None:
    (CONTENT | KINDS)[name](origin(settings))
    refuse_mixing(settings)
    refuse_mixing(replace(settings, base_url=HERE))
    remember_origin(settings)
    assert origin(settings).read_text("utf-8") == "the vendor"
    with pytest.raises(ConfigurationError, match="holds data of the vendor"):
        refuse_mixing(replace(settings, base_url=HERE))


@pytest.mark.parametrize("name", [name for name in KINDS if name != "missing"])
def test_something_else_in_the_place_of_the_load_file_is_refused_first(settings: Settings, name: str) -> None:
    KINDS[name](settings.load_path)
    with pytest.raises(ConfigurationError, match="not the load file") as refused:
        refuse_mixing(settings)
    assert str(settings.load_path) in refused.value.next_step
