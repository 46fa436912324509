"""The settings of the warehouse: its directory, what is published and to whom; a part of the table of all settings."""

from __future__ import annotations

from referral_warehouse.settings.delivery_target import FolderOrBucket
from referral_warehouse.settings.destination_names import DATASET, DatasetName, DestinationNames
from referral_warehouse.settings.lake_target import DUCKDB, DUCKLAKE, LakeCatalogKind
from referral_warehouse.settings.readers_group import ReadersGroupKind
from referral_warehouse.settings.reward_units import reward_units
from referral_warehouse.settings.setting import WAREHOUSE, Setting
from referral_warehouse.settings.unit_terms import expires_after_days, settles_on
from referral_warehouse.settings.values import (
    Choice,
    Directory,
    Secret,
    Switch,
    Table,
    WholeNumber,
)

WAREHOUSE_ROWS: tuple[Setting, ...] = (
    Setting(
        WAREHOUSE, "dir", Directory("data"),
        "the directory of the deployment. `~` is the home directory; the path must not contain `?` or `%`",
        "warehouse_dir",
    ),
    Setting(
        WAREHOUSE, "publish_dir", Directory(),
        "another directory for what is published, such as one on a disk or share that readers reach; without it, it is "
        "in the directory of the deployment. See [readers](readers.md)",
    ),
    Setting(
        WAREHOUSE, "readers_group", ReadersGroupKind(),
        "name or number of a group whose members may read what is published; without it, only the user that syncs may. "
        "See [readers](readers.md)",
    ),
    Setting(WAREHOUSE, "keep_snapshots", WholeNumber(5, 1, 10_000), "published snapshots that are kept"),
    Setting(
        WAREHOUSE, "snapshot_grace_minutes", WholeNumber(15, 0, 10_080),
        "minutes that a snapshot stays after another one replaced it, for those who are still reading it",
    ),
    Setting(
        WAREHOUSE, "deliver_to", FolderOrBucket(),
        "a folder, or `s3://bucket/prefix` with the extra `s3`, that gets a copy of the feeds of each publication. See "
        "[readers](readers.md#deliver-feeds)",
    ),
    Setting(
        WAREHOUSE, "destinations", DestinationNames(),
        "names of dlt destinations, separated by commas (in TOML also a list), that get the tables of each "
        "publication. See [delivering](delivering.md)",
    ),
    Setting(
        WAREHOUSE, "dataset_name", DatasetName(DATASET),
        "the dataset (a schema, where the destination calls it so) that holds the tables at a destination",
    ),
    Setting(
        WAREHOUSE, "storage", Choice(DUCKDB, (DUCKDB, DUCKLAKE)),
        "`ducklake` makes each publication the state of [a lake](lake.md) too; needs the extra `lake`",
    ),
    Setting(
        WAREHOUSE, "lake_catalog", LakeCatalogKind(),
        "the catalog of the lake: `postgresql://user:password@host/database`, or for one machine the path of a file "
        "that ends with `.sqlite` or `.duckdb`. The password is shown nowhere",
    ),
    Setting(
        WAREHOUSE, "lake_data", FolderOrBucket(),
        "the data of the lake: a folder of its own, or `s3://bucket/prefix`",
    ),
    Setting(
        WAREHOUSE, "accounts_at_once", WholeNumber(4, 1, 64),
        "how many of [several accounts](accounts.md) are loaded side by side; each takes the memory of a sync",
    ),
    Setting(
        WAREHOUSE, "reward_units", Table(reward_units),
        'what rewards are counted in, as in `{"Amazon Voucher": "EUR"}`: see [units](#units)',
    ),
    Setting(
        WAREHOUSE, "settles_on", Table(settles_on),
        'when rewards of a unit are no longer owed, as in `{"store credit": "use"}`: see [rewards that are owed until '
        "they are used](#rewards-that-are-owed-until-they-are-used)",
    ),
    Setting(
        WAREHOUSE, "expires_after_days", Table(expires_after_days),
        'days, from 1 to 36600, after which unused rewards of a unit expire, as in `{"store credit": 365}`',
    ),
    Setting(
        WAREHOUSE, "max_quarantine_percent", WholeNumber(1, 0, 100),
        "share of a stream's records that may be unreadable before publication is refused",
    ),
    Setting(
        WAREHOUSE, "max_vanished_percent", WholeNumber(20, 0, 100),
        "share of a stream's records that may be gone since the last publication before publication is refused. Fewer "
        "than 10 records may always be gone, or fewer than 5 when none remain",
    ),
    Setting(
        WAREHOUSE, "report", Switch(),
        "make [the report](report.md) a part of every publication; needs the extra `report`",
    ),
    Setting(
        WAREHOUSE, "publish_personal", Switch(default=True),
        "publish the values of columns that name people; without, these columns are empty in the database and in "
        "feeds. See [personal data](privacy.md)",
    ),
    Setting(
        WAREHOUSE, "feeds_have_personal", Switch(),
        "let feeds, and what is delivered of them, have the values of columns that name people; without, these columns "
        "are empty there",
    ),
    Setting(
        WAREHOUSE, "agents_see_personal", Switch(),
        "let [agents](agents.md) read columns that name people, such as names and e-mail addresses",
    ),
    Setting(
        WAREHOUSE, "agents_token", Secret(),
        "the token that [agents](agents.md) need for `referrals mcp --http`, 16 characters or more; without it, a new "
        "one is shown on the terminal",
    ),
    Setting(
        WAREHOUSE, "serve_personal", Switch(),
        "let [`referrals serve`](serving.md) serve the tables that have columns that name people, such as names and "
        "e-mail addresses",
    ),
    Setting(
        WAREHOUSE, "serve_token", Secret(),
        "the token that readers need for [`referrals serve`](serving.md), 16 characters or more; without it, a new one "
        "is shown on the terminal",
    ),
)  # fmt: skip
