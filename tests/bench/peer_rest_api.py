"""A peer: dlt's own ``rest_api`` source, tuned: Parquet, no nested tables, large buffers, merges by id.

No comparison of counts, no history. ``python -m tests.bench.peer_rest_api URL FILE`` prints the rows per list as JSON.
Its working folder is beside the file.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

LISTS = ("campaigns", "users", "rewards", "rewards/due", "rewards/issued")
TUNED = {
    "RUNTIME__DLTHUB_TELEMETRY": "false",
    "RUNTIME__LOG_LEVEL": "ERROR",
    "DATA_WRITER__BUFFER_MAX_ITEMS": "50000",
    "NORMALIZE__DATA_WRITER__BUFFER_MAX_ITEMS": "50000",
    "EXTRACT__WORKERS": "8",
}


def run(base_url: str, file: Path) -> dict[str, int]:
    """Load every list; rows per list."""
    os.environ.update(TUNED)
    import dlt
    from dlt.sources.rest_api import rest_api_source
    from dlt.sources.rest_api.typing import EndpointResource

    def resource(path: str) -> EndpointResource:
        params = {"order[field]": "id", "per_page": 250} | ({"with[]": "coupon"} if path == "users" else {})
        name = path.replace("/", "_")
        return {"name": name, "endpoint": {"path": path, "params": params, "data_selector": "data"}}

    source = rest_api_source({
        "client": {
            "base_url": f"{base_url}/", "auth": {"type": "bearer", "token": "bench"},
            "paginator": {"type": "page_number", "base_page": 1, "total_path": "meta.last_page"},
        },
        "resource_defaults": {
            "primary_key": "id", "write_disposition": "merge", "max_table_nesting": 0, "parallelized": True,
        },
        "resources": [resource(path) for path in LISTS],
    })  # fmt: skip
    pipeline = dlt.pipeline(
        "peer", pipelines_dir=str(file.parent / "dlt"), destination=dlt.destinations.duckdb(str(file)),
        dataset_name="from_the_api",
    )  # fmt: skip
    pipeline.run(source, loader_file_format="parquet")
    with pipeline.sql_client() as client:
        return {
            path: client.execute_sql(f"select count(*) from {path.replace('/', '_')}")[0][0]  # type: ignore[index]
            for path in LISTS
        }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(run(sys.argv[1], Path(sys.argv[2]))) + "\n")
