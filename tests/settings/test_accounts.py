"""Several accounts in the settings: their names, what each may have of its own, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from referral_warehouse.errors import ConfigurationError
from referral_warehouse.settings import Settings, load_settings
from referral_warehouse.settings.accounts import ACCOUNT_NAME, ACCOUNT_SETTINGS
from referral_warehouse.settings.table import SECTIONS, SOURCE

TWO = {"ACCOUNTS__UK__API_TOKEN": "token-of-uk-1234", "ACCOUNTS__US__API_TOKEN": "token-of-us-1234"}
NOWHERE = Path("/nowhere")


def _load(environ: dict[str, str], account: str | None = None, folder: Path = NOWHERE) -> Settings:
    return load_settings(environ, folder, NOWHERE, account)


def test_each_account_has_its_own_token_and_directory() -> None:
    together = _load({**TWO, "WAREHOUSE__DIR": "/srv/data"})
    assert (together.accounts, together.account, together.api_token) == (("uk", "us"), "", None)
    for name in together.accounts:
        own = _load({**TWO, "WAREHOUSE__DIR": "/srv/data"}, name)
        assert own.account == name
        assert own.api_token is not None
        assert own.api_token.reveal() == f"token-of-{name}-1234"
        assert own.warehouse_dir == Path(f"/srv/data/accounts/{name}")
        assert own.published_dir == own.warehouse_dir
        assert own.together == together


def test_the_files_of_accounts_are_among_those_in_use(tmp_path: Path) -> None:
    """Also of all accounts together, which have no value of theirs."""
    path = tmp_path / ".dlt" / "secrets.toml"
    path.parent.mkdir()
    path.write_text('[accounts.uk]\napi_token = "token-of-uk-1234"\n')
    path.chmod(0o600)
    assert _load({}, folder=tmp_path).files == _load({}, "uk", tmp_path).files == (path,)


def test_what_is_published_of_an_account_is_private() -> None:
    """Readers, deliveries and the lake get all accounts together."""
    shared = {
        **TWO, "WAREHOUSE__DIR": "/srv/data", "WAREHOUSE__PUBLISH_DIR": "/srv/published",
        "WAREHOUSE__DELIVER_TO": "/srv/d",
        "WAREHOUSE__DESTINATIONS": "analytics", "WAREHOUSE__STORAGE": "ducklake",
        "WAREHOUSE__LAKE_CATALOG": "/srv/c.sqlite",
        "WAREHOUSE__LAKE_DATA": "/srv/lake",
    }  # fmt: skip
    together, own = _load(shared), _load(shared, "uk")
    assert (together.published_dir, together.has_lake) == (Path("/srv/published"), True)
    assert (own.publish_dir, own.deliver_to, own.destinations, own.has_lake) == (None, None, (), False)


@pytest.mark.parametrize("key", sorted(SECTIONS[SOURCE].keys() - {"api_token", "api_token_file", "simulated_time"}))
def test_an_account_has_the_shared_value_or_its_own(key: str) -> None:
    row = ACCOUNT_SETTINGS[key]
    values = {
        "base_url": ("https://one.example.com/api", "https://two.example.com/api"), "streams": ("users", "campaigns"),
        "coupon_names_file": ("/one", "/two"), "slice_rows": ("500", "600"), "calls_per_minute": ("100", "200"),
    }  # fmt: skip
    shared, own = values.get(key, ("5", "6"))
    alone = _load({**TWO, row.name: shared}, "uk")
    chosen = _load({**TWO, row.name: shared, f"ACCOUNTS__UK__{key.upper()}": own}, "uk")
    other = _load({**TWO, row.name: shared, f"ACCOUNTS__UK__{key.upper()}": own}, "us")
    assert getattr(alone, row.attribute) == getattr(other, row.attribute)
    assert getattr(chosen, row.attribute) != getattr(alone, row.attribute)


def test_units_may_differ_between_accounts() -> None:
    environ = {**TWO, "WAREHOUSE__REWARD_UNITS": '{"Gift": "EUR"}', "ACCOUNTS__UK__REWARD_UNITS": '{"Gift": "GBP"}'}
    assert _load(environ, "uk").reward_units == (("Gift", "GBP"),)
    assert _load(environ, "us").reward_units == (("Gift", "EUR"),)


def test_toml_tables_are_accounts_too(tmp_path: Path) -> None:
    (tmp_path / ".dlt").mkdir()
    (tmp_path / ".dlt" / "secrets.toml").write_text(
        '[accounts.uk]\napi_token = "token-of-uk-1234"\n\n[accounts.us]\napi_token = "token-of-us-1234"\n'
        'calls_per_minute = 60\n[accounts.us.reward_units]\nGift = "USD"\n'
    )
    (tmp_path / ".dlt" / "secrets.toml").chmod(0o600)
    own = _load({}, "us", tmp_path)
    assert (own.accounts, own.calls_per_minute, own.reward_units) == (("uk", "us"), 60, (("Gift", "USD"),))


def test_a_token_may_be_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("token-of-uk-1234\n")
    own = _load({"ACCOUNTS__UK__API_TOKEN_FILE": str(tmp_path / "token")}, "uk")
    assert own.api_token is not None
    assert own.api_token.reveal() == "token-of-uk-1234"
    assert _load({"ACCOUNTS__UK__CONCURRENCY": "2"}, "uk").api_token is None, "tokens are never shared"


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"ACCOUNTS__US__CALLS_PER_MIN": "1"}, "did you mean ACCOUNTS__US__CALLS_PER_MINUTE?"),
        ({"ACCOUNT__US__CALLS_PER_MINUTE": "1"}, "did you mean ACCOUNTS__US__CALLS_PER_MINUTE?"),
        ({"ACCOUNTS__US__DIR": "/x"}, "did you mean WAREHOUSE__DIR?"),
        ({"ACCOUNTS__US__KEEP_SNAPSHOTS": "5"}, "did you mean WAREHOUSE__KEEP_SNAPSHOTS?"),
        ({"ACCOUNTS__U-S__API_TOKEN": "x"}, "cannot be the name of an account"),
        ({"SOURCES__REFERRAL_FACTORY__API_TOKEN": "x"}, "Each account has its own token: move this one to"),
        ({"SOURCES__REFERRAL_FACTORY__API_TOKEN_FILE": "/x"}, "Each account has its own token: move this one to"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else None,
)
def test_what_is_wrong_is_refused_with_what_was_meant(wrong: dict[str, str], words: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        _load({**TWO, **wrong})
    assert words in str(refused.value)


def test_a_wrong_value_is_refused_by_the_name_it_was_given_under() -> None:
    with pytest.raises(ConfigurationError, match=r"^ACCOUNTS__UK__CONCURRENCY must be a whole number"):
        _load({**TWO, "ACCOUNTS__UK__CONCURRENCY": "many"}, "uk")
    assert _load({**TWO, "ACCOUNTS__UK__CONCURRENCY": "many"}, "us").account == "us", (
        "the other account is not affected"
    )


@pytest.mark.parametrize("text", ['accounts = "uk"\n', "[accounts]\nuk = 5\n"])
def test_accounts_that_are_no_tables_are_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / ".dlt").mkdir()
    (tmp_path / ".dlt" / "config.toml").write_text(text)
    with pytest.raises(ConfigurationError, match="must have a table for each account"):
        _load({}, None, tmp_path)


def test_an_unknown_account_is_refused_with_the_nearest() -> None:
    with pytest.raises(
        ConfigurationError, match=r"There is no account 'uks'; the settings have uk, us. Did you mean us\?"
    ):
        _load(TWO, "uks")
    with pytest.raises(ConfigurationError, match="the settings have no accounts"):
        _load({}, "uk")


@pytest.mark.parametrize(("name", "is_accepted"), [("a" * 32, True), ("a" * 33, False), ("a" + "_b" * 16, False)])
def test_the_name_of_an_account_has_at_most_32_characters(name: str, is_accepted: bool) -> None:
    assert (ACCOUNT_NAME.fullmatch(name) is not None) is is_accepted


@given(st.text(alphabet="abz09_-./ÄUK ", min_size=1, max_size=40))
def test_a_name_is_an_account_or_is_refused(name: str) -> None:
    """Every name that is accepted is one folder, in the accounts' folder, and one part of a variable's name."""
    variable = f"ACCOUNTS__{name.upper()}__API_TOKEN"
    try:
        own = _load({variable: "token-of-one-1234"}, name.lower())
    except ConfigurationError:
        assert not ACCOUNT_NAME.fullmatch(name.lower()) or variable.count("__") > 2 or name != name.lower()
        return
    assert ACCOUNT_NAME.fullmatch(name.lower())
    assert own.warehouse_dir == NOWHERE / "data" / "accounts" / name.lower()


def test_a_delivery_named_by_a_folder_needs_a_token_of_that_folder(tmp_path: Path) -> None:
    """As with one account: who wrote the folder's files must not decide where the data goes."""
    (tmp_path / ".dlt").mkdir()
    (tmp_path / ".dlt" / "config.toml").write_text('[warehouse]\ndeliver_to = "s3://elsewhere/feeds"\n')
    with pytest.raises(ConfigurationError, match="elsewhere"):
        _load(TWO, None, tmp_path)
    (tmp_path / ".dlt" / "secrets.toml").write_text('[accounts.uk]\napi_token = "token-of-uk-1234"\n')
    (tmp_path / ".dlt" / "secrets.toml").chmod(0o600)
    assert _load({}, None, tmp_path).deliver_to is not None
