"""The lake: the published tables as the state of a DuckLake, which any number of DuckDB processes attach."""
