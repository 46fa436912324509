"""The floor: the same pages over one raw socket, written down as they come, read by DuckDB's read_json.

No retries, no history, no types that were thought about: nobody should publish what this makes. It is what fetching
and storing cost at least on this machine, and the bench quotes its ratios against it.
``python -m tests.bench.floor URL FILE`` prints the rows per table as JSON.
"""

from __future__ import annotations

import json
import re
import socket
import sys
from pathlib import Path
from urllib.parse import urlsplit

import duckdb

ENVELOPE_BEGIN, ENVELOPE_END = b'{"data":[', b'],"links":'
USERS_ALSO = "&with%5B%5D=coupon"
OWED = (
    "id bigint, reward_id bigint, reward_for varchar, reward_type varchar, reward_when_referral varchar, "
    "reward_value decimal(18, 2), recipient_id bigint, recipient_first_name varchar, recipient_email varchar, "
    "total_due bigint, total_value decimal(18, 2), status varchar, issued_at timestamp"
)
COLUMNS = {
    "campaigns": "id bigint, name varchar, url varchar, code varchar, reach bigint, live boolean, status varchar, "
    "starts_at timestamp, ends_at timestamp",
    "users": "id bigint, first_name varchar, email varchar, referrer_id bigint, campaign_id bigint, qualified boolean, "
    "qualified_at timestamp, unsubscribed boolean, unsubscribed_at timestamp, code varchar, url varchar, meta json, "
    "sharing json, sharing_message json, reach bigint, referrals_count bigint, converted_referrals_count bigint, "
    "source varchar, date timestamp, coupon json",
    "rewards": "id bigint, campaign_id bigint, name varchar, reward_for varchar, type varchar, value decimal(18, 2), "
    "when_referral varchar",
    "rewards/due": OWED,
    "rewards/issued": OWED,
}


def fetch_list(connection: socket.socket, base_path: str, path: str, target: Path) -> None:
    """The rows of all pages of one list as one JSON array: each envelope is cut off, nothing is parsed."""
    page, last_page = 1, 1
    with target.open("wb") as rows, connection.makefile("rb") as answers:
        while page <= last_page:
            also = USERS_ALSO if path == "users" else ""
            query = f"order%5Bfield%5D=id&per_page=250&page={page}{also}"
            head = f"GET {base_path}/{path}?{query} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer floor\r\n\r\n"
            connection.sendall(head.encode())
            status, length = answers.readline(), 0
            if b" 200 " not in status:
                raise SystemExit(f"{path}: {status.decode()}")
            while (header := answers.readline().lower()) != b"\r\n":
                if header.startswith(b"content-length:"):
                    length = int(header.split(b":")[1])
            body = answers.read(length)
            end = body.rindex(ENVELOPE_END)
            rows.write((b"[" if page == 1 else b",") + body[len(ENVELOPE_BEGIN) : end])
            found = re.search(rb'"last_page":(\d+)', body[end:])
            last_page = int(found[1]) if found else 1
            page += 1
        rows.write(b"]")


def run(base_url: str, file: Path) -> dict[str, int]:
    """Fetch everything into JSON files beside ``file``, then into its tables; rows per list."""
    parts = urlsplit(base_url)
    counts = {}
    with (
        socket.create_connection((parts.hostname, parts.port)) as connection,
        duckdb.connect(file, config={"threads": 2}) as database,
    ):
        for path, columns in COLUMNS.items():
            table = path.replace("/", "_")
            rows = file.with_name(f"{table}.json")
            fetch_list(connection, parts.path, path, rows)
            typed = ", ".join(f"{name}: '{kind}'" for name, kind in re.findall(r"(\w+) (\w+(?:\(.+?\))?)", columns))
            database.execute(
                f"create table {table} as from read_json(?, format = 'array', columns = {{{typed}}})", [str(rows)]
            )
            counts[path] = database.execute(f"select count(*) from {table}").fetchall()[0][0]
            rows.unlink()
    return counts


if __name__ == "__main__":
    sys.stdout.write(json.dumps(run(sys.argv[1], Path(sys.argv[2]))) + "\n")
