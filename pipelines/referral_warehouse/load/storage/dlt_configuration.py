"""The fixed configuration of dlt: a list of values, independent of the process and its folders.

dlt reads general names (``REFRESH``, ``SCHEMA__NAMING``, ``DESTINATION__…``) from the environment, from ``config.toml``
and ``secrets.toml`` in the working directory and the home directory, and from plugins of other packages. Those may
belong to other programs of the process, the folder or the machine, and each of them can change what is loaded. Import
this module before dlt, and call dlt inside ``ClosedConfiguration.applied()`` only. Knows no pipeline and no data.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

_DIRECT_PREFIX = "DLT_"


@contextmanager
def _direct_names_hidden() -> Iterator[None]:
    """Remove the variables that dlt reads itself, outside its configuration, and restore them.

    Most are read once, while dlt is imported: the naming convention, the JSON library, the name of its settings folder,
    the length of row ids, the time zone. The intervals of schedulers are read at every use.
    """
    hidden = {name: os.environ.pop(name) for name in list(os.environ) if name.upper().startswith(_DIRECT_PREFIX)}
    try:
        yield
    finally:
        os.environ.update(hidden)


with _direct_names_hidden():
    import dlt
    import dlt.destinations.impl.duckdb.duck
    from dlt.common import logger as dlt_logger
    from dlt.common.configuration.container import Container
    from dlt.common.configuration.providers.provider import ConfigProvider
    from dlt.common.configuration.resolve import resolve_configuration
    from dlt.common.configuration.specs import RuntimeConfiguration, TimezoneContext
    from dlt.common.configuration.specs.config_section_context import ConfigSectionContext
    from dlt.common.configuration.specs.pluggable_run_context import PluggableRunContext
    from dlt.common.pipeline import PipelineContext
    from dlt.common.runtime.run_context import RunContext

__all__ = ["FIXED_VALUES", "ClosedConfiguration", "ClosedValues", "dlt"]

FIXED_VALUES: dict[tuple[str, ...], Any] = {
    ("extract", "workers"): 1,
    ("normalize", "workers"): 1,
    ("normalize", "parquet_normalizer", "add_dlt_load_id"): True,
    ("load", "workers"): 1,
    ("load", "delete_completed_jobs"): True,
    # dlt sends traces to its vendor, to Slack and to Sentry; without one there is nothing to send
    ("pipelines", "enable_runtime_trace"): False,
    ("providers", "enable_airflow_secrets"): False,
    ("runtime", "dlthub_telemetry"): False,
    ("runtime", "log_level"): "CRITICAL",
}
"""Sections and key → value. Every other field of dlt's configuration keeps the default that dlt declares."""


class ClosedValues(ConfigProvider):
    """A source of dlt's settings: a function from a path, sections and key, to a value; None for dlt's default.

    There are no values for single pipelines.
    """

    def __init__(self, name: str, find: Callable[[tuple[str, ...]], Any | None]) -> None:
        self._name = name
        self._find = find

    def get_value(self, key: str, hint: type[Any], pipeline_name: str | None, *sections: str) -> tuple[Any | None, str]:
        """The value of a field, and its name."""
        del hint
        path = (*(section for section in sections if section), key)
        return (None if pipeline_name else self._find(path)), ".".join(path)

    @property
    def supports_secrets(self) -> bool:
        return True

    @property
    def supports_sections(self) -> bool:
        return True

    @property
    def name(self) -> str:
        return self._name


class _ClosedRunContext(RunContext):
    """The places where dlt looks for settings and folders: one folder of ours; it loads no code."""

    def __init__(self, folder: Path, before: Sequence[ConfigProvider], files: Path | None) -> None:
        super().__init__(str(folder))
        self._folder = str(folder)
        self._files = str(files or folder)
        self._global_dir = self._folder
        self._before = before

    @property
    def uri(self) -> str:
        return "referral-warehouse:"

    @property
    def run_dir(self) -> str:
        return self._folder

    @property
    def local_dir(self) -> str:
        return self._files

    @property
    def settings_dir(self) -> str:
        return self._folder

    @property
    def data_dir(self) -> str:
        return self._folder

    @property
    def module(self) -> None:
        return None

    def initial_providers(self) -> list[ConfigProvider]:
        return [*self._before, ClosedValues("values fixed by referral-warehouse", FIXED_VALUES.get)]

    def initialize_runtime(self, runtime_config: RuntimeConfiguration | None = None) -> None:
        """Resolve dlt's runtime settings; its log handler, HTTP session and telemetry are not started at all."""
        self._runtime_config = runtime_config or resolve_configuration(RuntimeConfiguration())


class ClosedConfiguration:
    """dlt's environment for one pipeline; the environment of the process is restored afterwards.

    Args:
        folder: the folder that holds dlt's working folders.
        before: further sources of values, which win over the fixed ones.
        files: where relative paths of destinations begin; without it, the same folder.
    """

    def __init__(self, folder: Path, before: Sequence[ConfigProvider] = (), files: Path | None = None) -> None:
        self._run_context = PluggableRunContext(_ClosedRunContext(folder, before, files))
        self._contexts = (TimezoneContext("UTC"), PipelineContext(), ConfigSectionContext())
        self._depth = 0

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Run the block with the fixed values only; blocks may be nested."""
        if self._depth:
            self._depth += 1
            try:
                yield
            finally:
                self._depth -= 1
            return
        container, logger = Container(), dlt_logger.LOGGER
        with ExitStack() as stack:
            stack.enter_context(_direct_names_hidden())
            stack.callback(setattr, dlt_logger, "LOGGER", logger)
            dlt_logger.LOGGER = _silent_logger()
            for context in (self._run_context, *self._contexts):
                stack.enter_context(container.injectable_context(context))
            self._depth = 1
            stack.callback(setattr, self, "_depth", 0)
            yield


def _silent_logger() -> logging.Logger:
    logger = logging.getLogger("referral-warehouse.dlt")
    logger.propagate = False
    logger.setLevel(logging.CRITICAL)
    if not logger.handlers:
        logger.addHandler(logging.NullHandler())
    return logger
