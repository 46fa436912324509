"""Which host the token may be sent to: how a base URL may be spelled, and who may name it for whose token."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from referral_warehouse.errors import ConfigurationError
from referral_warehouse.settings import load_settings
from referral_warehouse.settings.base_url import checked_base_url, is_loopback_url

SOURCE = "SOURCES__REFERRAL_FACTORY__"
OTHER = "https://api.example.com/v1"
PLACES = ("environment", "here/secrets.toml", "here/config.toml", "home/secrets.toml", "home/config.toml")


@pytest.mark.parametrize(
    "host",
    ["localhost", "LOCALHOST", "127.0.0.1", "127.9.9.9", "[::1]", "[::ffff:127.0.0.1]", "[0:0:0:0:0:0:0:1]"],
)
def test_this_machine(host: str) -> None:
    assert is_loopback_url(f"http://{host}:8000/api/v1")
    assert checked_base_url(f"http://{host}:8000/api/v1/").endswith("/api/v1")


@pytest.mark.parametrize(
    "host",
    [
        *("localhost.evil.example", "localhost.", "127.0.0.1.nip.io", "127.0.0.1.", "0.0.0.1", "[::]", "2130706433"),
        *(
            "0x7f000001",
            "0177.0.0.1",
            "127.1",
            "127.0.0.01",
            "[::1%25lo]",
            "[fe80::1%eth0]",
            "１２７.0.0.1",
            "ⓛocalhost",
        ),
        *("127.0.0.1@evil.example", "evil.example#@127.0.0.1", "evil.example\\@127.0.0.1", "[127.0.0.1]", "::1"),
        *("127.0.0.1\t.evil.example", "evil.example\n", "", "[::1", "evil.example:99999", "evil.example:x"),
    ],
)
def test_another_machine_however_it_is_spelled(host: str) -> None:
    with pytest.raises(ConfigurationError, match=f"{SOURCE}BASE_URL"):
        checked_base_url(f"http://{host}/api/v1")


@pytest.mark.parametrize(
    "url",
    [
        *(
            "https://2130706433/v1",
            "https://0x7f.1/v1",
            "https://127.1/v1",
            "https://[::1%25lo]/v1",
            "https://evil .example",
        ),
        *("https://user@evil.example", "https://user:word@evil.example", "https://:@evil.example", "https://é.example"),
        *(
            "https://evil.example:0",
            "https://evil.example?x=1",
            "https://evil.example#x",
            "https://a..b/v1",
            "https://-a.b",
        ),
        *("ftp://evil.example", "//evil.example", "evil.example/v1", "https:/evil.example", "https://", "javascript:1"),
        "https://" + "a" * 3000,
    ],
)
def test_what_is_not_a_plain_address_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError, match=f"{SOURCE}BASE_URL"):
        checked_base_url(url)


@given(st.from_regex(r"https?://[a-zA-Z0-9.:\[\]%@\\#?/_-]{1,30}", fullmatch=True))
def test_both_readers_of_a_url_see_the_same_host(url: str) -> None:
    try:
        accepted = checked_base_url(url)
    except ConfigurationError:
        return
    assert httpx.URL(accepted).scheme == accepted.partition(":")[0].lower()
    assert is_loopback_url(str(httpx.URL(accepted))) == is_loopback_url(accepted)
    assert accepted.lower().startswith("https") or is_loopback_url(accepted)


def _placed(folder: Path, token_in: str, url_in: str, url: str) -> dict[str, str]:
    environ: dict[str, str] = {}
    texts: dict[str, str] = {}
    for place, key, value in ((token_in, "api_token", "tok"), (url_in, "base_url", url)):
        if place == "environment":
            environ[f"{SOURCE}{key.upper()}"] = value
        else:
            texts[place] = texts.get(place, "[sources.referral_factory]\n") + f"{key} = '{value}'\n"
    for place, text in texts.items():
        path = folder / place.replace("/", "/.dlt/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o600)
    return environ


@pytest.mark.parametrize("token_in", PLACES)
@pytest.mark.parametrize("url_in", PLACES)
def test_a_folder_does_not_redirect_a_token_that_is_not_its_own(tmp_path: Path, token_in: str, url_in: str) -> None:
    environ = _placed(tmp_path, token_in, url_in, OTHER)
    if url_in.startswith("here") and not token_in.startswith("here"):
        with pytest.raises(ConfigurationError, match=r"is not sent to api\.example\.com") as refused:
            load_settings(environ=environ, folder=tmp_path / "here", home=tmp_path / "home")
        assert f"set {SOURCE}BASE_URL in the environment" in str(refused.value)
    else:
        assert load_settings(environ=environ, folder=tmp_path / "here", home=tmp_path / "home").base_url == OTHER


@pytest.mark.parametrize(
    ("url", "is_allowed"),
    [
        ("https://referral-factory.com/api/v1", True),
        ("https://API.referral-factory.com:443/api/v1", True),
        ("http://127.0.0.1:8000/api/v1", True),
        ("http://[::1]:8000/api/v1", True),
        ("https://referral-factory.com:444/api/v1", False),
        ("https://evil-referral-factory.com/api/v1", False),
        ("https://referral-factory.com.example.com/api/v1", False),
        ("https://referral-factory.example.com/api/v1", False),
        ("https://127.0.0.1.nip.example.com/", False),
    ],
)
def test_the_vendor_and_this_machine_are_always_allowed(tmp_path: Path, url: str, is_allowed: bool) -> None:
    environ = _placed(tmp_path, "environment", "here/config.toml", url)
    try:
        settings = load_settings(environ=environ, folder=tmp_path / "here", home=tmp_path / "home")
    except ConfigurationError:
        assert not is_allowed
    else:
        assert is_allowed
        assert settings.base_url == url


def test_files_of_the_home_are_ones_own_also_when_it_is_the_working_directory(tmp_path: Path) -> None:
    environ = _placed(tmp_path, "environment", "here/config.toml", OTHER)
    (tmp_path / "home").symlink_to(tmp_path / "here")
    assert load_settings(environ=environ, folder=tmp_path / "here", home=tmp_path / "home").base_url == OTHER
