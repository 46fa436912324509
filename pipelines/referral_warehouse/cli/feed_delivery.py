"""Delivers the feeds after a publication, and what an earlier sync could not deliver; failures are warnings."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING

from referral_warehouse.display_text import one_line
from referral_warehouse.errors import ConfigurationError, ReferralsError
from referral_warehouse.events import log_event, log_task, log_warning
from referral_warehouse.extras import install_step
from referral_warehouse.settings import Settings

if TYPE_CHECKING:
    from referral_warehouse.operate.delivery_place import Place
    from referral_warehouse.settings.delivery_target import DeliveryTarget

TASK = "feeds"
USER_OF_ADDRESS = re.compile(r"(?<=//)[^/@\s]+@")


def refuse_missing_s3_extra(settings: Settings) -> None:
    """Raises: ConfigurationError when feeds are delivered to a bucket and the package for that is not installed."""
    target = settings.deliver_to
    if target is not None and target.folder is None and find_spec("s3fs") is None:
        raise ConfigurationError(
            f"WAREHOUSE__DELIVER_TO is {target}, which needs the package s3fs, and that is not installed.",
            install_step("s3"),
        )


def deliver_published(settings: Settings) -> None:
    """Deliver the feeds of the published snapshot to the place of ``WAREHOUSE__DELIVER_TO``, if it is set.

    Files that are there already are not copied. The snapshot is already published, so a failure is only a warning.
    """
    target = settings.deliver_to
    if target is None:
        return
    from referral_warehouse.operate.feed_delivery import DeliveryFailed, deliver_feeds

    try:
        with _opened(target, settings) as place:
            delivery = deliver_feeds(settings, place)
    except ReferralsError as error:
        _warn_of_failure(target, error, error.advice)
    except DeliveryFailed as error:
        _warn_of_failure(target, error, str(error))
    except Exception as error:
        _warn_of_failure(target, error, f"{type(error).__name__}: {error}")
    else:
        log_task(TASK)
        if delivery is None:
            return
        if delivery.is_new or delivery.copied:
            log_event(
                "operate", "delivery",
                f"the feeds of snapshot {delivery.snapshot} are delivered to {target} ({delivery.copied:,} files)",
                snapshot=delivery.snapshot, files=delivery.copied,
            )  # fmt: skip
        for problem in delivery.problems:
            log_warning("operate", "delivery", f"the feeds are delivered to {target}, but {_shown(problem)}")


@contextmanager
def _opened(target: DeliveryTarget, settings: Settings) -> Iterator[Place]:
    if target.folder is not None:
        from referral_warehouse.operate.delivery_folder import DeliveryFolder
        from referral_warehouse.warehouse.snapshots import access_of

        yield DeliveryFolder(target.folder, access_of(settings))
        return
    from referral_warehouse.operate.delivery_bucket import DeliveryBucket

    bucket = DeliveryBucket(target.bucket, target.prefix)
    try:
        yield bucket
    finally:
        bucket.close()


def _warn_of_failure(target: DeliveryTarget, error: Exception, why: str) -> None:
    log_task(TASK, f"to {target}: {_shown(why)}", type(error).__name__)
    log_warning(
        "operate", "delivery",
        f"the feeds were not delivered to {target}: {_shown(why)}; readers there keep what they have, and the next "
        "sync tries again",
    )  # fmt: skip


def _shown(text: str) -> str:
    """One line of an error text, without the user and password of addresses in it."""
    return one_line(USER_OF_ADDRESS.sub("***@", text)).rstrip(".")
