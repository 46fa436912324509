"""The settings of the account and its API; a part of the table of all settings."""

from __future__ import annotations

from referral_warehouse.settings.base_url import DEFAULT_BASE_URL
from referral_warehouse.settings.setting import SOURCE, Setting
from referral_warehouse.settings.values import (
    BaseUrl,
    FilePath,
    Names,
    Secret,
    Switch,
    WholeNumber,
)

SOURCE_ROWS: tuple[Setting, ...] = (
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
    Setting(
        SOURCE, "concurrency", WholeNumber(64, 1, 64),
        "requests in flight at most; the actual number [follows latency and budget](performance.md#requests-in-flight)",
    ),
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
)  # fmt: skip
