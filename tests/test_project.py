"""The project's own files are consistent: lock, license, defaults, and nothing of one machine in them."""

from __future__ import annotations

import re
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import referral_warehouse
from referral_warehouse.errors import ConfigurationError
from referral_warehouse.settings import load_settings
from referral_warehouse.settings.table import TABLE, Section
from referral_warehouse.warehouse.manifest import SCHEMA_VERSION
from tests.collected import collected
from tests.documentation import PAGES, table_rows

PROJECT = Path(__file__).parents[1]
PYPROJECT = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))
LOCK = (PROJECT / "requirements.lock").read_text(encoding="utf-8")

DIRECT = [
    Requirement(line)
    for line in [
        *PYPROJECT["build-system"]["requires"],
        *PYPROJECT["project"]["dependencies"],
        *(line for extra in PYPROJECT["project"]["optional-dependencies"].values() for line in extra),
    ]
    if not line.startswith(PYPROJECT["project"]["name"])  # one extra may include another
]

# The long tests install these extras themselves; see docs/dependencies.md.
NOT_LOCKED = [line for extra in ("s3", "notify") for line in PYPROJECT["project"]["optional-dependencies"][extra]]
LOCKED = [line for line in DIRECT if str(line) not in NOT_LOCKED]

# Put together from pieces, so that this file does not contain what it looks for.
MACHINE_PATHS = re.compile(r"(?<![\w.~-])/(?:" + "|".join(["wo" + "rk", "ho" + "me", "ro" + "ot"]) + r")/[\w.]")
REGISTRY_HOSTS = re.compile(
    r"\b(?:py" + r"pi\.org|pythonh" + r"osted\.org|npm" + r"js\.(?:org|com)|crates\." + r"io)\b"
)


def _pinned() -> dict[str, tuple[str, list[str]]]:
    """Name → version and hashes, from the lock's logical lines."""
    pins: dict[str, tuple[str, list[str]]] = {}
    for entry in LOCK.replace("\\\n", " ").splitlines():
        requirement, *hashes = re.split(r"\s+--hash=", entry.strip())
        match = re.fullmatch(r"([\w.-]+)==([\w.!+]+)(?: ; .+)?", requirement)
        assert match, f"not a pinned requirement: {entry[:80]}"
        pins[canonicalize_name(match[1])] = (match[2], hashes)
    return pins


def _tracked() -> list[Path]:
    """What git holds or would take with the next `git add`, so that a leak shows before it is committed."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=PROJECT, capture_output=True, check=True,
    )  # fmt: skip
    return [path for name in listed.stdout.decode().split("\0") if name and (path := PROJECT / name).is_file()]


def test_every_requirement_in_the_lock_has_hashes() -> None:
    pins = _pinned()
    assert len(pins) > len(DIRECT)
    assert [name for name, (_, hashes) in pins.items() if not hashes] == []
    assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", value) for _, hashes in pins.values() for value in hashes)


def test_the_lock_names_no_place_to_fetch_from() -> None:
    assert re.findall(r"https?:|--(?:extra-)?index-url|--find-links| @ |^-", LOCK, re.MULTILINE) == []


@pytest.mark.parametrize("requirement", LOCKED, ids=lambda requirement: requirement.name)
def test_the_lock_file_has_what_the_project_requires(requirement: Requirement) -> None:
    version, _ = _pinned()[canonicalize_name(requirement.name)]
    assert requirement.specifier.contains(version)


@pytest.mark.parametrize("name", sorted({requirement.name for requirement in DIRECT}))
def test_the_documentation_has_a_reason_for_each_dependency(name: str) -> None:
    reasons = {
        re.sub(r"^\[([^\]]+)\].*", r"\1", part.strip()): reason
        for packages, reason in table_rows(PAGES["docs/dependencies.md"])
        for part in packages.split(",")
    }
    assert reasons.get(name), f"docs/dependencies.md gives no reason for {name}"


def test_what_only_some_commands_need_are_extras_that_developers_install() -> None:
    extras = PYPROJECT["project"]["optional-dependencies"]
    assert {Requirement(line).name for line in extras["sandbox"]} == {"starlette", "uvicorn"}
    assert {Requirement(line).name for line in extras["report"]} == {"jinja2", "vl-convert-python"}
    assert {Requirement(line).name for line in extras["mcp"]} == {"mcp", "uvicorn"}
    assert {Requirement(line).name for line in extras["postgres"]} == {"psycopg2-binary"}
    assert {Requirement(line).name for line in extras["serve"]} == {"starlette", "uvicorn"}
    assert "referral-warehouse[lake,mcp,postgres,report,sandbox,serve]" in extras["dev"]


def test_some_extras_are_installed_by_the_long_tests_alone() -> None:
    extras = PYPROJECT["project"]["optional-dependencies"]
    assert {Requirement(line).name for line in extras["s3"]} == {"s3fs"}
    assert {Requirement(line).name for line in extras["notify"]} == {"apprise"}
    assert not any(name in line for name in ("s3", "notify", "apprise") for line in extras["dev"])


def test_no_file_mentions_one_machine() -> None:
    found = []
    for path in _tracked():
        text = path.read_bytes().decode("utf-8", errors="replace")
        for pattern in (MACHINE_PATHS, REGISTRY_HOSTS):
            found += [f"{path.relative_to(PROJECT)}: {match[0]}" for match in pattern.finditer(text)]
    assert found == []


@pytest.mark.parametrize(
    "text", ["cd /wo" + "rk/x", "'/ho" + "me/me'", "/ro" + "ot/.cache", "https://py" + "pi.org/simple"]
)
def test_traces_of_one_machine_would_be_noticed(text: str) -> None:
    assert MACHINE_PATHS.search(text) or REGISTRY_HOSTS.search(text)


@pytest.mark.parametrize(
    "text", ["~/.dlt/secrets.toml", "https://example.com/home", ".github/workflows", "network/root"]
)
def test_harmless_paths_are_not_traces(text: str) -> None:
    assert not MACHINE_PATHS.search(text)
    assert not REGISTRY_HOSTS.search(text)


def test_one_version_everywhere() -> None:
    assert PYPROJECT["project"]["version"] == referral_warehouse.__version__


def test_the_license_is_the_one_that_is_declared() -> None:
    text = (PROJECT / "LICENSE").read_text(encoding="utf-8")
    assert PYPROJECT["project"]["license"] == "Apache-2.0"
    assert text.split()[:5] == ["Apache", "License", "Version", "2.0,", "January"]
    assert re.search(r"^ +Copyright \d{4} referral-warehouse contributors$", text, re.MULTILINE)


def test_the_changelog_has_a_section_for_this_version_below_the_unreleased_one() -> None:
    headings = re.findall(r"^## \[(.+?)\](?: - (.+))?$", PAGES["CHANGELOG.md"], re.MULTILINE)
    assert headings[0] == ("Unreleased", "")
    assert headings[1][0] == referral_warehouse.__version__
    assert all(re.fullmatch(r"\d{4}-\d{2}-\d{2}", date) for _, date in headings[1:])


def test_the_schema_version_is_documented() -> None:
    assert f"`schema_version` in `manifest.json` is {SCHEMA_VERSION}." in PAGES["docs/versioning.md"]
    newest, *_ = re.findall(r"`schema_version` in `manifest.json`\) is (\d+)", PAGES["CHANGELOG.md"])
    assert int(newest) == SCHEMA_VERSION


def test_git_never_takes_secrets_data_or_environments(tmp_path: Path) -> None:
    shutil.copy(PROJECT / ".gitignore", tmp_path)
    subprocess.run(["git", "init", "-q", tmp_path], check=True, capture_output=True)
    ignored = [
        ".dlt/secrets.toml",
        ".env",
        ".venv/x",
        "data/load.duckdb",
        "other/warehouse.duckdb",
        "a/__pycache__/b.pyc",
    ]
    wanted = [
        ".dlt/config.toml",
        ".dlt/example.secrets.toml",
        "tests/data/case.yaml",
        "pipelines/referral_warehouse/build/x.py",
        "sql/a.sql",
    ]
    answer = subprocess.run(
        ["git", "check-ignore", *ignored, *wanted], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert answer.stdout.splitlines() == ignored


def _documented_defaults() -> dict[str, Any]:
    """.dlt/config.toml with its commented-out assignments switched on."""
    text = (PROJECT / ".dlt" / "config.toml").read_text(encoding="utf-8")
    return tomllib.loads(re.sub(r"^# (?=[a-z_]+ = )", "", text, flags=re.MULTILINE))


def _inner(document: dict[str, Any], section: Section) -> dict[str, Any]:
    for part in section:
        document = document[part]
    return document


def test_the_config_file_states_every_default_as_it_is(tmp_path: Path) -> None:
    documented = _documented_defaults()
    not_secret = [setting for setting in TABLE if not setting.is_secret]
    stated = {setting.name: _inner(documented, setting.section)[setting.key] for setting in not_secret}
    assert {name: None if value in ("", {}) else value for name, value in stated.items()} == {
        setting.name: setting.kind.default for setting in not_secret
    }
    shutil.copytree(PROJECT / ".dlt", tmp_path / ".dlt", ignore=shutil.ignore_patterns("secrets.toml"))
    assert load_settings(environ={}, folder=tmp_path, home=tmp_path).concurrency == 64


UNITS = '{ "Amazon Voucher" = "EUR", " Cash Digital Card" = "EUR " }'
UNITS_FOUND = (("Amazon Voucher", "EUR"), ("Cash Digital Card", "EUR"))


@pytest.mark.parametrize(
    ("toml", "environ"),
    [
        (f"[warehouse]\nreward_units = {UNITS}", {}),
        (f"[warehouse.reward_units]\n{UNITS[1:-1].replace(',', chr(10))}", {}),
        ("", {"WAREHOUSE__REWARD_UNITS": UNITS.replace("=", ":")}),
        ("[warehouse.reward_units]\nGift = 'USD'", {"WAREHOUSE__REWARD_UNITS": UNITS.replace("=", ":")}),
    ],
    ids=["inline", "table", "environment", "environment first"],
)
def test_reward_units_are_read_as_dlt_reads_dictionaries(toml: str, environ: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / ".dlt").mkdir()
    (tmp_path / ".dlt" / "config.toml").write_text(toml, encoding="utf-8")
    assert load_settings(environ=environ, folder=tmp_path, home=tmp_path).reward_units == UNITS_FOUND


@pytest.mark.parametrize(
    ("units", "words"),
    [
        ("EUR", "is not a table of reward types and units"),
        ('["EUR"]', "is not a table of reward types and units"),
        ('{"Cash": 1}', "'Cash' has none"),
        ('{"Cash": " "}', "'Cash' has none"),
        ('{" ": "EUR"}', "' ' has none"),
        ('{"Cash": "EUR", "Cash ": "USD"}', "gives 'Cash' two units, 'EUR' and 'USD'"),
        ('{"Cash": "EUR", "Cash": "USD"}', "gives 'Cash' two units, 'EUR' and 'USD'"),
        ('{"reward:7": "EUR", "reward:007": "USD"}', "gives 'reward:7' two units, 'EUR' and 'USD'"),
        ('{"campaign:3/Cash": "EUR", "campaign: 3/ Cash": "USD"}', "gives 'campaign:3/Cash' two units"),
        ('{"reward:seven": "EUR"}', "has no unit for 'reward:seven': a key is reward:12"),
        ('{"reward:7/Cash": "EUR"}', "has no unit for 'reward:7/Cash'"),
        ('{"campaign:3/": "EUR"}', "has no unit for 'campaign:3/'"),
        ('{"campaign:": "EUR"}', "has no unit for 'campaign:'"),
        ('{"Cash": "type:Voucher"}', "must not use 'type:Voucher'"),
    ],
)
def test_reward_units_that_mean_nothing_are_refused(units: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=re.escape(words)):
        load_settings(environ={"WAREHOUSE__REWARD_UNITS": units}, folder=tmp_path, home=tmp_path)


def test_reward_units_of_rewards_campaigns_and_types_in_campaigns_are_read(tmp_path: Path) -> None:
    given = (
        '{"campaign: 03/ Cash": "GBP", "reward:12": "KWD", "campaign:3": "USD", "campaign": "EUR", '
        '"Cash": " Percent", "Points": "%"}'
    )
    units = load_settings(environ={"WAREHOUSE__REWARD_UNITS": given}, folder=tmp_path, home=tmp_path).reward_units
    assert dict(units) == {
        "campaign:3/Cash": "GBP", "reward:12": "KWD", "campaign:3": "USD", "campaign": "EUR", "Cash": "percent",
        "Points": "percent",
    }  # fmt: skip


def test_the_config_file_keeps_dlt_quiet() -> None:
    runtime = tomllib.loads((PROJECT / ".dlt" / "config.toml").read_text(encoding="utf-8"))["runtime"]
    assert runtime == {"dlthub_telemetry": False, "log_level": "WARNING"}


def test_the_example_of_secrets_holds_none_and_fits(tmp_path: Path) -> None:
    example = (PROJECT / ".dlt" / "example.secrets.toml").read_text(encoding="utf-8")
    (tmp_path / ".dlt").mkdir()
    secrets = tmp_path / ".dlt" / "secrets.toml"
    secrets.write_text(example, encoding="utf-8")
    assert load_settings(environ={}, folder=tmp_path, home=tmp_path).api_token is None
    secrets.write_text(example.replace('api_token = ""', 'api_token = "made-up"'), encoding="utf-8")
    token = load_settings(environ={}, folder=tmp_path, home=tmp_path).api_token
    assert token is not None
    assert token.reveal() == "made-up"


@pytest.mark.parametrize(("arguments", "code"), [([], 5), (["-m", "full"], 0)], ids=["make test", "make soak"])
def test_the_long_tests_run_in_make_soak_alone(arguments: list[str], code: int) -> None:
    """Exit code 5 of pytest: no test was selected."""
    assert collected(*arguments, "tests/soak/test_budget.py")[0] == code
