"""A text is parsed before it is known what it does: that alone reads no file and asks no address."""

from __future__ import annotations

from pathlib import Path

import pytest

from referral_warehouse.consume.query.statements import split_statements
from referral_warehouse.errors import ConfigurationError


@pytest.mark.parametrize("place", ["{folder}", "http://127.0.0.1:1/x", "s3://bucket/x"])
@pytest.mark.parametrize("begin", ["import database", "/**/ Import  Database", "select 1; import database"])
def test_no_file_is_read_while_a_query_is_parsed(tmp_path: Path, place: str, begin: str) -> None:
    """DuckDB runs the files of IMPORT DATABASE as a part of the text: it reads them before anything is run."""
    sql = f"{begin} '{place.format(folder=tmp_path)}'"
    for name in ("schema.sql", "load.sql"):
        (tmp_path / name).write_text("selec a_secret_in_a_file;", encoding="utf-8")
    with pytest.raises(ConfigurationError) as refused:
        split_statements(sql)
    assert "names a file or an address" in str(refused.value)
