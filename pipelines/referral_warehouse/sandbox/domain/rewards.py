"""Rules for rewards: they fall due, are reversed, issued, completed and re-priced.

A *unit* is one reward earned by one referral; it is ``due``, ``issued`` or ``reversed``. A due row holds the units of
one reward and recipient that are still owed; an issued row holds units that were issued together. For each reward and
recipient the events add up: accrued + repriced - reversed - issued - in_process is what is due, and in_process -
completed is what is in process.
"""

from __future__ import annotations

from decimal import Decimal

from referral_warehouse.sandbox.domain.store import NoSuchRow, Store, mills_of, stamp

REFERRING = "Person Referring (Direct User)"
INVITED = "Person Invited (Referred User)"
IN_PROCESS = "Invoice Due"
ISSUED = "Issued"


def accrue(store: Store, campaign_id: int, when: str, referral_id: int, referrer_id: int) -> None:
    """Make the promised rewards due after a referral joined (``invited``) or qualified (``converted``)."""
    for reward_id, reward_for, mills in store.all(
        "select id, reward_for, value_mills from rewards where campaign_id = ? and when_referral = ? order by id",
        campaign_id,
        when,
    ):
        recipient_id = referrer_id if reward_for == REFERRING else referral_id
        if not store.one("select 1 from users where id = ?", recipient_id):
            continue  # the referrer was deleted: nothing is owed to anybody
        key = (reward_id, recipient_id, referral_id)
        state = store.one("select state from units where reward_id = ? and recipient_id = ? and referral_id = ?", *key)
        if state and state[0] != "reversed":
            continue  # earned before and still due, or already issued: no referral is rewarded twice
        store.run("insert or replace into units values (?, ?, ?, 'due')", *key)
        store.run(
            "insert into dues (reward_id, recipient_id, total_due) values (?, ?, 1) "
            "on conflict (reward_id, recipient_id) do update set total_due = total_due + 1",
            reward_id,
            recipient_id,
        )
        due = store.must(
            "due row", "select id from dues where reward_id = ? and recipient_id = ?", reward_id, recipient_id
        )
        store.log(
            "accrued",
            user_id=referral_id,
            campaign_id=campaign_id,
            reward_id=reward_id,
            recipient_id=recipient_id,
            due_id=due[0],
            count=1,
            value_mills=mills,
        )


def reverse(store: Store, referral_id: int) -> None:
    """Reverse the units that a referral earned by converting and that are still due: it is no longer qualified."""
    for reward_id, recipient_id, mills, campaign_id in store.all(
        "select n.reward_id, n.recipient_id, r.value_mills, r.campaign_id from units n join rewards r "
        "on r.id = n.reward_id where n.referral_id = ? and n.state = 'due' and r.when_referral = 'converted' "
        "order by n.reward_id, n.recipient_id",
        referral_id,
    ):
        due_id, total = store.must(
            "due row",
            "select id, total_due from dues where reward_id = ? and recipient_id = ?",
            reward_id,
            recipient_id,
        )
        store.run(
            "update units set state = 'reversed' where reward_id = ? and recipient_id = ? and referral_id = ?",
            reward_id,
            recipient_id,
            referral_id,
        )
        _shrink(store, due_id, total, 1)
        store.log(
            "reversed",
            user_id=referral_id,
            campaign_id=campaign_id,
            reward_id=reward_id,
            recipient_id=recipient_id,
            due_id=due_id,
            count=1,
            value_mills=mills,
        )


def drop_dues(store: Store, recipient_id: int) -> None:
    """Reverse everything that is due to a recipient who is being deleted; what was issued stays."""
    for due_id, reward_id, total, mills, campaign_id in store.all(
        "select d.id, d.reward_id, d.total_due, r.value_mills, r.campaign_id from dues d "
        "join rewards r on r.id = d.reward_id where d.recipient_id = ? order by d.id",
        recipient_id,
    ):
        store.run("delete from dues where id = ?", due_id)
        store.log(
            "reversed",
            user_id=recipient_id,
            campaign_id=campaign_id,
            reward_id=reward_id,
            recipient_id=recipient_id,
            due_id=due_id,
            count=total,
            value_mills=total * mills,
            detail={"because": "recipient deleted"},
        )
    store.run("update units set state = 'reversed' where recipient_id = ? and state = 'due'", recipient_id)


def issue(store: Store, due_id: int, count: int | None = None, in_process: bool = False) -> int:
    """Issue a due row or ``count`` units of it, at once or as an invoice that is still to be paid.

    Raises: NoSuchRow when the row is not due, ValueError when ``count`` is not between 1 and the units that are due.
    """
    reward_id, recipient_id, total, name, reward_for, kind, when, mills, campaign_id, first_name, email = store.must(
        "due row",
        "select d.reward_id, d.recipient_id, d.total_due, r.name, r.reward_for, r.type, r.when_referral, "
        "r.value_mills, r.campaign_id, u.first_name, u.email from dues d join rewards r on r.id = d.reward_id "
        "join users u on u.id = d.recipient_id where d.id = ?",
        due_id,
    )
    count = total if count is None else count
    if not 1 <= count <= total:
        raise ValueError(f"{count} of {total} units cannot be issued.")
    issued_id = store.run(
        "insert into issued (reward_id, reward_name, reward_for, reward_type, reward_when_referral, "
        "reward_value_mills, recipient_id, recipient_first_name, recipient_email, total_due, status, issued_at) "
        "values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        reward_id,
        name,
        reward_for,
        kind,
        when,
        mills,
        recipient_id,
        first_name,
        email,
        count,
        IN_PROCESS if in_process else ISSUED,
        None if in_process else stamp(store.now),
    )
    for (referral_id,) in store.all(
        "select referral_id from units where reward_id = ? and recipient_id = ? and state = 'due' "
        "order by referral_id limit ?",
        reward_id,
        recipient_id,
        count,
    ):
        store.run(
            "update units set state = 'issued' where reward_id = ? and recipient_id = ? and referral_id = ?",
            reward_id,
            recipient_id,
            referral_id,
        )
    _shrink(store, due_id, total, count)
    store.log(
        "in_process" if in_process else "issued",
        campaign_id=campaign_id,
        reward_id=reward_id,
        recipient_id=recipient_id,
        due_id=due_id,
        issued_id=issued_id,
        count=count,
        value_mills=count * mills,
    )
    return issued_id


def complete(store: Store, issued_id: int) -> None:
    """Mark a row in process as paid, with the current date. Completing twice changes nothing."""
    reward_id, recipient_id, count, mills, issued_at, campaign_id = store.must(
        "issued row",
        "select i.reward_id, i.recipient_id, i.total_due, i.reward_value_mills, i.issued_at, r.campaign_id "
        "from issued i join rewards r on r.id = i.reward_id where i.id = ?",
        issued_id,
    )
    if issued_at is not None:
        return
    store.run("update issued set status = ?, issued_at = ? where id = ?", ISSUED, stamp(store.now), issued_id)
    store.log(
        "completed",
        campaign_id=campaign_id,
        reward_id=reward_id,
        recipient_id=recipient_id,
        issued_id=issued_id,
        count=count,
        value_mills=count * mills,
    )


def reprice(store: Store, reward_id: int, value: Decimal | int | str) -> None:
    """Change the price of a reward. It applies to what is due, and not to what was issued.

    Raises: NoSuchRow, or ValueError when the price is negative or finer than a thousandth.
    """
    mills = mills_of(value)
    if mills < 0:
        raise ValueError(f"A price is not negative: {value}.")
    before, campaign_id = store.must("reward", "select value_mills, campaign_id from rewards where id = ?", reward_id)
    if before == mills:
        return
    store.run("update rewards set value_mills = ? where id = ?", mills, reward_id)
    store.log(
        "reward_priced",
        campaign_id=campaign_id,
        reward_id=reward_id,
        value_mills=mills,
        detail={"before_mills": before, "after_mills": mills},
    )
    for due_id, recipient_id, total in store.all(
        "select id, recipient_id, total_due from dues where reward_id = ? order by id", reward_id
    ):
        store.log(
            "repriced",
            campaign_id=campaign_id,
            reward_id=reward_id,
            recipient_id=recipient_id,
            due_id=due_id,
            count=0,
            value_mills=total * (mills - before),
        )


def _shrink(store: Store, due_id: int, total: int, count: int) -> None:
    if count > total:
        raise NoSuchRow(f"Due row {due_id} holds {total} units, not {count}.")
    if count == total:
        store.run("delete from dues where id = ?", due_id)
    else:
        store.run("update dues set total_due = ? where id = ?", total - count, due_id)
