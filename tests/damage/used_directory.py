"""A warehouse directory with the files of all commands: pins, backups, a lake, a destination, forgotten people.

The table of docs/damage.md is tested with it. Personal columns are not published there, so that the compared tables do
not change where a forgotten person comes back.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import duckdb

from tests.kills.stage import Stage

USED = "used"
INTERRUPTED = "forget interrupted"


def used_stage(stage: Stage, start: str) -> Stage:
    """A stage with two starts from one of another stage: ``used``, and one whose last erasure was interrupted."""
    folder = stage.folder / "used"
    folder.mkdir()
    used = replace(
        stage, folder=folder, starts={}, undisturbed={}, labels={}, facts={}, settings_of=settings_with_everything
    )
    data = stage.copy(start, folder / "made")
    run(used, data, "sync", "--json")
    run(used, data, "snapshots", "--pin", "1")
    run(used, data, "backup", str(folder / "backups"))
    first, second = people_without_rewards(data)
    run(used, data, "forget", "--user-id", str(first))
    used.add_start(USED, data)
    ended = used.run(data, "forget", "--user-id", str(second), at=1, pattern=r"forgotten/people\.json")
    assert ended.returncode == -9, ended.stderr
    assert (data / "forgotten" / "journal.json").is_file()
    used.add_start(INTERRUPTED, data)
    return used


def people_without_rewards(data: Path) -> list[int]:
    """Two people without rows in the reward lists, where values that come back would be changes."""
    with duckdb.connect(str(data / "warehouse.duckdb"), read_only=True) as connection:
        rows = connection.execute(
            "select user_id from core.users where deleted_at is null and user_id not in ("
            "select recipient_id from core.rewards_due union all select recipient_id from core.rewards_issued) "
            "order by 1 limit 2"
        ).fetchall()
    return [user_id for (user_id,) in rows]


def certificate(stage: Stage) -> str:
    """The path of the certificate in the start ``used``."""
    [found] = [path for path in (stage.starts[USED] / "forgotten").iterdir() if path.name != "people.json"]
    return f"forgotten/{found.name}"


def settings_with_everything(data: Path) -> dict[str, str]:
    """The variables of commands: a lake and a destination beside the directory."""
    return {
        "WAREHOUSE__STORAGE": "ducklake", "WAREHOUSE__LAKE_CATALOG": f"{data}.lake.sqlite",
        "WAREHOUSE__LAKE_DATA": f"{data}.lake", "WAREHOUSE__PUBLISH_PERSONAL": "false",
        "WAREHOUSE__DESTINATIONS": "copy", "DESTINATION__COPY__DESTINATION_TYPE": "duckdb",
        "DESTINATION__COPY__CREDENTIALS": f"{data}.copy.duckdb",
    }  # fmt: skip


def run(stage: Stage, data: Path, *arguments: str) -> None:
    ended = stage.run(data, *arguments)
    assert ended.returncode == 0, ended.stderr
