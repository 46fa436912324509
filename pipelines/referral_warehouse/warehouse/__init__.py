"""DuckDB and ``sql/``: models, checks, snapshots. No HTTP, no dlt."""
