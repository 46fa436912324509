"""The settings of personal data; a part of the table of all settings."""

from __future__ import annotations

from referral_warehouse.settings.privacy import FORGET, KEEP, POLICIES, field_policies
from referral_warehouse.settings.setting import PRIVACY, Setting
from referral_warehouse.settings.values import (
    Choice,
    FilePath,
    Table,
    WholeNumber,
)

PRIVACY_ROWS: tuple[Setting, ...] = (
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
        "are over, `keep` leaves the last known row. See [retention periods](privacy.md#retention-periods)",
        "privacy_on_delete",
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
)  # fmt: skip
