"""Which paths of settings are taken as they are, what ``~`` means, and which are refused before anything is made."""

from __future__ import annotations

import os
import pwd
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from referral_warehouse.errors import ConfigurationError
from referral_warehouse.settings import load_settings
from referral_warehouse.workspace.directories import UNUSABLE, absolute_path, warehouse_directory

NAME = "WAREHOUSE__DIR"
NAMES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="/\0"), min_size=1, max_size=60)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "home"


@settings(deadline=None, derandomize=True)
@given(NAMES)
def test_a_path_is_taken_exactly_or_refused_with_the_reason(text: str) -> None:
    value = f"/nowhere/{text}"
    if UNUSABLE.keys() & set(text) or value != value.strip() or len(os.fsencode(text)) > 255:
        with pytest.raises(ConfigurationError, match=NAME) as refused:
            warehouse_directory(NAME, value, Path("/"), value)
        assert refused.value.message.isprintable()
    else:
        assert os.fspath(warehouse_directory(NAME, value, Path("/"), value)) == os.fspath(Path(value))


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("/srv/a?b", "'?' (U+003F)"),
        ("/srv/100% data", "'%' (U+0025)"),
        ("/srv/a\0b", "a NUL character"),
        ("/srv/data ", "a space"),
        ("\t/srv/data", "a tab"),
        ("/srv/data\n", "a line break"),
        ("/srv/data\r", "a carriage return"),
        ("/srv/data\u00a0", "NO-BREAK SPACE (U+00A0)"),
        ("/srv/" + os.fsdecode(b"caf\xe9"), "the byte 0xE9, which is not UTF-8"),
        ("/srv/" + "x" * 256, "256 bytes; the file system allows 255"),
        ("/srv/" + "é" * 128, "256 bytes; the file system allows 255"),
        ("/srv" + "/abcdefghi" * 390, "file system allows"),
        ("~nobody-of-this-name/data", "no such home directory is known"),
    ],
)
def test_what_cannot_work_is_refused_and_named(tmp_path: Path, value: str, words: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        load_settings({NAME: value}, tmp_path, tmp_path)
    assert words in refused.value.message
    assert refused.value.message.isprintable()
    assert list(tmp_path.iterdir()) == []


def test_a_tilde_is_a_home_directory(tmp_path: Path, home: Path) -> None:
    def directory(value: str) -> str:
        return str(warehouse_directory(NAME, value, tmp_path, value))

    assert directory("~/warehouse") == f"{home}/warehouse"
    assert directory("~") == str(home)
    account = pwd.getpwuid(os.getuid())
    assert directory(f"~{account.pw_name}/warehouse") == str(Path(account.pw_dir) / "warehouse")
    for literal in ("./~/warehouse", "a/~", "a~b"):
        assert directory(literal) == str(tmp_path / literal)


def test_a_directory_that_an_earlier_version_called_tilde_is_not_left_behind(tmp_path: Path) -> None:
    (tmp_path / "~" / "warehouse").mkdir(parents=True)
    with pytest.raises(ConfigurationError, match="a directory of that very name exists here") as refused:
        warehouse_directory(NAME, "~/warehouse", tmp_path)
    assert "'./~/warehouse'" in refused.value.next_step
    assert warehouse_directory(NAME, "./~/warehouse", tmp_path) == tmp_path / "~" / "warehouse"


def test_a_link_is_refused_for_what_it_leads_to(tmp_path: Path) -> None:
    (tmp_path / "50% off").mkdir()
    (tmp_path / "link").symlink_to("50% off")
    with pytest.raises(ConfigurationError, match=r"'%' \(U\+0025\)") as refused:
        warehouse_directory(NAME, "link", tmp_path)
    assert "leads to" in refused.value.message
    (tmp_path / "loop").symlink_to("loop")
    assert warehouse_directory(NAME, "loop/data", tmp_path) == tmp_path / "loop" / "data"


def test_the_working_directory_counts_where_the_path_is_relative(tmp_path: Path) -> None:
    (tmp_path / "a?b").mkdir()
    with pytest.raises(ConfigurationError, match=r"'\?'"):
        load_settings({}, tmp_path / "a?b", tmp_path)


def test_the_file_of_coupon_names_may_have_any_name(tmp_path: Path, home: Path) -> None:
    name = "SOURCES__REFERRAL_FACTORY__COUPON_NAMES_FILE"
    assert load_settings({name: "~/names.txt"}, tmp_path, tmp_path).coupon_names_file == home / "names.txt"
    assert load_settings({name: "100%?.txt"}, tmp_path, tmp_path).coupon_names_file == tmp_path / "100%?.txt"
    with pytest.raises(ConfigurationError, match="NUL"):
        absolute_path(name, "a\0b", tmp_path)


def test_a_locale_that_cannot_name_the_directory_is_named(tmp_path: Path) -> None:
    code = (
        "from pathlib import Path; from referral_warehouse.workspace.directories import absolute_path\n"
        "from referral_warehouse.errors import ConfigurationError\n"
        "try: absolute_path('WAREHOUSE__DIR', '/srv/caf\\u00e9', Path('/'))\n"
        "except ConfigurationError as e: print(ascii(str(e)))"
    )
    environ = os.environ | {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    done = subprocess.run([sys.executable, "-c", code], env=environ, capture_output=True, text=True, check=True)
    assert "LATIN" in done.stdout or "U+00E9" in done.stdout
    assert "LC_ALL=C.UTF-8" in done.stdout
