"""Whether the packages of the extra ``lake`` are installed; imports nothing that needs them."""

from importlib.util import find_spec

NO_LAKE = "the packages of the extra lake are not installed"
HAS_LAKE = find_spec("duckdb_extension_ducklake") is not None
