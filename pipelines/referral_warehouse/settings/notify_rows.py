"""The settings of notifications; a part of the table of all settings."""

from __future__ import annotations

from referral_warehouse.settings.notify import EVENTS, TIMEOUT_LIMITS_S, TIMEOUT_S
from referral_warehouse.settings.setting import NOTIFY, Setting
from referral_warehouse.settings.values import (
    NotifyValue,
    WholeNumber,
)

NOTIFY_ROWS: tuple[Setting, ...] = (
    Setting(
        NOTIFY, "url", NotifyValue(is_secret=True),
        "receives a JSON object by POST for each run with an event; http or https", "notify_url",
    ),
    Setting(
        NOTIFY, "ping_url", NotifyValue(is_secret=True),
        "is called at the start (`/start`), the success and the failure (`/fail`) of runs", "notify_ping_url",
    ),
    Setting(
        NOTIFY, "command", NotifyValue(),
        "a program with its arguments, which gets the same object on standard input. No shell runs it: write "
        "`sh -c '…'` for a pipe. Only from the environment or `~/.dlt`, because it is executed", "notify_command",
    ),
    Setting(
        NOTIFY, "apprise_urls", NotifyValue(is_secret=True),
        "addresses of chat services in the form of [Apprise](monitoring.md#chat-services), separated by blanks (in "
        "TOML also a list); needs the extra `notify`", "notify_apprise_urls",
    ),
    Setting(
        NOTIFY, "events", NotifyValue(",".join(EVENTS)),
        "which events are sent, separated by commas (in TOML also a list)", "notify_events",
    ),
    Setting(
        NOTIFY, "timeout_s", WholeNumber(TIMEOUT_S, *TIMEOUT_LIMITS_S), "seconds that one of these may take",
        "notify_timeout_s",
    ),
)  # fmt: skip
