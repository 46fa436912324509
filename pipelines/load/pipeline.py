"""dlt's pipeline on the load file: opened, healed, drained and run, one committed package per slice.

Knows no HTTP. dlt's working folder lives in the state folder of the warehouse directory, so that one directory is one
deployment; when that folder is lost, dlt restores its state from the load file.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

for _name, _value in {
    "RUNTIME__DLTHUB_TELEMETRY": "false",
    "RUNTIME__LOG_LEVEL": "CRITICAL",
    "NORMALIZE__PARQUET_NORMALIZER__ADD_DLT_LOAD_ID": "true",
    "LOAD__DELETE_COMPLETED_JOBS": "true",
    "LOAD__WORKERS": "1",
    "NORMALIZE__WORKERS": "1",
    "EXTRACT__WORKERS": "1",
}.items():
    os.environ.setdefault(_name, _value)

import dlt  # noqa: E402  (its telemetry and worker settings are read from the environment above)
from dlt.common.configuration.container import Container  # noqa: E402
from dlt.common.configuration.providers import EnvironProvider  # noqa: E402
from dlt.common.configuration.specs.pluggable_run_context import PluggableRunContext  # noqa: E402
from dlt.pipeline.exceptions import PipelineStepFailed  # noqa: E402

from pipelines.errors import DataRefused  # noqa: E402
from pipelines.load.loadfile import DATASET, LoadFile  # noqa: E402
from pipelines.load.source import PLAIN_TABLES, SOURCE_NAME, Slice, referral_factory, table_schema  # noqa: E402
from pipelines.load.streams import STREAMS  # noqa: E402

PIPELINE_NAME = "referral_warehouse"
RAW_TABLES = (*STREAMS, *PLAIN_TABLES)


class LoadPipeline:
    """Commits slices to the load file. Raises: DataRefused when dlt cannot load a package."""

    def __init__(self, load_file: LoadFile, state_dir: Path) -> None:
        _read_no_files()
        folder = state_dir / "dlt"
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        heal(folder / PIPELINE_NAME)
        self._load_file = load_file
        self._pipeline = dlt.pipeline(
            PIPELINE_NAME,
            destination=dlt.destinations.duckdb(load_file.connection, supports_transactions=True),
            dataset_name=DATASET,
            pipelines_dir=str(folder),
        )

    def drain(self) -> bool:
        """Load what an earlier run left extracted; restore a lost state; create missing tables. True when it loaded."""
        had_pending = bool(self._pipeline.has_pending_data)
        if had_pending:
            self._run(None)
        tables = self._load_file.tables()
        if "_dlt_pipeline_state" in tables and not self._pipeline.state.get("sources"):
            self._pipeline.sync_destination()
        missing = [table for table in RAW_TABLES if table not in tables]
        if missing:
            empty = Slice({table: [table_schema(table).empty_table()] for table in missing})
            self._run(referral_factory(empty))
        return had_pending

    def state(self, stream: str) -> dict[str, Any]:
        """The saved cursors of a stream (a copy; empty before its first run)."""
        sources: dict[str, Any] = self._pipeline.state.get("sources") or {}
        return dict(sources.get(SOURCE_NAME, {}).get("resources", {}).get(stream, {}))

    def commit(self, part: Slice) -> None:
        """Load one slice as one package; rows and cursors become visible together. Nothing for an empty slice."""
        if not part.is_empty:
            self._run(referral_factory(part))

    def _run(self, data: Any) -> None:
        try:
            self._pipeline.run(data)
        except PipelineStepFailed as failed:
            reason = str(failed.__cause__ or failed).strip().splitlines()[0][:300]
            raise DataRefused(
                f"The load file did not take a package (step {failed.step}): {reason}",
                "Free disk space or repair what is named, then run the same command: the package is loaded first.",
            ) from failed


def _read_no_files() -> None:
    """dlt looks its settings up hundreds of times a package: in the environment only, never in files with secrets."""
    providers = Container()[PluggableRunContext].providers
    if providers is not None:
        providers.providers[:] = [p for p in providers.providers if isinstance(p, EnvironProvider)]


def heal(working_dir: Path) -> None:
    """Undo the one half-step that dlt cannot resume: a package both extracted and already normalised.

    A kill between the rename into ``load/normalized`` and the delete in ``normalize/extracted`` leaves the same load id
    in both; the normalised one is complete, so the extracted one goes.
    """
    extracted, normalized = working_dir / "normalize" / "extracted", working_dir / "load" / "normalized"
    if extracted.is_dir() and normalized.is_dir():
        for package in extracted.iterdir():
            if (normalized / package.name).exists():
                shutil.rmtree(package)
