"""What makes a bundle of Superset importable: every id that one of its files names is that of another."""

from __future__ import annotations

from typing import Any


def tables_of_bundle(files: dict[str, Any]) -> set[str]:
    """Check a bundle: path below its folder → document. Returns: the qualified names of its tables."""
    assert files["metadata.yaml"]["type"] == "Dashboard"
    [database_file] = [document for path, document in files.items() if path.startswith("databases/")]
    datasets = {document["uuid"]: document for path, document in files.items() if path.startswith("datasets/")}
    charts = {document["uuid"]: document for path, document in files.items() if path.startswith("charts/")}
    assert {d["database_uuid"] for d in datasets.values()} == {database_file["uuid"]}
    for chart in charts.values():
        dataset = datasets[chart["dataset_uuid"]]
        assert set(chart["params"]["metrics"]) <= {metric["metric_name"] for metric in dataset["metrics"]}
        columns = {column["column_name"] for column in dataset["columns"]}
        assert {chart["params"]["x_axis"], *chart["params"]["groupby"]} <= columns
    [dashboard] = [document for path, document in files.items() if path.startswith("dashboards/")]
    placed = {
        entry["meta"]["uuid"]
        for entry in dashboard["position"].values()
        if isinstance(entry, dict) and entry["type"] == "CHART"
    }
    assert placed == charts.keys()
    return {f"{d['schema']}.{d['table_name']}" for d in datasets.values()}
