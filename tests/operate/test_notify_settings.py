"""The section ``[notify]``: read like all settings, checked before anything happens, and never shown."""

from __future__ import annotations

import pickle
import re
import sys
from pathlib import Path

import pytest

from referral_warehouse.errors import ConfigurationError
from referral_warehouse.redaction import redact
from referral_warehouse.settings import Settings
from referral_warehouse.settings.notify import EVENTS, NotifySettings, load_notify_settings, scheme_of
from referral_warehouse.settings.table import NOTIFY, SECTIONS
from tests.documentation import PAGES, section, table_rows
from tests.fences import fences_of
from tests.operate.conftest import Run

SECRET = "hooks-8d1f6c0b2a99"


def load(folder: Path, home: Path | None = None, /, **environ: str) -> NotifySettings:
    given = {"PATH": "/usr/bin:/bin", **environ}
    return load_notify_settings(given, folder, folder if home is None else home)


def write(folder: Path, text: str) -> None:
    (folder / ".dlt").mkdir(parents=True)
    (folder / ".dlt" / "config.toml").write_text(text)


def test_nothing_is_sent_without_settings(tmp_path: Path) -> None:
    assert load(tmp_path) == NotifySettings()
    assert not load(tmp_path).has_receiver


def test_all_values_are_read_from_a_file_and_from_the_environment(tmp_path: Path) -> None:
    write(
        tmp_path,
        '[notify]\nurl = "https://example.com/x"\nping_url = "http://example.com:80/p?create=1"\n'
        'events = ["checks", "failure"]\ntimeout_s = 9',
    )
    found = load(tmp_path, NOTIFY__URL='"https://example.org/y"', NOTIFY__COMMAND="sh -c 'cat > \"$HOME/x\"'")
    assert found.url is not None
    assert found.ping_url is not None
    assert (found.url.reveal(), found.ping_url.reveal()) == (
        "https://example.org/y",
        "http://example.com:80/p?create=1",
    )
    assert (found.command, found.events, found.timeout_s) == (("sh", "-c", 'cat > "$HOME/x"'), ("failure", "checks"), 9)
    assert load(tmp_path, NOTIFY__EVENTS="stale, strikes").events == ("stale", "strikes")


@pytest.mark.parametrize("key", ["URL", "PING_URL"])
@pytest.mark.parametrize(
    "value",
    ["example.com/x", "ftp://example.com/x", "https:///", "https:///x", "http://example.com:99999/x", "https://a b/",
     "http://exa\\mple.com", "https://example.com:0/", "https://exämple.com/", "javascript:alert(1)", "http://[::1/x",
     "https://example.com/x#part", "https://example.com/" + "x" * 2048, "file:///etc/passwd", "mailto:me@example.com"],
)  # fmt: skip
def test_what_is_not_an_address_is_refused_without_showing_it(tmp_path: Path, key: str, value: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        load(tmp_path, None, **{f"NOTIFY__{key}": value})
    assert f"NOTIFY__{key} is not an address of http or https" in str(refused.value)
    assert value not in str(refused.value)
    assert refused.value.exit_code == 2


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("COMMAND", "no-such-program-7 --x", "names 'no-such-program-7', which is not a program"),
        ("COMMAND", "sh -c 'oops", "quotation mark that is not closed"),
        ("COMMAND", "'' x", "names '', which is not a program"),
        (
            "EVENTS",
            "failure,sunrise",
            "names 'sunrise', which is not an event. Nothing was changed. Next: Choose from fail",
        ),
        ("EVENTS", ",", "which is not an event"),
        ("TIMEOUT_S", "0", "between 1 and 60"),
        ("TIMEOUT_S", "soon", "whole number"),
    ],
)
def test_other_values_that_mean_nothing_are_refused(tmp_path: Path, name: str, value: str, words: str) -> None:
    with pytest.raises(ConfigurationError, match=re.escape(words)):
        load(tmp_path, None, **{f"NOTIFY__{name}": value})


def test_a_command_is_never_taken_from_a_folder_that_somebody_else_may_have_written(tmp_path: Path) -> None:
    here, home = tmp_path / "here", tmp_path / "home"
    write(here, '[notify]\ncommand = "true"')
    with pytest.raises(ConfigurationError, match="somebody else may have written that file"):
        load(here, home)
    write(home, '[notify]\ncommand = "true"')
    assert load(tmp_path, home).command == ("true",)
    assert load(here, home, NOTIFY__COMMAND="cat").command == ("cat",)


def test_an_address_is_masked_whole_and_in_its_secret_parts(tmp_path: Path) -> None:
    url = f"https://me:{SECRET}@example.com/services/{SECRET}1/x?key={SECRET}2&a=b"
    settings = load(tmp_path, NOTIFY__URL=url)
    assert SECRET not in repr(settings)
    for text in (url, f"at {SECRET} or {SECRET}1", f"{SECRET}2"):
        assert SECRET not in redact(text)
    assert redact("services of example.com") == "services of example.com"
    with pytest.raises(TypeError):
        pickle.dumps(settings.url)


def test_addresses_of_apprise_are_a_list_and_masked_in_every_part(tmp_path: Path) -> None:
    urls = [f"slack://{SECRET[:9]}/B1H9RESGL/{SECRET}", "json://me:pass%20w@localhost:8080/hooks/abc%2Fdef-12",
            f"tgram://{SECRET}X/1234?format=text", "mailto://user:secretword@example.com"]  # fmt: skip
    found = load(tmp_path, NOTIFY__APPRISE_URLS=" \n".join(urls)).apprise_urls
    assert [url.reveal() for url in found] == urls
    write(tmp_path, f"[notify]\napprise_urls = {urls}")
    assert [url.reveal() for url in load(tmp_path).apprise_urls] == urls
    assert load(tmp_path).has_receiver
    for text in (*urls, SECRET[:9], "B1H9RESGL", f"{SECRET}X", "pass%20w", "abc/def-12", "secretword"):
        assert redact(f"at {text}!") == "at ***!"
    assert redact("localhost or example.com") == "localhost or example.com"


@pytest.mark.parametrize(
    "value", ["example.com/x", "slack:///x", "two words", "ü://x", "slack://x\x00", "x" * 3000 + "://y"]
)
def test_what_is_not_an_address_of_apprise_is_refused_without_showing_it(tmp_path: Path, value: str) -> None:
    with pytest.raises(ConfigurationError, match="NOTIFY__APPRISE_URLS: address 2 is not one of Apprise") as refused:
        load(tmp_path, NOTIFY__APPRISE_URLS=f"json://localhost {value}")
    assert value not in str(refused.value)


def test_wrong_settings_end_every_writing_command_with_2_and_touch_nothing(referrals: Run, settings: Settings) -> None:
    for command in ("sync", "load", "build", "publish", "status"):
        done = referrals(command, NOTIFY__URL="ftp://example.com/hook")
        assert done.code == 2
        [line] = done.err.splitlines()
        assert "NOTIFY__URL is not an address" in line
    assert not settings.warehouse_dir.exists()


def test_the_table_of_settings_has_the_defaults_and_the_documentation_the_events() -> None:
    assert {key: setting.kind.default for key, setting in SECTIONS[NOTIFY].items()} == {
        "url": None, "ping_url": None, "command": None, "apprise_urls": None,
        "events": ",".join(NotifySettings().events), "timeout_s": NotifySettings().timeout_s,
    }  # fmt: skip
    assert [row[0].strip("`") for row in table_rows(section("docs/monitoring.md", "Events"))] == list(EVENTS)


def test_the_examples_of_the_documentation_are_read(tmp_path: Path) -> None:
    addresses, services = (fence.text for fence in fences_of(PAGES["docs/monitoring.md"]) if fence.info == "toml")
    write(tmp_path / "a", addresses)
    found = load(tmp_path / "a")
    assert found.url is not None
    assert found.ping_url is not None
    write(tmp_path / "b", services)
    assert [scheme_of(url) for url in load(tmp_path / "b").apprise_urls] == ["slack", "mailto"]


def test_an_unset_section_needs_no_program_on_the_path(tmp_path: Path) -> None:
    assert load_notify_settings({"PATH": "", "NOTIFY__COMMAND": sys.executable}, tmp_path, tmp_path).command
