"""A name that is not a setting is never ignored: an error names it and the setting that was probably meant."""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from referral_warehouse.errors import ConfigurationError
from referral_warehouse.load.registry import STREAMS
from referral_warehouse.settings import load_settings
from referral_warehouse.settings.table import SECTIONS, SOURCE, TABLE, Setting
from referral_warehouse.settings.unknown_names import STREAM_NAMES

NOWHERE = Path("/nonexistent")
NAMES = {setting.name for setting in TABLE}
LETTERS = "abcdefghijklmnopqrstuvwxyz_"


def load(folder: Path = NOWHERE, /, **environ: str) -> None:
    load_settings(environ=environ, folder=folder, home=NOWHERE)


def write(folder: Path, text: str) -> Path:
    path = folder / ".dlt" / "config.toml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


@st.composite
def misspelt(draw: st.DrawFn) -> tuple[Setting, str]:
    """A setting, and its key with one mistake: a letter too many, too few, another one, two exchanged, or a case."""
    setting = draw(st.sampled_from(TABLE))
    key, letter = setting.key, draw(st.sampled_from(LETTERS))
    at = draw(st.integers(1, len(key) - 1))
    wrong = draw(
        st.sampled_from([
            key[:at] + letter + key[at:], key[:at] + key[at + 1 :], key[:at] + letter + key[at + 1 :],
            key[: at - 1] + key[at] + key[at - 1] + key[at + 1 :], key.replace("_", "-"), key + "s", key.title(),
        ])
    )  # fmt: skip
    return setting, wrong


@settings(deadline=None)
@given(misspelt())
def test_a_misspelt_key_is_refused_with_the_right_one(mistake: tuple[Setting, str]) -> None:
    setting, key = mistake
    own = SECTIONS[setting.section]
    variable = setting.name.replace(setting.key.upper(), key.upper())
    if variable not in NAMES:
        with pytest.raises(ConfigurationError) as refused:
            load(**{variable: "1"})
        assert f"{variable} in the environment is not a setting (did you mean {setting.name}?)" in refused.value.message
    if key not in own:
        with TemporaryDirectory() as folder:
            path = write(Path(folder), f"\n[{'.'.join(setting.section)}]\n{json.dumps(key)} = 1\n")
            with pytest.raises(ConfigurationError) as refused:
                load(Path(folder))
        assert f"did you mean {setting.key} in [{'.'.join(setting.section)}]?" in refused.value.message
        assert f"{path}, line 3, column " in refused.value.message


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("SOURCES__REFERRAL_FACTORY__CALLS_PER_MIN", "SOURCES__REFERRAL_FACTORY__CALLS_PER_MINUTE"),
        ("PUBLISH__PERSONAL", "WAREHOUSE__PUBLISH_PERSONAL"),
        ("feeds__have_personal", "WAREHOUSE__FEEDS_HAVE_PERSONAL"),
        ("WAREHOUSE__DIRECTORY", "WAREHOUSE__DIR"),
        ("WAREHOUSE__API_TOKEN", "SOURCES__REFERRAL_FACTORY__API_TOKEN"),
        ("WAREHOUSE__REWARD_UNITS__CASH", "WAREHOUSE__REWARD_UNITS"),
        ("warehouse__dir", "WAREHOUSE__DIR"),
        ("Sources__Referral_Factory__concurrency", "SOURCES__REFERRAL_FACTORY__CONCURRENCY"),
        ("SOURCES__REFERAL_FACTORY__API_TOKEN", "SOURCES__REFERRAL_FACTORY__API_TOKEN"),
        ("SOURCE__REFERRAL_FACTORY__API_TOKEN", "SOURCES__REFERRAL_FACTORY__API_TOKEN"),
        ("SOURCES__REFERRAL__FACTORY__API_TOKEN", "SOURCES__REFERRAL_FACTORY__API_TOKEN"),
        ("SOURCES__REFERRAL_FACTORY_API_TOKEN", "SOURCES__REFERRAL_FACTORY__API_TOKEN"),
        ("REFERRAL_FACTORY__BASE_URL", "SOURCES__REFERRAL_FACTORY__BASE_URL"),
        ("WAREHOUSES__DIR", "WAREHOUSE__DIR"),
        ("SOURCE__REFERRAL_FACTORY__CALLS_PER_MIN", "SOURCES__REFERRAL_FACTORY__CALLS_PER_MINUTE"),
    ],
)
def test_the_nearest_name_of_a_variable(name: str, nearest: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        load(**{name: "x"})
    assert refused.value.message == f"{name} in the environment is not a setting (did you mean {nearest}?)."
    load(**{name: "  "})  # empty values count as absent


def test_a_name_that_resembles_nothing_is_refused_without_a_suggestion() -> None:
    with pytest.raises(ConfigurationError, match=r"WAREHOUSE__XQZ in the environment is not a setting\. Nothing"):
        load(WAREHOUSE__XQZ="1")


def test_a_name_that_may_belong_to_another_program_is_a_warning() -> None:
    warnings = load_settings({"WAREHOUSE_DIR": "/srv", "WAREHOUSE_PORT": "tcp://10.0.0.1"}, NOWHERE, NOWHERE).warnings
    assert warnings == ("WAREHOUSE_DIR in the environment is not a setting (did you mean WAREHOUSE__DIR?)",)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[publish]\npersonal = false", "is not a setting (did you mean publish_personal in [warehouse]?)"),
        (
            "[sources.referral_factory]\ncalls_per_min = 60",
            "'calls_per_min' in [sources.referral_factory] (PATH, line 2",
        ),
        ("[warehouse]\ndir = 'x'\n  directory = 'y'", "'directory' in [warehouse] (PATH, line 3, column 3)"),
        ("warehouse.directory = 'y'", "'directory' in [warehouse] (PATH, line 1, column 11)"),
        ("[Warehouse]\ndir = 'y'", "[Warehouse] (PATH, line 1, column 2) is not a setting (did you mean [warehouse]?)"),
        ("[sources.referral-factory]\nconcurrency = 1", "did you mean [sources.referral_factory]?"),
        ("[source.referral_factory]\nconcurrency = 1", "did you mean [sources.referral_factory]?"),
        ("[source.referral_factory]\ncalls_per_min = 1", "did you mean [sources.referral_factory]?"),
        ("[warehous]\nkeep_snapshot = 1", "did you mean [warehouse]?"),
        ("[referral_factory]\napi_token = 'x'", "did you mean [sources.referral_factory]?"),
        ("[warehouse.dirs]\nx = 1", "did you mean dir in [warehouse]?"),
        ("[warehouse]\nconcurrency = 4", "did you mean concurrency in [sources.referral_factory]?"),
    ],
)
def test_the_nearest_name_of_a_file(tmp_path: Path, text: str, words: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(ConfigurationError) as refused:
        load(tmp_path)
    assert words.replace("PATH", str(path)) in refused.value.message


def test_many_unknown_names_are_one_bounded_line() -> None:
    with pytest.raises(ConfigurationError, match=r"XQZ10 in .* not a setting\. There are 97 more\. Nothing") as refused:
        load(**{f"WAREHOUSE__XQZ{number}": "1" for number in range(100)})
    assert len(str(refused.value)) < 500


@pytest.mark.parametrize(
    "name",
    [
        "SOURCES__REFERRAL_FACTORY__MAX_TABLE_NESTING",
        "SOURCES__REFERRAL_FACTORY__SCHEMA_CONTRACT",
        "SOURCES__REFERRAL_FACTORY__USERS__WRITE_DISPOSITION",
        "SOURCES__REFERRAL_FACTORY__DATA_WRITER__FILE_MAX_ITEMS",
        "SOURCES__ANOTHER__API_TOKEN",
        "SOURCES__API_TOKEN",
        "SOURCES__REFERRAL_FACTORY_2__SPREADSHEET",
        "SOURCES__MAX_TABLE_NESTING",
        "REFERRALS__SOURCES__REFERRAL_FACTORY__API_TOKEN",
        "WAREHOUSE__NORMALIZE__WORKERS",
        "WAREHOUSE__DESTINATION__DUCKDB__CREDENTIALS",
        "DESTINATION__WAREHOUSE__CREDENTIALS",
        "RUNTIME__LOG_LEVEL",
        "NORMALIZE__WORKERS",
        "DIR",
        "API_TOKEN",
    ],
)
def test_names_of_dlt_and_of_other_programs_are_left_alone(tmp_path: Path, name: str) -> None:
    load(**{name: "1"})
    *tables, key = name.lower().split("__")
    write(tmp_path, f"[{'.'.join(tables)}]\n{key} = 1" if tables else f"{key} = 1")
    load(tmp_path)


def test_the_streams_that_dlt_configures_are_those_of_the_source() -> None:
    assert tuple(STREAMS) == STREAM_NAMES


def test_no_value_is_part_of_the_message(tmp_path: Path) -> None:
    write(tmp_path, "[sources.referral_factory]\napi_tokn = 'tok-planted-7711'")
    with pytest.raises(ConfigurationError) as refused:
        load(tmp_path, SOURCES__REFERRAL_FACTORY__TOKEN="tok-planted-7711")
    assert "tok-planted-7711" not in str(refused.value)
    assert str(refused.value).count("did you mean") == 2
    assert SOURCE in SECTIONS
