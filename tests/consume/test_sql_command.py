"""``referrals sql``: exact results in each format, one line for each wrong input, and a prompt."""

from __future__ import annotations

import csv
import io
import json
import re
import signal
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from referral_warehouse.display_text import display_text
from referral_warehouse.settings import Settings
from tests.consume.conftest import SYNCS, Run, database, heed_interrupts
from tests.hostile_text import HOSTILE

VALUES = """
select 170141183460469231731687303715884105727::hugeint as huge, 12345678901234567890.123456::decimal(38, 6) as money,
    9223372036854775807 as big, timestamptz '2026-01-01 08:00:00+02' as zoned,
    timestamp_ns '2026-01-01 08:00:00.123456789' as nanos,
    timestamp 'infinity' as never, interval '1 month' as span, [1.10, null] as list, null as nothing, '' as empty,
    0.1::float as single, 0.1::double as "double", true as yes, date '0044-03-15 (BC)' as ides, 'a,"b'||chr(10) as text
"""
TEXTS = {
    "huge": "170141183460469231731687303715884105727", "money": "12345678901234567890.123456",
    "big": "9223372036854775807", "zoned": "2026-01-01 06:00:00+00", "nanos": "2026-01-01 08:00:00.123456789",
    "never": "infinity", "span": "1 month", "list": "[1.10, NULL]", "nothing": "", "empty": "", "single": "0.1",
    "double": "0.1", "yes": "true", "ides": "0044-03-15 (BC)", "text": 'a,"b\n',
}  # fmt: skip


def test_csv_has_every_value_exactly(referrals: Run) -> None:
    done = referrals("sql", VALUES, "--format", "csv")
    assert done.code == 0, done.err
    [row] = csv.DictReader(io.StringIO(done.text, newline=""))
    assert row == TEXTS
    assert ',,""' in done.text, "null is empty, an empty text is quoted"


def test_json_has_every_value_exactly(referrals: Run) -> None:
    [row] = json.loads(referrals("sql", VALUES, "--format", "json").out)
    numbers = {"huge": int(TEXTS["huge"]), "big": int(TEXTS["big"]), "single": 0.1, "double": 0.1}
    assert row == TEXTS | numbers | {"nothing": None, "yes": True}


def test_parquet_has_every_value_that_it_can_hold_and_texts_for_the_rest(referrals: Run) -> None:
    done = referrals("sql", VALUES.replace("170141183460469231731687303715884105727", "9" * 38), "--format", "parquet")
    table = pq.read_table(io.BytesIO(done.out))
    [nanos] = table["nanos"].cast("int64").to_pylist()
    assert nanos % 10**9 == 123_456_789
    [row] = table.drop_columns(["nanos", "never", "ides"]).to_pylist()
    assert str(table.schema.field("money").type) == "decimal128(38, 6)"
    assert str(table.schema.field("zoned").type) == "timestamp[us, tz=UTC]"
    assert (row["huge"], row["money"]) == (Decimal("9" * 38), Decimal(TEXTS["money"]))
    assert (row["span"], row["text"], row["nothing"]) == ("1 month", TEXTS["text"], None)
    assert row["zoned"].isoformat() == "2026-01-01T06:00:00+00:00"
    too_large = referrals("sql", VALUES, "--format", "parquet")
    assert (too_large.code, too_large.err.count("\n")) == (2, 1), "refused, and not rounded"


@pytest.mark.parametrize("form", ["csv", "json"])
def test_hostile_names_come_out_as_they_are_for_programs(referrals: Run, form: str) -> None:
    out = referrals("sql", "select user_id, first_name from core.users order by 1", "--format", form).text
    rows = json.loads(out) if form == "json" else list(csv.DictReader(io.StringIO(out, newline="")))
    names = [name for name in HOSTILE.values() if "\0" not in name]
    assert [row["first_name"] for row in rows] == names[: len(rows)]
    assert len(rows) == 23
    if form == "json":
        assert all(display_text(line, 1_000_000) == line for line in out.split("\n"))


@pytest.mark.parametrize("form", ["table", "md"])
def test_nothing_in_a_name_acts_where_people_read(referrals: Run, form: str) -> None:
    out = referrals("sql", "from core.users select first_name, email order by user_id", "--format", form).text
    assert all(display_text(line, 1_000_000) == line for line in out.split("\n"))
    if form == "md":
        lines = out.splitlines()
        assert len(lines) == 2 + 23
        assert all(line.replace("\\|", "").count("|") == 3 for line in lines)
        assert "<script" not in out.replace("\\<", "")


def test_a_file_is_utf8_and_json_is_ascii_in_any_encoding(published: Settings, tmp_path: Path) -> None:
    sql = "select name from core.campaigns where campaign_id = 6"
    for form, expected in (("csv", "name\nÉté\n".encode()), ("json", b'[{"name":"\\u00c9t\\u00e9"}]\n')):
        done = _referrals(published, tmp_path, "sql", sql, "--format", form, PYTHONIOENCODING="latin-1")
        assert (done.returncode, done.stdout) == (0, expected), done.stderr


def _environ(published: Settings, home: Path) -> dict[str, str]:
    package = Path(sys.modules["referral_warehouse"].__path__[0]).parent
    return {
        "WAREHOUSE__DIR": str(published.warehouse_dir),
        "HOME": str(home),
        "PATH": "/usr/bin:/bin",
        "PYTHONPATH": str(package),
    }


def _referrals(published: Settings, home: Path, *arguments: str, **environ: str) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "referral_warehouse", *arguments]
    return subprocess.run(
        command, env=_environ(published, home) | environ, cwd=home, capture_output=True, timeout=120, check=False
    )


def test_a_reader_that_ends_early_and_ctrl_c_end_a_query_quietly(published: Settings, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "referral_warehouse", "sql", "--format", "csv", "--timeout", "600"]
    environ = _environ(published, tmp_path)
    endless = "select i from range(1000000000000) as a(i)"
    with subprocess.Popen([*command, endless], env=environ, stdout=-1, stderr=-1) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"i\n"
        process.stdout.close()
        assert process.stderr is not None
        assert (process.stderr.read(), process.wait(60)) == (b"", 0)
    with subprocess.Popen(
        [*command, endless], env=environ, stdout=-1, stderr=-1, preexec_fn=heed_interrupts
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
        assert process.returncode == 130
        assert said.decode().startswith("referrals: Stopped by Ctrl-C.")


WRONG = {
    "selec 1": r"Parser Error at line 1, column 1: syntax error at or near",
    "select\n  nope from core.users": r"Binder Error at line 2, column 3: Referenced column \"nope\" not found",
    "from core.nothing": r"Catalog Error at line 1, column 6: Table with name nothing does not exist",
    "select 'x\x1b[31m'::int": r"Conversion Error.*Could not convert string 'x\\x1b\[31m'",
    "": r"The query is empty",
    "drop table core.users": r"Only a SELECT can be run",
    "from 'x.csv'": r"The query names a file or an address",
}


@pytest.mark.parametrize("sql", WRONG)
def test_a_wrong_query_is_reported_in_one_line_with_the_place(referrals: Run, sql: str) -> None:
    done = referrals("sql", sql)
    assert (done.code, done.out, done.err.count("\n")) == (2, b"", 1)
    assert re.search(WRONG[sql], done.err)
    assert "Next: " in done.err


def test_a_snapshot_is_chosen_by_number_or_time(referrals: Run) -> None:
    count = "select count(*) as n from core.users"
    for chosen, users in (
        ((), 23), (("--snapshot", "1"), 21), (("--snapshot", "3"), 23), (("--as-of", "2026-01-31"), 21),
        (("--as-of", SYNCS[1]), 22), (("--as-of", "2026-02-01T07:59:59"), 21), (("--as-of", "2026-02-01"), 22),
        (("--as-of", "2026-02-01T09:30:00+02:00"), 21), (("--as-of", "2030-01-01"), 23),
    ):  # fmt: skip
        assert json.loads(referrals("sql", count, "--format", "json", *chosen).out) == [{"n": users}], chosen


@pytest.mark.parametrize(
    ("chosen", "words"),
    [
        (("--snapshot", "9"), "There is no snapshot 9: those that are kept are 1 (2026-01-01 08:00:00), 2 ("),
        (("--as-of", "2025-12-31"), "No snapshot has the data of 2025-12-31: those that are kept are 1 ("),
        (("--as-of", "last week"), "--as-of 'last week' is not a time."),
        (("--as-of", "9999-12-31T23:59-05:00"), "--as-of '9999-12-31T23:59-05:00' is not a time."),
        (("--as-of", "2026-01-01", "--snapshot", "1"), "--snapshot and --as-of exclude each other."),
    ],
)
def test_a_snapshot_that_cannot_be_chosen_is_reported_in_one_line(
    referrals: Run, chosen: tuple[str, ...], words: str
) -> None:
    done = referrals("sql", "select 1", *chosen)
    assert (done.code, done.out, done.err.count("\n")) == (2, b"", 1)
    assert words in done.err


def test_without_a_snapshot_the_exit_code_is_4(referrals: Run, tmp_path: Path) -> None:
    done = referrals("sql", "select 1", WAREHOUSE__DIR=str(tmp_path / "none"))
    assert (done.code, done.out) == (4, b"")
    assert "Nothing is published" in done.err
    assert not (tmp_path / "none").exists(), "nothing is made"


def test_a_table_is_cut_and_says_so(referrals: Run) -> None:
    done = referrals("sql", "from range(1500)")
    assert len(done.text.splitlines()) == 2 + 1_000
    assert "Only the first 1,000 rows are shown." in done.err
    more = referrals("sql", "from range(1500)", "--limit", "1200")
    assert (len(more.text.splitlines()), more.err) == (2 + 1_200, "")


def test_queries_are_read_from_standard_input(referrals: Run) -> None:
    done = referrals("sql", given="select 5 as a; -- two\nselect 6 as b;\n")
    assert [line.strip() for line in done.text.splitlines() if line.strip().isalnum()] == ["a", "5", "b", "6"]
    assert referrals("sql", "--format", "csv", given="select 5 as a").text == "a\n5\n"
    two = referrals("sql", "--format", "csv", given="select 5 as a; select 6")
    assert (two.code, two.out) == (2, b"")


def test_a_snapshot_that_another_program_holds_open_for_writing_is_read_from_a_copy(
    referrals: Run, published: Settings
) -> None:
    path = database(published, 3)
    path.chmod(0o600)
    holder = "import duckdb,sys; c=duckdb.connect(sys.argv[1]); print('open', flush=True); sys.stdin.read()"
    try:
        with subprocess.Popen([sys.executable, "-c", holder, str(path)], stdin=-1, stdout=-1, text=True) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "open\n"
            done = referrals("sql", "select count(*) as n from core.users", "--format", "csv")
            process.communicate("")
    finally:
        path.chmod(0o400)
    assert done.text == "n\n23\n"
    assert "a copy was read" in done.err
