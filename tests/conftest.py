"""What every test begins with: only the secrets that were registered outside of tests, and no time limit.

Also a smaller set of models, for tests of files and their order, not of what the models say.
"""

from __future__ import annotations

import gc
import importlib.util
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest
from hypothesis import settings

from referral_warehouse import redaction
from tests.chromium import NO_BROWSER
from tests.lake import everywhere
from tests.lake.packages import NO_LAKE
from tests.lake.storages import differs_between_storages, is_end_to_end

if TYPE_CHECKING:
    from referral_warehouse.settings import Settings
    from tests.dlt_source.postgres_server import PostgresServer

# DuckDB looks for pandas once or twice for each value that is passed to a query, on all folders of the path if it is
# not installed; this entry says at once that it is not. pyarrow has to find out before.
if importlib.util.find_spec("pandas") is None and not pa.lib._pandas_api.have_pandas:
    sys.modules["pandas"] = None  # type: ignore[assignment]

# No test depends on how fast a machine is.
settings.register_profile("any speed", deadline=None)
settings.load_profile("any speed")


@pytest.fixture(autouse=True)
def secrets_of_one_test(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget the tokens of a test afterwards: made-up ones may be ordinary words, which later tests look for."""
    monkeypatch.setattr(redaction, "_secrets", set(redaction._secrets))
    monkeypatch.setattr(redaction, "_pattern", redaction._pattern)


@pytest.fixture(scope="session")
def few_models_folder() -> Iterator[Path]:
    """A folder that every user can read, since some tests go on as another user."""
    from tests.warehouse.few_models import copy_few_models

    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield copy_few_models(Path(folder))


@pytest.fixture(scope="session")
def fewest_models_folder() -> Iterator[Path]:
    """The models without which no build can be published: a publication costs a third of one of the few models."""
    from tests.warehouse.few_models import FEWEST, copy_few_models

    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield copy_few_models(Path(folder), FEWEST)


@pytest.fixture(scope="session")
def few_models_package(few_models_folder: Path) -> Iterator[str]:
    """A PYTHONPATH for new interpreters whose builds have the tables of core and ops, and few marts."""
    import referral_warehouse

    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        package = Path(folder) / "referral_warehouse"
        shutil.copytree(Path(referral_warehouse.__file__).parent, package)  # with what is compiled
        shutil.copytree(few_models_folder, package / "sql")
        yield os.pathsep.join([folder, *filter(None, [os.environ.get("PYTHONPATH")])])


@contextmanager
def using_models(folder: Path) -> Iterator[None]:
    """Builds in this process use another folder of models."""
    from referral_warehouse.warehouse import models

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(models, "sql_dir", lambda: folder)
        yield


@pytest.fixture(scope="module")
def few_models_in_module(few_models_folder: Path) -> Iterator[None]:
    """Builds of this module have the tables of core and ops, and few marts."""
    with using_models(few_models_folder):
        yield


@pytest.fixture
def few_models(few_models_folder: Path) -> Iterator[None]:
    """Builds of this test have the tables of core and ops, and few marts."""
    with using_models(few_models_folder):
        yield


@pytest.fixture(scope="session")
def publications(tmp_path_factory: pytest.TempPathFactory, few_models_folder: Path) -> Settings:
    """Three snapshots of ten tables, which are made once for the tests of lakes and of destinations."""
    from tests.lake.three_publications import publish_three

    with using_models(few_models_folder):
        return publish_three(tmp_path_factory.mktemp("published") / "data")


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """One server for all tests: each makes a database, or leaves none of its tables behind."""
    from tests.dlt_source.postgres_server import running_server

    with running_server() as server:
        yield server


@pytest.fixture
def fewest_models(fewest_models_folder: Path) -> Iterator[None]:
    """Builds of this test have two tables of core, one mart and those of ops that a publication reads.

    ``status`` cannot be used then.
    """
    with using_models(fewest_models_folder):
        yield


IN_MEMORY = Path("/dev/shm")  # noqa: S108 - pytest makes a folder of its own there
ROOM_BYTES = 6 << 30


CATALOGS = {"ducklake": "sqlite", "ducklake-duckdb": "duckdb", "ducklake-postgres": ""}
"""Storage → kind of catalog; the address of a server is known once it runs."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--storage", choices=["duckdb", *CATALOGS], default="duckdb",
        help="run the tests that publish with a lake for every directory; the catalog is a file of SQLite if not named",
    )  # fmt: skip


def pytest_configure(config: pytest.Config) -> None:
    """Prepare the machine: where files of tests are, and a lake for every directory if that is asked for."""
    keep_files_in_memory(config)
    kind = CATALOGS.get(config.option.storage)
    if kind is not None:
        if not hasattr(config, "workerinput"):  # processes of xdist get it in their environment
            descriptor, os.environ[everywhere.OUTCOMES] = tempfile.mkstemp(prefix="lakes-", suffix=".jsonl")
            os.close(descriptor)
            config.add_cleanup(Path(os.environ[everywhere.OUTCOMES]).unlink)
            os.environ[everywhere.KIND] = kind or started_server(config)
        everywhere.install()


def started_server(config: pytest.Config) -> str:
    """Start a server of PostgreSQL for the whole run. Returns: its address without a database."""
    from tests.dlt_source.postgres_server import running_server

    resources = ExitStack()
    server = resources.enter_context(running_server())
    config.add_cleanup(resources.close)
    return server.url.removesuffix("/postgres")


def keep_files_in_memory(config: pytest.Config) -> None:
    """Keep the files of tests in memory where there is room: waiting for the disk is a quarter of their time.

    The large files of ``make soak`` stay on the disk, and so do all where programs cannot be started from memory.
    """
    if "full" in config.option.markexpr.replace("not full", "") or not IN_MEMORY.is_dir():
        return
    found = os.statvfs(IN_MEMORY)
    if found.f_bavail * found.f_frsize >= ROOM_BYTES and not found.f_flag & (os.ST_NOEXEC | os.ST_RDONLY):
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(IN_MEMORY))


NOT_RUN = {NO_BROWSER: "of the report", NO_LAKE: "of the lake"}
"""Why tests are skipped, and which ones they are."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Begin with the longest test, so that no process of xdist waits for it at the end; with a lake, leave some out."""
    items.sort(key=lambda item: item.name != "test_every_command_and_query_of_the_documentation_runs")
    if everywhere.is_installed():
        items[:], others = [item for item in items if is_end_to_end(item)], [i for i in items if not is_end_to_end(i)]
        config.hook.pytest_deselected(items=others)
        for item in items:
            if (reason := differs_between_storages(item)) is not None:
                item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(autouse=True)
def lakes_show_what_is_published() -> Iterator[None]:
    """With ``--storage ducklake``: fail a test after which a lake showed something else than the published snapshot."""
    yield
    if everywhere.is_installed():
        everywhere.compare_lakes_of_processes()
        found = everywhere.outcomes(everywhere.current_test())
        assert [outcome for outcome in found if outcome.result == everywhere.DIFFERS] == []


def pytest_collection_finish() -> None:
    """Leave what was imported and collected out of garbage collection: it stays, and to look at it takes time."""
    gc.freeze()


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Say which tests did not run because this machine lacks something: a skipped test is one letter otherwise."""
    if everywhere.is_installed() and not hasattr(terminalreporter.config, "workerinput"):
        found = everywhere.outcomes()
        counts = {result: sum(outcome.result == result for outcome in found) for result in everywhere.RESULTS}
        terminalreporter.write_line(f"Publications to lakes, each compared with its snapshot: {counts}")
        for outcome in found:
            if outcome.result != everywhere.SHOWN:
                terminalreporter.write_line(f"  {outcome.result} in {outcome.test}: {outcome.words}")
    skipped = terminalreporter.stats.get("skipped", [])
    for reason, which in NOT_RUN.items():
        without = [found for found in skipped if reason in str(found.longrepr)]
        if without:
            terminalreporter.write_line(f"{len(without)} tests {which} did not run: {reason}.", yellow=True)
