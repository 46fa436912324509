"""docs/dlt-source.md agrees with the source: its code runs, its tables and its examples of configuration are true."""

from __future__ import annotations

import inspect
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import dlt
import duckdb
import pytest
from dlt.common.configuration.container import Container
from dlt.common.configuration.providers import StringTomlProvider
from dlt.common.configuration.resolve import resolve_configuration
from dlt.common.configuration.specs.config_providers_context import ConfigProvidersContainer
from dlt.common.configuration.specs.pluggable_run_context import PluggableRunContext
from dlt.destinations.impl.bigquery.configuration import BigQueryClientConfiguration
from dlt.destinations.impl.snowflake.configuration import SnowflakeClientConfiguration

from referral_warehouse.dlt_source import referral_factory
from referral_warehouse.sandbox import Sandbox
from referral_warehouse.settings import Settings
from tests.documentation import PAGES, section, table_rows
from tests.fences import fences_of

PAGE = "docs/dlt-source.md"
DESTINATIONS = {"BigQuery": BigQueryClientConfiguration, "Snowflake": SnowflakeClientConfiguration}


def fences(kind: str, text: str = PAGES[PAGE]) -> list[str]:
    return [fence.text for fence in fences_of(text) if fence.info == kind]


def test_the_code_of_the_page_loads_an_account(tmp_path: Path) -> None:
    (tmp_path / ".dlt").mkdir()
    with Sandbox(users=60, seed=5, calls_per_minute=0) as world:
        secrets = fences("toml")[0].replace("the token of the account", world.token)
        (tmp_path / ".dlt" / "secrets.toml").write_text(secrets, encoding="utf-8")
        settings = {"BASE_URL": world.base_url, "SIMULATED_TIME": "true", "CALLS_PER_MINUTE": "0"}
        variables = {f"SOURCES__REFERRAL_FACTORY__{name}": value for name, value in settings.items()}
        subprocess.run(
            [sys.executable, "-c", "\n".join(fences("python"))],
            env={**os.environ, **variables, "DLT_DATA_DIR": str(tmp_path / "home")},
            cwd=tmp_path, check=True,
        )  # fmt: skip
        users = len(world.rows("users"))
    with duckdb.connect(str(tmp_path / "referrals.duckdb"), read_only=True) as connection:
        assert connection.execute("select count(*) from referral_factory.users").fetchone() == (users,)


def test_the_arguments_of_the_page_are_those_of_the_source() -> None:
    rows = {row[0].strip("`"): row[1] for row in table_rows(section(PAGE, "Run it in your own pipeline"))}
    parameters = inspect.signature(referral_factory).parameters
    assert rows.keys() == parameters.keys()
    for name in rows.keys() - {"api_token", "base_url"}:
        assert rows[name] == str(parameters[name].default).lower(), name
        assert parameters[name].default == getattr(Settings(), name), f"{name}: settings have another default"


def test_the_resources_of_the_page_are_those_of_the_source() -> None:
    rows = {row[0].strip("`"): row[1:3] for row in table_rows(section(PAGE, "Resources and hints"))}
    source = referral_factory(api_token="unused-token-0123456789")
    assert rows.keys() == source.resources.keys()
    for name, resource in source.resources.items():
        keys = [key for key, hints in resource.compute_table_schema()["columns"].items() if hints.get("primary_key")]
        assert rows[name] == [resource.write_disposition, f"`{', '.join(keys)}`"], name


@pytest.mark.parametrize("name", DESTINATIONS)
def test_the_configuration_of_a_destination_is_what_dlt_reads(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    [example] = fences("toml", section(PAGE, name))
    stated: dict[str, Any] = tomllib.loads(example)["destination"][name.lower()]
    providers = ConfigProvidersContainer([StringTomlProvider(example)])
    monkeypatch.setattr(Container()[PluggableRunContext], "providers", providers)
    bound = DESTINATIONS[name]()._bind_dataset_name("referral_factory")
    config = resolve_configuration(bound, sections=("destination", name.lower()))
    for key, value in {**stated, **stated["credentials"]}.items():
        if key != "credentials":
            found = getattr(config.credentials, key, None) or getattr(config, key, None)
            assert str(found).strip() == value, key
    assert re.search(rf'`destination="{name.lower()}"`', section(PAGE, name))
    assert hasattr(dlt.destinations, name.lower())
