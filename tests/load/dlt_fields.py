"""Every configuration field that the installed dlt declares, with a value that would change it, under every spelling.

The fields come from dlt's own classes, so that a new release brings its new fields along. Run as a program
(``python -W ignore -m tests.load.dlt_fields FOLDER``) it writes them to ``hostile.json`` in FOLDER; to ``closed.json``
which classes are resolved otherwise than in a clean environment, and to ``open.json`` the same for a dlt that reads
the environment. The last two come from a process each that is forked once all modules of dlt are imported, which
takes longer than all the rest.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import io
import json
import multiprocessing
import os
import pkgutil
import sys
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from referral_warehouse.load.storage.dlt_configuration import ClosedConfiguration, dlt

# isort: split
from dlt.common import known_env
from dlt.common.configuration.providers import EnvironProvider
from dlt.common.configuration.resolve import resolve_configuration
from dlt.common.configuration.specs import BaseConfiguration, known_sections

from referral_warehouse.load.storage import dlt_configuration
from referral_warehouse.load.storage.dlt_state import PIPELINE_NAME, SOURCE_NAME

NOT_IMPORTED = ("__main__", "._workspace.cli", "._workspace.helpers")  # programs, which do something when imported
OURS = ("SOURCES__REFERRAL_FACTORY__", "WAREHOUSE__")
PLACES = (
    (), ("destination",), ("destination", "duckdb"), ("destination", "duckdb", "credentials"), ("sources",),
    ("sources", "source", SOURCE_NAME), ("sources", SOURCE_NAME), ("extract",), ("normalize",), ("load",), ("schema",),
    ("data_writer",), ("normalize", "data_writer"), ("pipelines",), ("pipelines", PIPELINE_NAME), ("runtime",),
    ("normalize", "parquet_normalizer"), ("normalize", "json_normalizer"),
)  # fmt: skip


# What dlt reads outside its configuration, as dlt itself lists it; the values of those that are no text.
DIRECT_VALUES = {
    known_env.DLT_DEFAULT_NAMING_MODULE: "sql_cs_v1",
    known_env.DLT_DLT_ID_LENGTH_BYTES: "3",
    known_env.DLT_USE_JSON: "simplejson",
    known_env.DLT_JSON_TYPED_PUA_START: "0xe000",
    known_env.DLT_INTERVAL_START: "2001-01-01T00:00:00Z",
    known_env.DLT_INTERVAL_END: "2001-01-02T00:00:00Z",
    known_env.DLT_INTERVAL_TIMEZONE: "Asia/Tokyo",
    known_env.DLT_ALLOW_EXTERNAL_SCHEDULERS: "true",
    known_env.DLT_DISABLE_PLUGINS: "true",
}


def direct_settings(folder: Path) -> dict[str, str]:
    """The variables that dlt reads itself, outside its configuration."""
    names = [value for name, value in vars(known_env).items() if name.startswith("DLT_")]
    return {name: DIRECT_VALUES.get(name, str(folder) if name.endswith("_DIR") else "hostile") for name in names}


@functools.cache
def specs() -> tuple[type[BaseConfiguration], ...]:
    """The classes of dlt that declare fields, in a fixed order; modules that need more than is installed are left."""
    for module in pkgutil.walk_packages(dlt.__path__, "dlt.", onerror=lambda _name: None):
        if not any(part in module.name for part in NOT_IMPORTED):
            with contextlib.suppress(Exception, SystemExit), contextlib.redirect_stdout(io.StringIO()):
                importlib.import_module(module.name)
    found = {
        s for s in _subclasses(BaseConfiguration) if "__configspec__" in vars(s) and s.__module__.startswith("dlt")
    }
    return tuple(sorted(found, key=_name))


def _name(spec: type) -> str:
    return f"{spec.__module__}.{spec.__qualname__}"


def _subclasses(cls: type[Any]) -> Iterator[type[Any]]:
    for subclass in cls.__subclasses__():
        yield subclass
        yield from _subclasses(subclass)


def hostile_value(key: str, hint: Any, default: Any, folder: Path) -> str:
    """A value of the field's type that is not its default, as a variable would hold it."""
    hints = [hint, *typing.get_args(hint), *(inner for arg in typing.get_args(hint) for inner in typing.get_args(arg))]
    choices = [choice for h in hints if typing.get_origin(h) is typing.Literal for choice in typing.get_args(h)]
    if choices:
        return str(next((choice for choice in choices if choice != default), choices[0]))
    if bool in hints or isinstance(default, bool):
        return str(not default).lower()
    if int in hints or float in hints:
        return str(int(default or 0) + 3)
    if key.endswith(("_dir", "_path")):
        return str(folder)
    return {"naming": "sql_cs_v1", "dataset_name": "elsewhere", "session_timezone": "Asia/Tokyo"}.get(key, "hostile")


def hostile_settings(folder: Path) -> list[tuple[str, str]]:
    """Names of variables and their values, without those that are settings of this project."""
    known = {(value,) for name, value in vars(known_sections).items() if name.isupper() and isinstance(value, str)}
    found: dict[str, str] = {}
    for spec in specs():
        own = {(spec.__section__,)} if spec.__section__ else set()
        places = {*PLACES, *own, *(known if own & known else ())}
        for key, hint in spec.get_resolvable_fields().items():
            value = hostile_value(key, hint, getattr(spec, key, None), folder)
            for place in sorted(places):
                for path in (place, (PIPELINE_NAME, *place)):
                    found.setdefault("__".join((*path, key)).upper(), value)
    return sorted((name, value) for name, value in found.items() if not name.startswith(OURS) and name != "PATH")


def resolved(configuration: ClosedConfiguration) -> dict[str, str]:
    """What each class is resolved to inside the closed configuration, under the sections that dlt would use for it."""
    found = {}
    with configuration.applied():
        for spec in specs():
            for sections in (
                ("destination", "duckdb"),
                (spec.__section__ or "load",),
                ("sources", "source", SOURCE_NAME),
            ):
                try:
                    with contextlib.redirect_stderr(io.StringIO()):
                        config = resolve_configuration(spec(), sections=sections, accept_partial=True)
                    words = repr({key: _comparable(getattr(config, key, None)) for key in spec.get_resolvable_fields()})
                except Exception as error:
                    words = type(error).__name__
                found[f"{_name(spec)} in {'.'.join(sections)}"] = words
        for name in ("refresh", "schema.naming", "load.workers", "destination.duckdb.credentials"):
            found[f"dlt.config {name}"] = f"{dlt.config.get(name)} {dlt.secrets.get(name)}"
        found["pipelines_dir"] = str(dlt.common.pipeline.get_dlt_pipelines_dir())
    return found


def _comparable(value: Any) -> Any:
    if isinstance(value, BaseConfiguration):
        return {key: _comparable(getattr(value, key, None)) for key in value.get_resolvable_fields()}
    return value if isinstance(value, (bool, int, float, str, type(None), list, tuple, dict)) else type(value).__name__


def compare(folder: Path, mode: str) -> None:
    """Write which classes are resolved otherwise in the hostile environment; changes that of this process."""
    if mode == "open":
        dlt_configuration._ClosedRunContext.initial_providers = lambda _self: [EnvironProvider()]  # type: ignore[method-assign, assignment]
    configuration = ClosedConfiguration(folder)
    clean = resolved(configuration)
    os.environ.update(dict(json.loads((folder / "hostile.json").read_text())["settings"]))
    changed = resolved(configuration if mode == "open" else ClosedConfiguration(folder))
    differing = {name: [clean[name], changed.get(name)] for name in clean if clean[name] != changed.get(name)}
    (folder / f"{mode}.json").write_text(json.dumps({"compared": len(clean), "differing": differing}))


def main(folder: Path) -> None:
    """See the module's first lines."""
    settings = [*hostile_settings(folder), *direct_settings(folder).items()]
    (folder / "hostile.json").write_text(json.dumps({"specs": len(specs()), "settings": settings}))
    for mode in ("closed", "open"):
        process = multiprocessing.get_context("fork").Process(target=compare, args=(folder, mode))
        process.start()
        process.join()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
