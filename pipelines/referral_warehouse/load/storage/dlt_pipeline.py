"""dlt's pipeline on the load file: opened, recovered, drained and run, one committed package per batch.

Knows no HTTP. dlt's working folder is in the state folder of the warehouse directory, so that one directory is one
deployment; when that folder is lost, dlt restores its state from the load file. ``LoadPipeline`` opens it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from referral_warehouse.load.storage.dlt_configuration import (  # first: dlt must not be imported before it
    ClosedConfiguration,
    dlt,
)

# isort: split
from dlt.pipeline.exceptions import PipelineStepFailed

from referral_warehouse.errors import ConfigurationError, DataRefused, ReferralsError
from referral_warehouse.load.batch import LoadBatch
from referral_warehouse.load.records.schema import TableSchema
from referral_warehouse.load.storage.deferred_signals import deferred_signals
from referral_warehouse.load.storage.dlt_destination import LoadFileDestination
from referral_warehouse.load.storage.dlt_recovery import belongs, is_usable, may_be_caused_by_folder, recover
from referral_warehouse.load.storage.dlt_resources import batch_source
from referral_warehouse.load.storage.dlt_state import PIPELINE_NAME, cursors_of, is_same_as_stored
from referral_warehouse.load.storage.load_file import LoadFile
from referral_warehouse.load.storage.stored_rows import DATASET
from referral_warehouse.workspace.disk_space import disk_full_error
from referral_warehouse.workspace.file_kinds import remove_or_raise, set_aside_unless_folder


class DltPipeline:
    """Commits batches to the load file.

    A step that fails because of dlt's folder is tried once more with a new one, which takes its cursors from the load
    file; the second failure is raised.

    Args:
        load_file: the open load file.
        folder: where dlt keeps its folders.
        schemas: the raw tables, by name.
        recovered: gets a sentence for each thing that was recovered.
        is_folder_kept: whether to go on with what is in the folder; otherwise with what is in the load file.

    Raises:
        DiskFull: when the disk is full.
        DataRefused: when dlt cannot load a package.
    """

    def __init__(
        self,
        load_file: LoadFile,
        folder: Path,
        schemas: Mapping[str, TableSchema],
        recovered: list[str],
        *,
        is_folder_kept: bool = True,
    ) -> None:
        self._load_file = load_file
        self._schemas = schemas
        self._folder = folder
        self._configuration = ClosedConfiguration(folder)
        self._recovered = recovered
        self._is_fresh = False
        with self._configuration.applied():
            try:
                if not is_folder_kept:
                    self._begin_from_the_load_file(None)
                    return
                why = self._why_unusable()
                if why is not None:
                    self._remove_working_dir(why)
                self._pipeline = self._open()
            except Exception as error:
                self._begin_anew_after(error, "dlt's folder could not be read")

    def drain(self) -> bool:
        """Load the package that an earlier run left, and restore a lost state.

        Returns: whether there was such a package, or one was lost with a folder that had to be replaced.
        """
        with self._configuration.applied():
            try:
                return self._drain()
            except Exception as error:
                self._begin_anew_after(error, "a package of an earlier run could not be loaded")
                self._drain()
                return True

    def _drain(self) -> bool:
        had_pending = bool(self._pipeline.has_pending_data)
        if had_pending:
            self._run(None)
        if not is_same_as_stored(self._pipeline.state, self._load_file):
            self._begin_from_the_load_file(None)
        return had_pending

    @property
    def _working_dir(self) -> Path:
        return self._folder / PIPELINE_NAME

    def _why_unusable(self) -> str | None:
        if not is_usable(self._working_dir):
            return "dlt's folder could not be read"
        recover(self._working_dir)
        return None if belongs(self._working_dir, self._load_file) else "dlt's folder did not belong to this load file"

    def _begin_anew_after(self, error: Exception, what: str) -> None:
        """Continue from the load file, as if the folder had been lost; only once, and not where that cannot help."""
        if self._is_fresh or not may_be_caused_by_folder(error):
            raise error
        reason = error.message if isinstance(error, ReferralsError) else type(error).__name__
        self._begin_from_the_load_file(f"{what} ({reason})")

    def _open(self) -> dlt.Pipeline:
        aside = set_aside_unless_folder(self._folder)
        if aside is not None:
            self._recovered.append(aside)
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        try:
            return dlt.pipeline(
                PIPELINE_NAME,
                destination=LoadFileDestination(self._load_file.connection, supports_transactions=True),
                dataset_name=DATASET,
                pipelines_dir=str(self._folder),
            )
        except OSError as error:
            if not self._is_fresh:
                raise
            raise disk_full_error(error, f"{self._folder} could not be written") or self._unusable(error) from error

    def _begin_from_the_load_file(self, why: str | None) -> None:
        """Take schema and cursors from the load file, as if the folder had been lost."""
        self._remove_working_dir(why)
        self._pipeline = self._open()
        if "_dlt_pipeline_state" in self._load_file.rows.tables():
            self._pipeline.sync_destination()

    def _remove_working_dir(self, why: str | None) -> None:
        self._is_fresh = True
        try:
            if self._folder.is_dir():
                remove_or_raise(self._working_dir)
        except OSError as error:
            raise self._unusable(error) from error
        if why is not None:
            self._recovered.append(f"{why}; the cursors of the load file are used, missing rows are read again")

    def reopen(self) -> None:
        """Take schema and cursors from the load file again, after its packages were renamed."""
        self._begin_from_the_load_file(None)

    def _unusable(self, error: OSError) -> ConfigurationError:
        return ConfigurationError(
            f"dlt's folder {self._folder} cannot be read or replaced: {error.strerror or error}.",
            f"Remove {self._folder} and run the same command again: nothing is lost with it.",
        )

    def state(self, stream: str) -> dict[str, Any]:
        """The saved cursors of a stream (a copy; empty before its first run)."""
        with self._configuration.applied():
            return cursors_of(self._pipeline.state, stream)

    def commit(self, batch: LoadBatch) -> None:
        """Load a batch as one package; rows and cursors become visible together. Nothing for an empty batch."""
        if batch.is_empty:
            return
        with self._configuration.applied():
            try:
                self._run(batch_source(batch, self._schemas))
            except Exception as error:
                self._begin_anew_after(error, "dlt's folder could not be used")
                self._run(batch_source(batch, self._schemas))

    def _run(self, data: Any) -> None:
        try:
            with deferred_signals():
                self._pipeline.run(data)
        except PipelineStepFailed as failed:
            full = disk_full_error(failed, "A package could not be loaded")
            if full is not None:
                raise full from failed
            damaged = self._load_file.damage_behind(failed)
            if damaged is not None:
                raise damaged from failed
            reason = str(failed.__cause__ or failed).strip().splitlines()[0][:300]
            raise DataRefused(
                f"The load file did not accept a package (step {failed.step}): {reason}",
                "Correct that and run the same command: the package is loaded first.",
            ) from failed
