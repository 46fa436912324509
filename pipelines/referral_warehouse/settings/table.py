"""The table of all settings: where each is given, what it may be, its default and what it means.

Everything that concerns a setting follows from its row: reading it, its default, names that are not known, ``referrals
config`` and the tables of docs/settings.md. A new section begins with its first row.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from referral_warehouse.settings.base_url import DEFAULT_BASE_URL
from referral_warehouse.settings.delivery_target import PlaceOfFeeds
from referral_warehouse.settings.destination_names import DATASET, DatasetName, DestinationNames
from referral_warehouse.settings.lake_target import DUCKDB, DUCKLAKE, CatalogOfLake
from referral_warehouse.settings.notify import EVENTS, TIMEOUT_LIMITS_S, TIMEOUT_S
from referral_warehouse.settings.privacy import FORGET, KEEP, POLICIES, field_policies
from referral_warehouse.settings.readers_group import GroupOfReaders
from referral_warehouse.settings.reward_units import reward_units
from referral_warehouse.settings.sources import variable
from referral_warehouse.settings.unit_terms import expires_after_days, settles_on
from referral_warehouse.settings.values import (
    BaseUrl,
    Choice,
    Directory,
    FilePath,
    Kind,
    Names,
    OfNotify,
    Secret,
    Switch,
    Table,
    WholeNumber,
)

Section = tuple[str, ...]
SOURCE: Section = ("sources", "referral_factory")
WAREHOUSE: Section = ("warehouse",)
PRIVACY: Section = ("privacy",)
NOTIFY: Section = ("notify",)


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting. ``meaning`` is Markdown of docs/; ``field`` is the one of Settings, if that is not the key.

    The section ``notify`` has no fields in Settings: ``settings.notify`` reads it where notifications are sent.
    """

    section: Section
    key: str
    kind: Kind
    meaning: str
    field: str = ""

    @property
    def name(self) -> str:
        """The environment variable, which is also the name in messages."""
        return variable(self.section, self.key)

    @property
    def attribute(self) -> str:
        """The field of Settings that holds the value."""
        return self.field or self.key

    @property
    def is_secret(self) -> bool:
        """Whether the value is shown nowhere."""
        return isinstance(self.kind, Secret) or (isinstance(self.kind, OfNotify) and self.kind.is_secret)


TABLE: tuple[Setting, ...] = (
    Setting(SOURCE, "api_token", Secret(), "the access token"),
    Setting(
        SOURCE, "api_token_file", FilePath(holds="api_token"),
        "path of a file that contains the access token and nothing else, as Docker secrets and credentials of systemd "
        "are; instead of the token itself",
    ),
    Setting(
        SOURCE, "base_url", BaseUrl(DEFAULT_BASE_URL), "address of the API; plain http only for this machine",
    ),
    Setting(
        SOURCE, "calls_per_minute", WholeNumber(540, 0, 600),
        "call budget of all processes of this machine that use the token; 0 removes the limit, only for a server on "
        "this machine",
    ),
    Setting(SOURCE, "concurrency", WholeNumber(8, 1, 64), "requests in flight"),
    Setting(SOURCE, "overlap_days", WholeNumber(1, 1, 366), "days before a cursor that are read again"),
    Setting(SOURCE, "timeout_s", WholeNumber(60, 1, 600), "seconds until a request is abandoned"),
    Setting(
        SOURCE, "sweep_every_days", WholeNumber(7, 0, 3660),
        "at most this many days between two sweeps, which read every user again; 0 sweeps at every sync",
    ),
    Setting(
        SOURCE, "issued_lookback_days", WholeNumber(35, 0, 3660),
        "rewards issued in this many days before a sync are read again; undated ones are read again at every sync",
    ),
    Setting(
        SOURCE, "refresh_calls", WholeNumber(20, 0, 10_000),
        "at most about this many calls a sync for changes of users that leave no date: first for referrals that went "
        "to another referrer, then for [reading users again](streams.md#reading-users-again); 0 leaves both to the "
        "sweep",
    ),
    Setting(SOURCE, "slice_rows", WholeNumber(50_000, 250, 1_000_000), "rows per committed slice of a long load"),
    Setting(
        SOURCE, "streams", Names(),
        "the streams that are loaded, separated by commas (in TOML also a list); the others are [left out](privacy.md"
        "#leaving-streams-and-fields-out). Without it, all are loaded",
    ),
    Setting(
        SOURCE, "coupon_names_file", FilePath(),
        "path of a file with names of unassigned coupons: one name a line, UTF-8, no comments",
    ),
    Setting(
        SOURCE, "simulated_time", Switch(),
        "use the server's `Date` without a check, for a sandbox that simulates days; only for a server on this machine",
    ),
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
        WAREHOUSE, "readers_group", GroupOfReaders(),
        "name or number of a group whose members may read what is published; without it, only the user that syncs may. "
        "See [readers](readers.md)",
    ),
    Setting(WAREHOUSE, "keep_snapshots", WholeNumber(5, 1, 10_000), "published snapshots that are kept"),
    Setting(
        WAREHOUSE, "snapshot_grace_minutes", WholeNumber(15, 0, 10_080),
        "minutes that a snapshot stays after another one replaced it, for those who are still reading it",
    ),
    Setting(
        WAREHOUSE, "deliver_to", PlaceOfFeeds(),
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
        WAREHOUSE, "lake_catalog", CatalogOfLake(),
        "the catalog of the lake: `postgresql://user:password@host/database`, or for one machine the path of a file "
        "that ends with `.sqlite` or `.duckdb`. The password is shown nowhere",
    ),
    Setting(
        WAREHOUSE, "lake_data", PlaceOfFeeds(),
        "the data of the lake: a folder of its own, or `s3://bucket/prefix`",
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
        "the token that `referrals mcp --http` asks [agents](agents.md) for, 16 characters or more; without it, a new "
        "one is shown on the terminal",
    ),
    Setting(
        WAREHOUSE, "serve_personal", Switch(),
        "let [`referrals serve`](serving.md) serve the tables that have columns that name people, such as names and "
        "e-mail addresses",
    ),
    Setting(
        WAREHOUSE, "serve_token", Secret(),
        "the token that [`referrals serve`](serving.md) asks readers for, 16 characters or more; without it, a new one "
        "is shown on the terminal",
    ),
    Setting(
        PRIVACY, "mode", Choice(KEEP, POLICIES),
        "what is stored of personal fields: as received, a pseudonym made with the key, or nothing. A change holds for "
        "what is stored too. See [policy](privacy.md#policy)", "privacy_mode",
    ),
    Setting(
        PRIVACY, "fields", Table(field_policies),
        'another policy for single fields, as in `{"users.email": "keep"}`', "privacy_fields",
    ),
    Setting(
        PRIVACY, "key_file", FilePath(),
        "path of the file with the key of pseudonyms, outside the directory of the deployment; `referrals privacy "
        "--new-key` makes it", "privacy_key_file",
    ),
    Setting(
        PRIVACY, "on_delete", Choice(FORGET, (FORGET, KEEP)),
        "what a sync does about people who are deleted in the account: `forget` erases them once `PRIVACY__GRACE_DAYS` "
        "are over, `keep` leaves the last known row. See [periods](privacy.md#retention-periods)", "privacy_on_delete",
    ),
    Setting(
        PRIVACY, "grace_days", WholeNumber(30, 0, 3660),
        "whole days (UTC) from the day on which a deletion was first observed until the person is forgotten",
        "privacy_grace_days",
    ),
    Setting(
        PRIVACY, "retain_days", WholeNumber(0, 0, 36_600),
        "whole days (UTC) without [activity](privacy.md#activity) and without anything owed after which a sync forgets "
        "a person; 0 forgets nobody for that", "privacy_retain_days",
    ),
    Setting(
        PRIVACY, "quarantine_days", WholeNumber(90, 0, 3660),
        "whole days (UTC) that a record stays in the quarantine as it was received, once it was not received so again; "
        "afterwards its id, times and the field stay. 0 keeps it", "privacy_quarantine_days",
    ),
    Setting(
        PRIVACY, "log_days", WholeNumber(365, 0, 3660),
        "whole days (UTC) that error texts of runs stay in the load file, and outcomes of runs in `state/`; 0 keeps "
        "them", "privacy_log_days",
    ),
    Setting(
        NOTIFY, "url", OfNotify(is_secret=True),
        "receives a JSON object by POST for each run with an event; http or https", "notify_url",
    ),
    Setting(
        NOTIFY, "ping_url", OfNotify(is_secret=True),
        "is called at the start (`/start`), the success and the failure (`/fail`) of runs", "notify_ping_url",
    ),
    Setting(
        NOTIFY, "command", OfNotify(),
        "a program with its arguments, which gets the same object on standard input. No shell runs it: write "
        "`sh -c '…'` for a pipe. Only from the environment or `~/.dlt`, because it is executed", "notify_command",
    ),
    Setting(
        NOTIFY, "events", OfNotify(",".join(EVENTS)),
        "which events are sent, separated by commas (in TOML also a list)", "notify_events",
    ),
    Setting(
        NOTIFY, "timeout_s", WholeNumber(TIMEOUT_S, *TIMEOUT_LIMITS_S), "seconds that one of these may take",
        "notify_timeout_s",
    ),
)  # fmt: skip

SECTIONS: dict[Section, dict[str, Setting]] = {
    section: {setting.key: setting for setting in TABLE if setting.section == section}
    for section in dict.fromkeys(setting.section for setting in TABLE)
}
"""The settings of each section by key, in the order of the table."""


def default_of(attribute: str) -> Any:
    """The default of a field of Settings, as the table states it."""
    return next(setting.kind.default for setting in TABLE if setting.attribute == attribute)


def numbers() -> dict[str, WholeNumber]:
    """The fields of Settings that are numbers."""
    return {
        setting.attribute: setting.kind
        for setting in TABLE
        if isinstance(setting.kind, WholeNumber) and setting.section != NOTIFY
    }
