"""Two writers of a lake, on two machines: one has it, the other ends with 75 and touches nothing."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from referral_warehouse.cli.lake import lake_facts, publish_lake
from referral_warehouse.errors import AnotherSyncRunning, LakeUnavailable
from referral_warehouse.settings import Settings
from referral_warehouse.warehouse.lake.lock import lake_lock
from tests.dlt_source.postgres_server import PostgresServer
from tests.kills.forks import run_referrals
from tests.lake.lakes import differences, environ_of, show
from tests.operate.deliveries import switch_to


def refused(settings: Settings, catalog: str | Path, home: Path) -> None:
    """A second writer, as a process with another directory of its own, finds the lake locked."""
    other = home / "other-machine"
    environ = environ_of(settings, catalog) | {"WAREHOUSE__DIR": str(other), "HOME": str(home), "PATH": "/usr/bin"}
    environ |= {"SOURCES__REFERRAL_FACTORY__API_TOKEN": "a-token", "XDG_STATE_HOME": str(home / "machine")}
    environ |= {"SOURCES__REFERRAL_FACTORY__BASE_URL": "http://127.0.0.1:1"}
    ended = run_referrals(["sync"], environ, home)
    assert ended.returncode == 75, ended.stderr
    assert "Another sync is writing the lake" in ended.stderr
    assert not (other / "load.duckdb").exists()


def test_a_lake_with_a_file_has_one_writer(in_sqlite: Settings, tmp_path: Path) -> None:
    with lake_lock(in_sqlite):
        refused(in_sqlite, tmp_path / "lake.sqlite", tmp_path)
    with lake_lock(in_sqlite):
        pass


def test_a_lake_in_postgresql_has_one_writer_until_its_connection_ends(
    in_postgres: Settings, address: str, postgres: PostgresServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    show(in_postgres, 1)
    switch_to(in_postgres, 2)
    with lake_lock(in_postgres) as refuse_lost_lock:
        refuse_lost_lock()
        with pytest.raises(AnotherSyncRunning), lake_lock(in_postgres):
            pass
        refused(in_postgres, address, tmp_path)
        postgres.stop()
        try:
            publish_lake(in_postgres, refuse_lost_lock)  # the catalog is away
            [away] = [record.getMessage() for record in caplog.records]
            assert "Connection refused" in away
            facts = lake_facts(in_postgres)
        finally:
            postgres.start()
        assert facts is not None
        assert facts["is_current"] is False
        assert "Connection refused" in facts["problem"]
        with pytest.raises(LakeUnavailable, match="was lost"):
            refuse_lost_lock()
        caplog.clear()
        publish_lake(in_postgres, refuse_lost_lock)  # and back, but another writer may have the lock now
        assert re.search("does not have this publication yet: The lock .* was lost", caplog.records[0].getMessage())
    assert differences(in_postgres, 1) == []
    with lake_lock(in_postgres) as refuse_lost_lock:
        publish_lake(in_postgres, refuse_lost_lock)
    assert differences(in_postgres, 2) == []
    facts = lake_facts(in_postgres)
    assert facts is not None
    assert (facts["snapshot"], facts["is_current"], facts["problem"]) == (2, True, None)
