"""The lake: a DuckLake with the published tables, which any number of DuckDB processes can read."""
