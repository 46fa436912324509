"""The rules of the source tree: which part may import which, where a library may be used, how long a file may be.

Source files are parsed, not imported. Each rule is shown to fail on a tree that breaks it.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from tests.imports import Module, SourceTree, called_name, dynamic_import, read_tree

PROJECT = Path(__file__).parents[1]
MAX_LINES = 300
FORBIDDEN_NAMES = {"utils", "util", "helpers", "helper", "common", "manager", "managers", "misc"}

# Part → the parts it may import besides itself. "" is the package's own __init__: it holds the version.
_BASE = {"", "display_text", "errors", "utc_times", "workspace", "settings"}
DATA = {*_BASE, "deletion_limit", "sql_folder", "sql_quoting", "personal_kinds", "rewritten_database"}
ALLOWED_IMPORTS: dict[str, set[str]] = {
    "": set(),
    **{part: set() for part in ("display_text", "redaction", "personal_kinds", "run_ids", "sql_quoting", "utc_times")},
    "errors": {"display_text"},
    "rewritten_database": {"sql_quoting"},
    **{part: {"errors"} for part in ("extras", "sql_folder", "deletion_limit")},
    "workspace": {"display_text", "errors"},
    "events": {"redaction"},
    "settings": {"errors", "workspace", "redaction"},
    "api": {*_BASE, "redaction", "events"},
    "load": {*DATA, "events", "run_ids", "api"},
    "dlt_source": {"api", "load", "settings"},
    "destinations": {*DATA, "redaction", "extras", "load", "warehouse"},
    "warehouse": {*DATA, "redaction"},
    "operate": {*_BASE, "extras", "redaction", "events", "run_ids", "warehouse"},
    "consume": {*_BASE, "extras", "sql_quoting", "warehouse"},
    "sandbox": set(),
    "cli": {
        "", "display_text", "errors", "extras", "redaction", "events", "utc_times", "workspace", "settings", "api",
        "load", "warehouse", "operate", "consume", "destinations", "sandbox",
    },
    "__main__": {"cli", "errors", "workspace"},
}  # fmt: skip

# Library → the parts that may use it. A library that is not listed may be used everywhere.
HTTP = {"api", "sandbox"}
USES: dict[str, set[str]] = {
    "dlt": {"destinations", "dlt_source", "load"},
    "httpx": {*HTTP, "operate"},
    **{name: {"operate"} for name in ("apprise", "prometheus_client", "fsspec", "s3fs")},
    "urllib.request": HTTP,
    "http.client": HTTP,
    **{name: set[str]() for name in ("requests", "urllib3", "aiohttp")},
    "dlt.sources.helpers": set(),
    "duckdb": {"destinations", "load", "warehouse", "consume", "cli", "rewritten_database"},
    "pyarrow": {"destinations", "dlt_source", "load", "warehouse", "consume", "rewritten_database"},
    "sqlglot": set(),
    "pandas": set(),
    **{library: {"consume"} for library in ("jinja2", "mcp", "pydantic", "vl_convert")},
    "starlette": {"sandbox", "consume"},
    "uvicorn": {"sandbox", "consume"},
    "anyio": {"sandbox"},
    "click": {"cli"},
    "rich": {"cli"},
}

# `referrals --help` is fast because the command line imports none of these before a command needs it.
SLOW_TO_IMPORT = {"apprise", "fsspec", "jinja2", "mcp", "pydantic", "s3fs", "vl_convert"} | {
    "dlt", "duckdb", "pyarrow", "sqlglot", "httpx", "starlette", "uvicorn", "pandas", "pendulum", "prometheus_client",
}  # fmt: skip

TELEMETRY = {
    "sentry_sdk", "posthog", "segment", "analytics", "mixpanel", "opentelemetry", "dlt.common.runtime.telemetry",
}  # fmt: skip
KNOWN_HOSTS = re.compile(r"(^|\.)(referral-factory\.com|example\.(com|org)|localhost|127\.0\.0\.1)$")


def _is_within(target: str, package: str) -> bool:
    return target == package or target.startswith(f"{package}.")


def _calls(module: Module) -> Iterator[ast.Call]:
    return (node for node in ast.walk(module.tree) if isinstance(node, ast.Call))


def dependencies(tree: SourceTree) -> Iterator[str]:
    for module in tree.modules.values():
        if module.part not in ALLOWED_IMPORTS:
            yield f"{module.name}: {module.part!r} is not listed in ALLOWED_IMPORTS"
            continue
        for target, line in tree.internal(module.name).items():
            part = tree.modules[target].part
            if part != module.part and part not in ALLOWED_IMPORTS[module.part]:
                yield f"{module.where(line)}: {module.part or 'the package'} must not import {part or 'the package'}"


def uses(tree: SourceTree) -> Iterator[str]:
    for module in tree.modules.values():
        for found in tree.imports[module.name]:
            for library, parts in USES.items():
                if _is_within(found.target, library) and module.part not in parts:
                    yield f"{module.where(found.line)}: {library} must not be used in {module.part or 'the package'}"


def cycles(tree: SourceTree) -> Iterator[str]:
    sorter = TopologicalSorter({name: tree.internal(name) for name in tree.modules})
    try:
        sorter.prepare()
    except CycleError as error:
        yield "a cycle of imports: " + " → ".join(error.args[1])


def readable(tree: SourceTree) -> Iterator[str]:
    """An import by a computed name would escape all of these rules."""
    for module in tree.modules.values():
        for call in _calls(module):
            if dynamic_import(call) == "":
                yield f"{module.where(call.lineno)}: an import whose name cannot be read"


def start_up(tree: SourceTree) -> Iterator[str]:
    for start in (module.name for module in tree.modules.values() if module.part in ("cli", "__main__")):
        for target, chain in tree.eager_closure(start).items():
            if target.split(".")[0] in SLOW_TO_IMPORT:
                yield f"{start} imports {target} when it starts: " + " → ".join(chain)


def output(tree: SourceTree) -> Iterator[str]:
    """Only the command line prints or exits."""
    ends = {"print", "exit", "quit", "sys.exit", "os._exit", "SystemExit", "breakpoint"}
    for module in tree.modules.values():
        for call in _calls(module):
            if module.part not in ("cli", "__main__") and called_name(call) in ends:
                yield f"{module.where(call.lineno)}: {called_name(call)}() belongs to the command line"


def size(tree: SourceTree) -> Iterator[str]:
    for module in tree.modules.values():
        if module.line_count > MAX_LINES:
            yield f"{module.name}: {module.line_count} lines; the limit is {MAX_LINES}"


def names(tree: SourceTree) -> Iterator[str]:
    for name in tree.modules:
        for part in FORBIDDEN_NAMES & set(name.split(".")):
            yield f"{name}: {part!r} does not say what the module does"


def privacy(tree: SourceTree) -> Iterator[str]:
    """No telemetry packages, and no addresses but the vendor's and examples."""
    for module in tree.modules.values():
        for found in tree.imports[module.name]:
            if any(_is_within(found.target, package) for package in TELEMETRY):
                yield f"{module.where(found.line)}: {found.target} is telemetry"
        for node in ast.walk(module.tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                for host in re.findall(r"https?://(?:[^/\s@]*@)?([\w.-]+)", node.value):
                    if not KNOWN_HOSTS.search(host.rstrip(".")):
                        yield f"{module.where(node.lineno)}: an address at {host}"


Rule = Callable[[SourceTree], Iterator[str]]
RULES: list[Rule] = [dependencies, uses, cycles, readable, start_up, output, size, names, privacy]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_no_module_of_the_package_breaks_a_rule(rule: Rule) -> None:
    tree = read_tree(PROJECT / "pipelines" / "referral_warehouse")
    assert {"", "errors", "settings", "api", "load", "warehouse", "sandbox"} <= {m.part for m in tree.modules.values()}
    assert list(rule(tree)) == []


@pytest.mark.parametrize("rule", [cycles, size, names], ids=lambda rule: rule.__name__)
def test_no_test_module_breaks_a_rule(rule: Rule) -> None:
    tree = read_tree(PROJECT / "tests")
    assert "tests.test_dependency_rules" in tree.modules
    assert list(rule(tree)) == []


PLANTED: list[tuple[Rule, dict[str, str], str]] = [
    (
        dependencies,
        {"api/client.py": "from referral_warehouse.load import runner", "load/runner.py": ""},
        "api must not import load",
    ),
    (
        dependencies,
        {"api/client.py": "def f():\n    import referral_warehouse.load", "load/__init__.py": ""},
        "client:2: api must not",
    ),
    (dependencies, {"api/client.py": "from ..warehouse import a", "warehouse/a.py": ""}, "not import warehouse"),
    (dependencies, {"operate/a.py": "from ..load import b", "load/b.py": ""}, "operate must not import load"),
    (dependencies, {"consume/a.py": "from ..load import b", "load/b.py": ""}, "consume must not import load"),
    (
        dependencies,
        {"warehouse/a.py": "from ..consume import b", "consume/b.py": ""},
        "warehouse must not import consume",
    ),
    (
        dependencies,
        {"warehouse/models.py": "from referral_warehouse import api", "api/__init__.py": ""},
        "warehouse must not import api",
    ),
    (dependencies, {"load/a.py": "__import__('referral_warehouse.cli')", "cli.py": ""}, "load must not import cli"),
    (
        dependencies,
        {"sandbox/app.py": "from referral_warehouse.errors import ApiError", "errors.py": ""},
        "sandbox must not import errors",
    ),
    (
        dependencies,
        {"sandbox/app.py": "from referral_warehouse import __version__"},
        "sandbox must not import the package",
    ),
    (
        dependencies,
        {"errors.py": "import referral_warehouse.settings", "settings.py": ""},
        "errors must not import settings",
    ),
    (dependencies, {"attic.py": ""}, "'attic' is not listed"),
    (uses, {"warehouse/models.py": "def f():\n    from dlt.common import json"}, "models:2: dlt must not be used"),
    (uses, {"load/source.py": "import httpx"}, "httpx must not be used in load"),
    (uses, {"load/source.py": "from dlt.sources.helpers import requests"}, "dlt.sources.helpers must not be used"),
    (uses, {"warehouse/feeds.py": "from urllib import request"}, "urllib.request must not be used in warehouse"),
    (uses, {"sandbox/world.py": "import duckdb as d"}, "duckdb must not be used in sandbox"),
    (uses, {"api/a.py": "import importlib\nimportlib.import_module('duckdb')"}, "a:2: duckdb must not be used"),
    (uses, {"load/runner.py": "from rich.progress import Progress"}, "rich must not be used in load"),
    (
        cycles,
        {"load/a.py": "from referral_warehouse.load import b", "load/b.py": "def f():\n    from .a import x"},
        "a cycle",
    ),
    (
        cycles,
        {"load/__init__.py": "from .a import x", "load/a.py": "from referral_warehouse.load import y"},
        "a cycle",
    ),
    (
        readable,
        {"load/a.py": "import importlib\nimportlib.import_module('d' + 'lt')"},
        "load.a:2: an import whose name",
    ),
    (
        start_up,
        {"cli.py": "import referral_warehouse.load.a", "load/__init__.py": "import dlt", "load/a.py": ""},
        "imports dlt",
    ),
    (start_up, {"cli.py": "try:\n    import duckdb\nexcept ImportError:\n    pass"}, "imports duckdb when"),
    (output, {"load/runner.py": "def f():\n    print('loaded')"}, "runner:2: print() belongs"),
    (output, {"settings.py": "import sys\nsys.exit(2)"}, "sys.exit() belongs"),
    (size, {"api/client.py": "x = 1\n" * (MAX_LINES + 1)}, f"the limit is {MAX_LINES}"),
    (names, {"api/utils.py": ""}, "'utils' does not say"),
    (names, {"load/common/rows.py": ""}, "'common' does not say"),
    (privacy, {"cli.py": "def f():\n    import sentry_sdk"}, "sentry_sdk is telemetry"),
    (privacy, {"cli.py": "URL = 'https://collector.invalid/v1'"}, "an address at collector.invalid"),
    (privacy, {"cli.py": "URL = 'https://evil-referral-factory.com.invalid/v1'"}, "an address at evil"),
]


@pytest.mark.parametrize(("rule", "files", "words"), PLANTED, ids=lambda v: getattr(v, "__name__", None))
def test_each_rule_finds_a_planted_violation(tmp_path: Path, rule: Rule, files: dict[str, str], words: str) -> None:
    assert any(words in violation for violation in rule(_plant(tmp_path, files)))


def test_every_rule_has_a_planted_violation() -> None:
    assert {rule for rule, _, _ in PLANTED} == set(RULES)


def test_what_the_rules_allow_passes(tmp_path: Path) -> None:
    tree = _plant(
        tmp_path,
        {
            "errors.py": "class ApiError(Exception): ...",
            "settings.py": "from referral_warehouse.errors import ApiError\nDOCS = 'https://app.referral-factory.com/api'",
            "api/client.py": "import httpx\nfrom referral_warehouse import __version__\nfrom ..settings import DOCS",
            "load/runner.py": "import dlt, duckdb\nfrom referral_warehouse.api.client import DOCS",
            "warehouse/models.py": "import duckdb\nfrom urllib.parse import urlsplit",
            "sandbox/app.py": "import starlette, httpx\nfrom referral_warehouse.sandbox.world import World",
            "sandbox/world.py": "class World: ...",
            "cli.py": "import click\nfrom referral_warehouse.errors import ApiError\n"
            "def load(x):\n    import referral_warehouse.load.runner\n"
            "    __import__(f'referral_warehouse.load.{x}')\n    print('done')",
            "__main__.py": "from referral_warehouse.cli import load\nraise SystemExit(load())",
        },
    )
    assert [violation for rule in RULES for violation in rule(tree)] == []


def _plant(folder: Path, files: dict[str, str]) -> SourceTree:
    package = folder / "referral_warehouse"
    for name, text in {"__init__.py": "__version__ = '1'", **files}.items():
        path = package / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n", encoding="utf-8")
    return SourceTree(package)
