"""A signal that arrives during an import ends a load, wherever the import is."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from referral_warehouse.load.storage.deferred_signals import held_signals

SCRIPT = """
import signal, sys
from pathlib import Path
import pyarrow as pa
from referral_warehouse.cli.signals import Terminated, raise_on_signals
from referral_warehouse.load.registry import TABLES
from referral_warehouse.load.storage.load_file import LoadFile
from referral_warehouse.load.storage.load_pipeline import LoadPipeline

class Interrupting:
    sent = False
    def find_spec(self, name, path=None, target=None):
        if name == sys.argv[2]:
            self.sent = True
            signal.raise_signal(signal.SIGTERM)

finder = Interrupting()
raise_on_signals()
sys.meta_path.insert(0, finder)
try:
    with LoadFile(Path(sys.argv[1]) / "load.duckdb") as load_file:
        load_file.connection.register("rows", pa.table({"id": [1]}))
        LoadPipeline(load_file, Path(sys.argv[1]) / "state", TABLES).reopen()
    print("lost" if finder.sent else "not sent")
except Terminated:
    print("ended", "pyarrow.dataset" in sys.modules, sys.argv[2] in sys.modules)
"""


@pytest.mark.parametrize("module", ["pyarrow.dataset", "pyarrow._dataset", "dlt", "dlt.common.pipeline"])
def test_a_signal_during_an_import_is_neither_lost_nor_replaced(tmp_path: Path, module: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(tmp_path), module], text=True, capture_output=True, check=False
    )
    assert done.stderr == ""
    assert done.stdout.split() == ["ended", "True", "True"], "the import was completed first"


def test_a_held_signal_is_delivered_at_the_end_of_its_block() -> None:
    received: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, _frame: received.append(number))
    try:
        with held_signals():
            signal.raise_signal(signal.SIGTERM)
            assert received == []
        assert received == [signal.SIGTERM]
        with pytest.raises(ValueError, match="of the block"), held_signals():
            raise ValueError("of the block")
        signal.raise_signal(signal.SIGTERM)
        assert received == [signal.SIGTERM] * 2
    finally:
        signal.signal(signal.SIGTERM, before)
