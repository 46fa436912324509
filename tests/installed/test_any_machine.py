"""The installed wheel works on a minimal system: no user name, no home, no /tmp, and only one writable folder."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest

from referral_warehouse.sandbox import Sandbox
from tests.cli.processes import PREFIX
from tests.installed.environment import NUMBER, Installed, why_nothing_is_contained

REASON = why_nothing_is_contained()
OTHER = NUMBER + 1
READ = """
import duckdb, sys
source = sys.argv[1]
is_file = source.endswith(".duckdb")
connection = duckdb.connect(source, read_only=True) if is_file else duckdb.connect()
table = "core.users" if is_file else f"read_parquet('{source}')"
print(connection.sql(f"select count(*) from {table}").fetchone()[0])
"""


def environ_of(sandbox: Sandbox) -> dict[str, str]:
    return {
        f"{PREFIX}BASE_URL": sandbox.base_url, f"{PREFIX}CALLS_PER_MINUTE": "600", f"{PREFIX}SIMULATED_TIME": "true",
        f"{PREFIX}API_TOKEN_FILE": "token",
    }  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path, sandbox: Sandbox) -> Path:
    """The volume of a container: it belongs to its user, and has the token, with a line break at its end."""
    path = tmp_path / "volume"
    path.mkdir()
    (path / "token").write_text(f"{sandbox.token}\n")
    for owned in (path, path / "token"):
        os.chown(owned, NUMBER, NUMBER)
    return path


def tree(folder: Path) -> dict[str, tuple[int, int, int]]:
    """Everything below a folder: owner, size and time of the last change."""
    found = {path: path.lstat() for path in (folder, *folder.rglob("*"))}
    return {str(path): (status.st_uid, status.st_size, status.st_mtime_ns) for path, status in found.items()}


@pytest.mark.skipif(REASON is not None, reason=str(REASON))
def test_a_user_without_name_and_home_syncs_on_a_root_that_is_read_only(
    installed: Installed, sandbox: Sandbox, folder: Path
) -> None:
    environ = environ_of(sandbox)
    shell = "touch /etc/x; touch /tmp/x; touch x; getent passwd $(id -u); echo ${HOME-none}"
    touched = installed.contained(["sh", "-c", shell], folder, environ)
    assert touched.stdout == "none\n", "the user has a name or a home"
    assert touched.stderr.count("cannot touch") == 2, touched.stderr
    synced = installed.contained([installed.program, "sync", "--json"], folder, environ)
    assert synced.returncode == 0, synced.stderr
    assert json.loads(synced.stdout)["published"] is True
    status = installed.contained([installed.program, "status"], folder, environ)
    assert (status.returncode, status.stderr) == (0, "")
    assert "Well: the data is" in status.stdout
    assert f"Directory: {folder / 'data'}\n" in status.stdout
    assert {path.lstat().st_uid for path in folder.rglob("*")} == {NUMBER}
    closed = [path for path in (folder / "data").rglob("*") if path.lstat().st_mode & stat.S_IRWXO]
    assert [path for path in closed if not path.is_symlink()] == []
    printed = installed.contained([installed.program, "schedule", "--systemd"], folder, environ)
    assert f"User={NUMBER}\n" in printed.stdout
    before = tree(folder)
    for command in ("sync", "build", "status"):
        refused = installed.contained([installed.program, command], folder, environ, user=OTHER)
        assert refused.returncode == 2, refused.stderr
        assert len(refused.stderr.splitlines()) == 1
        assert str(OTHER) in refused.stderr
    elsewhere = installed.contained([installed.program, "sync"], folder, environ | {"WAREHOUSE__DIR": "/srv/data"})
    assert (elsewhere.returncode, len(elsewhere.stderr.splitlines())) == (2, 1)
    assert "/srv/data cannot be written: Read-only file system" in elsewhere.stderr
    assert tree(folder) == before


@pytest.mark.full  # tests/warehouse/test_published_access.py shows it with the project's own code
@pytest.mark.skipif(REASON is not None, reason=str(REASON))
def test_a_second_user_of_the_group_reads_and_no_other(installed: Installed, sandbox: Sandbox, folder: Path) -> None:
    """The published side alone, although the umask of a sync forbids everything."""
    environ = environ_of(sandbox) | {"WAREHOUSE__READERS_GROUP": str(OTHER)}
    folder.chmod(0o755)
    command = ["sh", "-c", 'umask 077; exec "$0" sync --json', str(installed.program)]
    published = installed.contained(command, folder, environ, groups=(OTHER,))
    assert published.returncode == 0, published.stderr
    users = json.loads((folder / "data" / "manifest.json").read_text())["tables"]["core.users"]["rows"]
    python = str(installed.folder / "bin" / "python")
    for user, reads in ((OTHER, True), (OTHER + 1, False)):
        for source in ("data/warehouse.duckdb", "data/feeds/core.users.parquet"):
            found = installed.contained([python, "-c", READ, source], folder, {}, user=user)
            assert (found.stdout == f"{users}\n") == reads, found.stderr
        for private in ("data/load.duckdb", "data/state/outcomes.jsonl"):
            assert installed.contained(["cat", private], folder, {}, user=user).returncode == 1
