"""Rules for corrections: payouts are amended, cancelled or fail, rewards are renamed or moved, people are merged.

No correction leaves a date that a client could filter by.
"""

from __future__ import annotations

from decimal import Decimal

from referral_warehouse.sandbox.domain.store import Store, mills_of


def amend_payout(store: Store, issued_id: int, value: Decimal | int | str) -> None:
    """Change the value of each reward of a payout in process.

    Raises: NoSuchRow, or ValueError when the payout is dated or the value is negative or finer than a thousandth.
    """
    reward_id, recipient_id, campaign_id, count, before, issued_at = _payout(store, issued_id)
    mills = mills_of(value)
    if issued_at is not None or mills < 0:
        raise ValueError(f"Payout {issued_id} cannot be amended to {value}.")
    store.run("update issued set reward_value_mills = ? where id = ?", mills, issued_id)
    store.log(
        "payout_amended",
        campaign_id=campaign_id,
        reward_id=reward_id,
        recipient_id=recipient_id,
        issued_id=issued_id,
        count=0,
        value_mills=count * (mills - before),
    )


def cancel_payout(store: Store, issued_id: int, status: str = "Cancelled") -> None:
    """Cancel a payout in process; its row stays in the list without a date.

    Raises: NoSuchRow, or ValueError when the payout is dated.
    """
    reward_id, recipient_id, campaign_id, count, mills, issued_at = _payout(store, issued_id)
    if issued_at is not None:
        raise ValueError(f"Payout {issued_id} is dated and cannot be cancelled.")
    store.run("update issued set status = ? where id = ?", status, issued_id)
    store.log(
        "payout_cancelled",
        campaign_id=campaign_id,
        reward_id=reward_id,
        recipient_id=recipient_id,
        issued_id=issued_id,
        count=count,
        value_mills=count * mills,
        detail={"status": status},
    )


def fail_payout(store: Store, issued_id: int) -> None:
    """Undo a dated payout that failed: its row is removed, and the same rewards are due again at the current price.

    Raises: NoSuchRow, or ValueError when the payout has no date.
    """
    reward_id, recipient_id, campaign_id, count, mills, issued_at = _payout(store, issued_id)
    if issued_at is None:
        raise ValueError(f"Payout {issued_id} is still in process and cannot have failed.")
    store.must("user", "select id from users where id = ?", recipient_id)
    (price,) = store.must("reward", "select value_mills from rewards where id = ?", reward_id)
    store.run("delete from issued where id = ?", issued_id)
    store.run(
        "insert into dues (reward_id, recipient_id, total_due) values (?, ?, ?) "
        "on conflict (reward_id, recipient_id) do update set total_due = total_due + excluded.total_due",
        reward_id,
        recipient_id,
        count,
    )
    store.run(
        "update units set state = 'due' where (reward_id, recipient_id, referral_id) in ("
        "select reward_id, recipient_id, referral_id from units "
        "where reward_id = ? and recipient_id = ? and state = 'issued' order by referral_id limit ?)",
        reward_id,
        recipient_id,
        count,
    )
    for kind, number, value in (("payout_failed", count, count * mills), ("repriced", 0, count * (price - mills))):
        if number or value:
            store.log(
                kind,
                campaign_id=campaign_id,
                reward_id=reward_id,
                recipient_id=recipient_id,
                issued_id=issued_id,
                count=number,
                value_mills=value,
            )


def rename_reward_type(store: Store, reward_id: int, reward_type: str) -> None:
    """Rename the type of a reward, also on the rows of both reward lists.

    Raises: NoSuchRow.
    """
    campaign_id, before = store.must("reward", "select campaign_id, type from rewards where id = ?", reward_id)
    store.run("update rewards set type = ? where id = ?", reward_type, reward_id)
    store.run("update issued set reward_type = ? where reward_id = ?", reward_type, reward_id)
    store.log(
        "reward_type_renamed",
        campaign_id=campaign_id,
        reward_id=reward_id,
        detail={"before": before, "after": reward_type},
    )


def move_reward(store: Store, reward_id: int, campaign_id: int) -> None:
    """Move a reward to another campaign; people keep the units that they have earned.

    Raises: NoSuchRow.
    """
    (before,) = store.must("reward", "select campaign_id from rewards where id = ?", reward_id)
    store.must("campaign", "select id from campaigns where id = ?", campaign_id)
    store.run("update rewards set campaign_id = ? where id = ?", campaign_id, reward_id)
    store.log("reward_moved", campaign_id=campaign_id, reward_id=reward_id, detail={"before": before})


def merge_users(store: Store, user_id: int, into_id: int) -> None:
    """Merge two users of one person: move the referrals of the one to the other. Neither is deleted.

    Raises: NoSuchRow, or ValueError when the two are the same or in different campaigns.
    """
    campaign_id, referrals, converted = store.must(
        "user", "select campaign_id, referrals_count, converted_referrals_count from users where id = ?", user_id
    )
    (into_campaign_id,) = store.must("user", "select campaign_id from users where id = ?", into_id)
    if user_id == into_id or campaign_id != into_campaign_id:
        raise ValueError(f"Users {user_id} and {into_id} cannot be merged.")
    store.run("update users set referrer_id = ? where referrer_id = ? and id <> ?", into_id, user_id, into_id)
    kept, kept_converted = store.must(
        "user", "select count(*), coalesce(sum(qualified), 0) from users where referrer_id = ?", user_id
    )
    store.run(
        "update users set referrals_count = ?, converted_referrals_count = ? where id = ?",
        kept,
        kept_converted,
        user_id,
    )
    store.run(
        "update users set referrals_count = referrals_count + ?, "
        "converted_referrals_count = converted_referrals_count + ? where id = ?",
        referrals - kept,
        converted - kept_converted,
        into_id,
    )
    store.log("users_merged", user_id=into_id, campaign_id=campaign_id, recipient_id=user_id, count=referrals - kept)


def _payout(store: Store, issued_id: int) -> tuple[int, int, int, int, int, str | None]:
    """Reward, recipient, campaign, count, mills of one reward, and date of a row of the issued list."""
    row = store.must(
        "issued row",
        "select i.reward_id, i.recipient_id, r.campaign_id, i.total_due, i.reward_value_mills, i.issued_at "
        "from issued i join rewards r on r.id = i.reward_id where i.id = ?",
        issued_id,
    )
    return row[0], row[1], row[2], row[3], row[4], row[5]
