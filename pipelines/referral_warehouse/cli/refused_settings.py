"""Reads the settings of a command whose runs are recorded: where they are refused, that is recorded and announced.

A scheduler has an environment of its own, so ``referrals status`` in a terminal may not have the same mistake.
"""

from __future__ import annotations

from referral_warehouse.cli.accounts.choice import chosen_name, refuse_all_accounts
from referral_warehouse.cli.configuration import warn_of_files
from referral_warehouse.cli.recorded_run import ending_of
from referral_warehouse.errors import ConfigurationError
from referral_warehouse.settings import Settings, load_settings
from referral_warehouse.workspace.ownership import refuse_files_of_others


def settings_of_run(command: str, *, may_be_together: bool = False, is_part: bool = False) -> Settings:
    """As ``configuration.read_settings``; where they are refused, the run of ``command`` is one that failed.

    It is announced where the directory is known, and recorded where the directory has records already. ``is_part`` is
    true for a run that belongs to another one, which announces it.
    """
    try:
        settings = load_settings(account=chosen_name())
    except ConfigurationError as error:
        _record(command, error, is_part=is_part)
        raise
    if not may_be_together:
        refuse_all_accounts(settings)
    warn_of_files(settings)
    return settings


def _record(command: str, error: ConfigurationError, *, is_part: bool) -> None:
    from referral_warehouse.cli.run_logging import open_log
    from referral_warehouse.operate.announcements import Announcer
    from referral_warehouse.operate.chat_services import refuse_unusable_services
    from referral_warehouse.operate.recorder import Recorder, utc_now
    from referral_warehouse.settings.notify import NotifySettings
    from referral_warehouse.settings.with_mistakes import KnownSettings

    known = KnownSettings()
    directory = known.directory(chosen_name())
    if directory is None:
        return
    settings = Settings(warehouse_dir=directory)
    try:
        refuse_files_of_others(directory)
    except ConfigurationError:
        return
    notify = known.receivers()
    try:
        refuse_unusable_services(notify or NotifySettings())
    except ConfigurationError:
        notify = None
    with open_log():
        recorder = Recorder(settings, command)
        outcome = recorder.refused(ending_of(error))
        if notify is not None:
            Announcer(settings, notify, command, is_silent=is_part).ended(recorder.before, outcome, utc_now())
