"""dlt's pipeline on the load file: opened, healed, drained and run, one committed package per slice.

Knows no HTTP. dlt's working folder lives in the state folder of the warehouse directory, so that one directory is one
deployment; when that folder is lost, dlt restores its state from the load file.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from pipelines.load.dlt_configuration import ClosedConfiguration, dlt  # first: dlt must not be imported before it

# isort: split
from dlt.pipeline.exceptions import PipelineStepFailed

from pipelines.diskspace import no_room
from pipelines.errors import DataRefused
from pipelines.load.dlt_destination import LoadFileDestination
from pipelines.load.healing import belongs, heal
from pipelines.load.hearing import hearing_signals
from pipelines.load.loadfile import DATASET, LoadFile
from pipelines.load.source import PLAIN_TABLES, SOURCE_NAME, Slice, referral_factory, table_schema
from pipelines.load.streams import STREAMS

PIPELINE_NAME = "referral_warehouse"
RAW_TABLES = (*STREAMS, *PLAIN_TABLES)


class LoadPipeline:
    """Commits slices to the load file. ``recovered`` says in words what had to be put right first.

    Raises: NoRoom when the disk is full, DataRefused when dlt cannot load a package.
    """

    def __init__(self, load_file: LoadFile, state_dir: Path) -> None:
        self._load_file = load_file
        self._folder = state_dir / "dlt"
        self._configuration = ClosedConfiguration(self._folder)
        self.recovered: list[str] = []
        heal(self._working_dir)
        if not belongs(self._working_dir, load_file):
            self._forget("dlt's folder did not belong to this load file")
        with self._configuration.applied():
            self._pipeline = self._open()

    def drain(self) -> bool:
        """Load what an earlier run left extracted; restore a lost state; create missing tables. True when it loaded."""
        with self._configuration.applied():
            return self._drain()

    def _drain(self) -> bool:
        had_pending = bool(self._pipeline.has_pending_data)
        if had_pending:
            try:
                self._run(None)
            except DataRefused as refused:
                self._begin_from_the_load_file(f"a package of an earlier run could not be loaded ({refused.message})")
        tables = self._load_file.tables()
        if not self._agrees(tables):
            self._begin_from_the_load_file(None)
        missing = [table for table in RAW_TABLES if table not in tables]
        if missing:
            empty = Slice({table: [table_schema(table).empty_table()] for table in missing})
            self._run(referral_factory(empty))
        return had_pending

    @property
    def _working_dir(self) -> Path:
        return self._folder / PIPELINE_NAME

    def _open(self) -> dlt.Pipeline:
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        return dlt.pipeline(
            PIPELINE_NAME,
            destination=LoadFileDestination(self._load_file.connection, supports_transactions=True),
            dataset_name=DATASET,
            pipelines_dir=str(self._folder),
        )

    def _agrees(self, tables: set[str]) -> bool:
        """Whether the folder's cursors are those that the load file holds."""
        local = self._pipeline.state
        stored: list[object] = []
        if "_dlt_pipeline_state" in tables:
            stored = self._load_file.column(
                f"select version_hash from {DATASET}._dlt_pipeline_state where pipeline_name = '{PIPELINE_NAME}' "
                "order by version desc, created_at desc limit 1"
            )
        return local.get("_version_hash") in stored if stored else not local.get("sources")

    def _begin_from_the_load_file(self, why: str | None) -> None:
        """Take schema and cursors from the load file, as if the folder had been lost."""
        self._forget(why)
        self._pipeline = self._open()
        if "_dlt_pipeline_state" in self._load_file.tables():
            self._pipeline.sync_destination()

    def _forget(self, why: str | None) -> None:
        if self._working_dir.exists():
            shutil.rmtree(self._working_dir)
        if why is not None:
            self.recovered.append(f"{why}; the cursors of the load file are used, what is missing is read again")

    def reopen(self) -> None:
        """Take schema and cursors from the load file again, after its packages were given other names."""
        self._begin_from_the_load_file(None)

    def state(self, stream: str) -> dict[str, Any]:
        """The saved cursors of a stream (a copy; empty before its first run)."""
        with self._configuration.applied():
            sources: dict[str, Any] = self._pipeline.state.get("sources") or {}
        return dict(sources.get(SOURCE_NAME, {}).get("resources", {}).get(stream, {}))

    def commit(self, part: Slice) -> None:
        """Load one slice as one package; rows and cursors become visible together. Nothing for an empty slice."""
        if not part.is_empty:
            with self._configuration.applied():
                self._run(referral_factory(part))

    def _run(self, data: Any) -> None:
        try:
            with hearing_signals():
                self._pipeline.run(data)
        except PipelineStepFailed as failed:
            full = no_room(failed, "A package could not be loaded")
            if full is not None:
                raise full from failed
            reason = str(failed.__cause__ or failed).strip().splitlines()[0][:300]
            raise DataRefused(
                f"The load file did not take a package (step {failed.step}): {reason}",
                "Repair what is named, then run the same command: the package is loaded first.",
            ) from failed
