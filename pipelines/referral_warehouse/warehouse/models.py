"""The models in ``sql/``: what each file reads, and the order in which the files are built.

Knows files, names and layers; opens no database.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

from referral_warehouse import sql_folder
from referral_warehouse.errors import ConfigurationError
from referral_warehouse.personal_kinds import KINDS
from referral_warehouse.warehouse.table_comments import header_comment

LAYERS = ("raw", "staging", "intermediate", "core", "marts", "ops", "checks")
"""In order: a file reads its own layer or earlier ones; a mart reads no other mart."""

MODEL_LAYERS = ("staging", "intermediate", "core", "marts", "ops")
PUBLISHED_LAYERS = ("core", "marts", "ops")
CHECK_LAYER = "checks"
ACCOUNT_COLUMN = "account"
"""First column of every published table, and first part of its key, where several accounts are published together."""
HEADER_KEYS = (
    "grain", "key", "references", "personal", "metrics", "reads", "money", "time", "materialized", "compression",
    "answers", "wrong", "rule", "next",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Model:
    """One file of ``sql/``: a comment header and one SELECT.

    ``reads`` holds qualified names found in the SQL; ``header`` the ``-- key: text`` lines plus ``description``;
    ``columns`` the inline comment of each column of the CTE ``final``, in order.
    """

    layer: str
    name: str
    path: Path
    sql: str
    reads: frozenset[str]
    header: Mapping[str, str]
    columns: Mapping[str, str]

    @property
    def qualified_name(self) -> str:
        return f"{self.layer}.{self.name}"

    @property
    def is_published(self) -> bool:
        return self.layer in PUBLISHED_LAYERS

    @property
    def is_stored(self) -> bool:
        """Whether the rows are stored (a table) rather than computed by each query (a view)."""
        return self.is_published or self.header.get("materialized", "").startswith("table")

    @property
    def personal(self) -> dict[str, str]:
        """The columns that name a person, or may, with their kinds. Raises: ConfigurationError for another kind."""
        return personal_columns(self.qualified_name, self.header)

    @property
    def comment(self) -> str:
        """The comment of the published table."""
        return header_comment(self.header)


def personal_columns(table: str, header: Mapping[str, str]) -> dict[str, str]:
    """The columns of the header line ``personal: column (kind), column (kind)``, in the order of the line.

    Raises: ConfigurationError when an entry of the line has another form or names no kind of personal data.
    """
    entries = [entry.strip() for entry in header.get("personal", "").split(",") if entry.strip()]
    found = [re.fullmatch(r"(\w+) \(([\w -]+)\)", entry) for entry in entries]
    wrong = [entry for entry, match in zip(entries, found, strict=True) if match is None or match[2] not in KINDS]
    if wrong:
        raise ConfigurationError(
            f"The header of {table} is wrong: personal has {', '.join(wrong)}.",
            f"Write each as column (kind); kinds are {', '.join(KINDS)}.",
        )
    return {match[1]: match[2] for match in found if match is not None}


def sql_dir() -> Path:
    """The folder of models."""
    return sql_folder.sql_dir()


def load_models(folder: Path | None = None) -> list[Model]:
    """All models in the order in which they are built.

    Raises: ConfigurationError for an unknown name, a file that reads a later layer, a mart that reads a mart, a cycle
    or an unreadable file.
    """
    folder = sql_dir() if folder is None else folder
    models = {m.qualified_name: m for layer in MODEL_LAYERS for m in _read_folder(folder, layer)}
    raw = raw_tables(folder)
    for model in models.values():
        _refuse_bad_reading(model, models, raw)
    graph = {name: sorted(r for r in model.reads if r in models) for name, model in models.items()}
    try:
        order = list(TopologicalSorter(dict(sorted(graph.items()))).static_order())
    except CycleError as error:
        circle = " -> ".join(error.args[1])
        raise ConfigurationError(
            f"SQL models depend on each other in a cycle: {circle}.", "Break the cycle in one of these files."
        ) from None
    return [models[name] for name in order]


def load_checks(folder: Path | None = None) -> list[Model]:
    """All checks, by name. They may read every layer.

    Raises: ConfigurationError for an unknown name or a file that is neither ``fail_*`` nor ``warn_*``.
    """
    folder = sql_dir() if folder is None else folder
    known = {m.qualified_name: m for layer in MODEL_LAYERS for m in _read_folder(folder, layer)}
    raw = raw_tables(folder)
    checks = list(_read_folder(folder, CHECK_LAYER))
    for check in checks:
        if not check.name.startswith(("fail_", "warn_")):
            raise ConfigurationError(
                f"{check.path.name} is neither a fail_ nor a warn_ check.",
                "Rename the file: fail_ stops a publication.",
            )
        _refuse_bad_reading(check, known, raw)
    return checks


def raw_tables(folder: Path) -> frozenset[str]:
    """Qualified names of the loader's tables that models may read (``sql/raw.sql``)."""
    text = _read_text(folder / "raw.sql")
    return frozenset(re.findall(r"^create table (raw\.\w+)", text, flags=re.MULTILINE))


def models_version(folder: Path | None = None) -> str:
    """A hash over all SQL files: it changes when a definition changes."""
    folder = sql_dir() if folder is None else folder
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*.sql")):
        digest.update(f"{path.relative_to(folder).as_posix()}\0{_read_text(path)}\0".encode())
    return digest.hexdigest()[:16]


def _refuse_bad_reading(model: Model, models: Mapping[str, Model], raw: frozenset[str]) -> None:
    for name in sorted(model.reads):
        layer = name.partition(".")[0]
        if name not in models and name not in raw:
            raise ConfigurationError(
                f"{model.path.name} reads {name}, which no file defines.", "Correct the name or add the file."
            )
        if LAYERS.index(layer) > LAYERS.index(model.layer):
            raise ConfigurationError(
                f"{model.path.name} in {model.layer} reads {name}, which is a later layer.",
                f"A file reads its own layer or earlier ones: {' <- '.join(LAYERS)}.",
            )
        if layer == model.layer == "marts":
            raise ConfigurationError(
                f"{model.path.name} reads {name}, but no mart may read a mart.",
                "Move what both need into a file of sql/intermediate and read that.",
            )


def _read_folder(folder: Path, layer: str) -> list[Model]:
    return [parse_model(path, layer) for path in sorted((folder / layer).glob("*.sql"))]


def parse_model(path: Path, layer: str) -> Model:
    """Read one file.

    Raises: ConfigurationError when it is not valid SQL.
    """
    from referral_warehouse.warehouse.sql_parser import read_sql

    text = _read_text(path)
    try:
        reads, columns = read_sql(text, frozenset(LAYERS))
    except ValueError as error:
        raise ConfigurationError(f"{path} cannot be read: {error}.", "Correct the file.") from None
    return Model(layer, path.stem, path, text, reads, _parse_header(text), dict(columns))


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path} cannot be read: {error}.", "Restore the file.") from None


def _parse_header(text: str) -> dict[str, str]:
    """The leading comment lines: ``-- key: text`` with continuation lines; the rest is the description."""
    header: dict[str, str] = {}
    key = "description"
    for line in text.splitlines():
        if not line.startswith("--"):
            break
        body = line[2:]
        found = re.match(r" (\w+): (.*)$", body)
        if found and found[1] in HEADER_KEYS:
            key = found[1]
            body = found[2]
        elif key not in ("description", "answers", "wrong") and not body.startswith("   "):
            key = "description"
        header[key] = f"{header[key]} {body.strip()}" if key in header else body.strip()
    return header
