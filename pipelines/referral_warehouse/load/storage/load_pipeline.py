"""Commits packages to the load file through dlt, which is imported only when it has something to do."""

from __future__ import annotations

import importlib
import threading
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from referral_warehouse.load.batch import LoadBatch
from referral_warehouse.load.records.schema import TableSchema
from referral_warehouse.load.storage.deferred_signals import held_signals
from referral_warehouse.load.storage.dlt_state import cursors_of, usable_state
from referral_warehouse.load.storage.load_file import LoadFile
from referral_warehouse.load.storage.raw_tables import create_missing_tables

if TYPE_CHECKING:
    from referral_warehouse.load.storage.dlt_pipeline import DltPipeline


class LoadPipeline:
    """Commits batches to the load file. ``recovered`` describes what was recovered when it was opened.

    Args:
        load_file: the open load file.
        state_dir: where dlt's folder is.
        schemas: the raw tables, by name.

    Raises:
        DiskFull: when the disk is full.
        DataRefused: when dlt cannot load a package.
    """

    def __init__(self, load_file: LoadFile, state_dir: Path, schemas: Mapping[str, TableSchema]) -> None:
        self._load_file = load_file
        self._folder = state_dir / "dlt"
        self._schemas = schemas
        self.recovered: list[str] = []
        self._importing: threading.Thread | None = None
        create_missing_tables(load_file, schemas)
        self._saved_state = usable_state(self._folder, load_file)
        self._dlt: DltPipeline | None = self._open() if self._saved_state is None else None

    def _open(self, *, is_folder_kept: bool = True) -> DltPipeline:
        with held_signals():
            from referral_warehouse.load.storage.dlt_pipeline import DltPipeline
        return DltPipeline(
            self._load_file, self._folder, self._schemas, self.recovered, is_folder_kept=is_folder_kept
        )  # fmt: skip

    @property
    def is_new(self) -> bool:
        """Whether nothing was committed yet, so that this run will commit something."""
        return self._saved_state == {} and self._dlt is None

    def prepare(self) -> None:
        """Import dlt in a thread, while the caller waits for responses: a package will be committed. Does not wait."""
        if self._dlt is None and self._importing is None:
            self._importing = threading.Thread(target=_import_dlt, name="import of dlt")
            self._importing.start()

    def drain(self) -> bool:
        """Load the package that an earlier run left, and restore a lost state.

        Returns: whether there was such a package, or one was lost with a folder that had to be replaced.
        """
        return self._dlt is not None and self._dlt.drain()

    def state(self, stream: str) -> dict[str, Any]:
        """The saved cursors of a stream (a copy; empty before its first run)."""
        return cursors_of(self._saved_state or {}, stream) if self._dlt is None else self._dlt.state(stream)

    def commit(self, batch: LoadBatch) -> None:
        """Load a batch as one package; rows and cursors become visible together. Nothing for an empty batch."""
        if batch.is_empty:
            return
        if self._dlt is None:
            self._dlt = self._open()
            self._dlt.drain()  # if the folder was damaged since, its state comes from the load file
        self._dlt.commit(batch)

    def reopen(self) -> None:
        """Take schema and cursors from the load file again, after its packages were renamed."""
        if self._dlt is None:
            self._dlt = self._open(is_folder_kept=False)
        else:
            self._dlt.reopen()


def _import_dlt() -> None:
    with suppress(Exception):  # raised where dlt is used
        importlib.import_module("referral_warehouse.load.storage.dlt_pipeline")
