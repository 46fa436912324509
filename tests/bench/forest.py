"""The referral tree alone, with 500 MB for DuckDB: ``python -m tests.bench.forest DIR`` prints how deep it was.

The one measurement that imports the package's modules, because no command builds one mart. DIR holds a load.duckdb.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from referral_warehouse.settings import Settings
from referral_warehouse.warehouse.build import prepare_draft_dir, run_models
from referral_warehouse.warehouse.connection import connect_draft, substitute_missing_tables
from referral_warehouse.warehouse.models import load_models

LIMIT_MB = 500
TREE = "marts.referral_tree"


def build_tree(folder: Path) -> dict[str, int]:
    """Build the tree and what it reads; returns rows and the depth of the deepest."""
    models = {model.qualified_name: model for model in load_models()}
    wanted = {TREE}
    while more := {name for known in wanted for name in models[known].reads if name in models} - wanted:
        wanted |= more
    settings = Settings(warehouse_dir=folder)
    prepare_draft_dir(settings)
    with connect_draft(settings) as connection:
        connection.execute(f"set memory_limit = '{LIMIT_MB}MB'")
        substitute_missing_tables(connection)
        run_models(connection, [model for name, model in models.items() if name in wanted])
        row = connection.execute(f"select count(*), max(depth) from {TREE}").fetchone()
    return {"rows": row[0], "depth": row[1]} if row else {}


if __name__ == "__main__":
    print(json.dumps(build_tree(Path(sys.argv[1]))))  # noqa: T201
