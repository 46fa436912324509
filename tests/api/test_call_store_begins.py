"""Several processes create one call store at the same time: each waits for the others, and none fails."""

from __future__ import annotations

import threading
from pathlib import Path

from referral_warehouse.api.rate_limit.host import HostClock
from referral_warehouse.api.rate_limit.store_file import CallStoreFile


def test_several_processes_can_create_one_call_store(tmp_path: Path) -> None:
    """No process fails because the file is locked, or takes a file that another one is creating for a damaged one."""
    for number in range(10):
        path, together, ended = tmp_path / f"calls-{number}.sqlite3", threading.Barrier(8), list[str]()

        def begin(path: Path = path, together: threading.Barrier = together, ended: list[str] = ended) -> None:
            file = CallStoreFile(path, 60.0, HostClock())
            together.wait()
            try:
                with file.transaction() as db:
                    ended.append(db.execute("pragma journal_mode").fetchone()[0])
            except Exception as error:
                ended.append(str(error))
            finally:
                file.close()

        threads = [threading.Thread(target=begin) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert ended == ["wal"] * 8
        assert not path.with_suffix(".broken").exists()
