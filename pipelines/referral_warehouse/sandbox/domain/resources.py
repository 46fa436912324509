"""The documented resources as views of the tables: fields, kinds of values, relations; reads and changes no row."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Field:
    """One documented field: its name, the kind of its value and its SQL expression."""

    name: str
    kind: str  # id int money bool datetime date text json sharing
    sql: str

    @property
    def is_scalar(self) -> bool:
        """Whether the field can be filtered and ordered by."""
        return self.kind not in ("json", "sharing")


@dataclass(frozen=True)
class Relation:
    """A related resource: rows whose ``remote`` expression equals the owner's ``local`` expression."""

    resource: str
    local: str
    remote: str
    many: bool = False


@dataclass(frozen=True)
class Resource:
    """A list of the documentation: its fields in order, its tables and its relations."""

    name: str
    source: str
    key: str
    fields: Mapping[str, Field]
    relations: Mapping[str, Relation] = field(default_factory=dict)


def _resource(
    name: str, source: str, key: str, columns: str, relations: Mapping[str, Relation] | None = None
) -> Resource:
    """Columns are written ``name kind expression`` one to a line."""
    specs = [Field(*line.split(maxsplit=2)) for line in columns.strip().splitlines()]
    return Resource(name, source, key, {spec.name: spec for spec in specs}, relations or {})


CAMPAIGNS = _resource(
    "campaigns",
    "campaigns c",
    "c.id",
    """
    id id c.id
    name text c.name
    url text c.url
    code text c.code
    reach int c.reach
    live bool c.live
    status text c.status
    starts_at datetime c.starts_at
    ends_at datetime c.ends_at
    """,
)

USERS = _resource(
    "users",
    "users u left join campaigns uc on uc.id = u.campaign_id",
    "u.id",
    """
    id id u.id
    campaign_id id u.campaign_id
    referrer_id id u.referrer_id
    qualified bool u.qualified
    qualified_at datetime u.qualified_at
    unsubscribed bool u.unsubscribed
    unsubscribed_at datetime u.unsubscribed_at
    first_name text u.first_name
    email text u.email
    code text u.code
    reach int u.reach
    referrals_count int u.referrals_count
    converted_referrals_count int u.converted_referrals_count
    source text u.source
    date datetime u.date
    url text u.url
    meta json u.meta
    sharing sharing u.url || '|' || uc.networks
    sharing_message json uc.sharing_message
    """,
    {
        "campaign": Relation("campaigns", "u.campaign_id", "c.id"),
        "referrer": Relation("users", "u.referrer_id", "u.id"),
        "coupon": Relation("coupons", "u.id", "k.referral_id"),
        "rewards_due": Relation("user_rewards_due", "u.id", "d.recipient_id", many=True),
        "rewards_issued": Relation("user_rewards_issued", "u.id", "i.recipient_id", many=True),
    },
)

REWARDS = _resource(
    "rewards",
    "rewards r",
    "r.id",
    """
    id id r.id
    campaign_id id r.campaign_id
    name text r.name
    reward_for text r.reward_for
    type text r.type
    value money r.value_mills
    when_referral text r.when_referral
    """,
    {"campaign": Relation("campaigns", "r.campaign_id", "c.id")},
)

_DUES = "dues d join rewards r on r.id = d.reward_id join users u on u.id = d.recipient_id"

REWARDS_DUE = _resource(
    "rewards_due",
    _DUES,
    "d.id",
    """
    id id d.id
    reward_id id d.reward_id
    reward_for text r.reward_for
    reward_type text r.type
    reward_when_referral text r.when_referral
    reward_value money r.value_mills
    recipient_id id d.recipient_id
    recipient_first_name text u.first_name
    recipient_email text u.email
    total_due int d.total_due
    total_value money d.total_due * r.value_mills
    status text 'Due'
    issued_at datetime null
    """,
    {
        "reward": Relation("rewards", "d.reward_id", "r.id"),
        "recipient": Relation("users", "d.recipient_id", "u.id"),
    },
)

REWARDS_ISSUED = _resource(
    "rewards_issued",
    "issued i",
    "i.id",
    """
    id id i.id
    reward_id id i.reward_id
    reward_for text i.reward_for
    reward_type text i.reward_type
    reward_when_referral text i.reward_when_referral
    reward_value money i.reward_value_mills
    recipient_id id i.recipient_id
    recipient_first_name text i.recipient_first_name
    recipient_email text i.recipient_email
    total_due int i.total_due
    total_value money i.total_due * i.reward_value_mills
    status text i.status
    issued_at datetime i.issued_at
    """,
    {
        "reward": Relation("rewards", "i.reward_id", "r.id"),
        "recipient": Relation("users", "i.recipient_id", "u.id"),
    },
)

# The short forms of rewards within a user.
USER_REWARDS_DUE = _resource(
    "user_rewards_due",
    _DUES,
    "d.id",
    """
    reward_id id d.reward_id
    reward_name text r.name
    reward_value money r.value_mills
    rewards_total int d.total_due
    rewards_value money d.total_due * r.value_mills
    referrer_name text u.first_name
    referrer_email text u.email
    issued_at datetime null
    in_cart bool 0
    """,
)

USER_REWARDS_ISSUED = _resource(
    "user_rewards_issued",
    "issued i",
    "i.id",
    """
    reward_id id i.reward_id
    reward_name text i.reward_name
    reward_value money i.reward_value_mills
    rewards_total int i.total_due
    rewards_value money i.total_due * i.reward_value_mills
    referrer_name text i.recipient_first_name
    referrer_email text i.recipient_email
    issued_at datetime i.issued_at
    in_cart bool 0
    """,
)

BATCHES = _resource(
    "batches",
    "batches b",
    "b.id",
    """
    id id b.id
    name text b.name
    campaign_id id b.campaign_id
    created_at date b.created_at
    """,
)

_COUPON_COLUMNS = """
    id id k.id
    name text k.name
    referral_id id k.referral_id
    batch_id id k.batch_id
    issued_at date k.issued_at
    used_at date k.used_at
    """

COUPONS = _resource(
    "coupons",
    "coupons k",
    "k.id",
    _COUPON_COLUMNS,
    {"referral": Relation("users", "k.referral_id", "u.id"), "batch": Relation("batches", "k.batch_id", "b.id")},
)

# Every coupon with its batch, which no endpoint returns: for comparing a warehouse with the account.
ALL_COUPONS = _resource(
    "all_coupons",
    "coupons k join batches b on b.id = k.batch_id",
    "k.id",
    _COUPON_COLUMNS.rstrip() + "\n    batch_name text b.name\n    campaign_id id b.campaign_id",
)

RESOURCES: Mapping[str, Resource] = {
    resource.name: resource
    for resource in (
        CAMPAIGNS,
        USERS,
        REWARDS,
        REWARDS_DUE,
        REWARDS_ISSUED,
        USER_REWARDS_DUE,
        USER_REWARDS_ISSUED,
        BATCHES,
        COUPONS,
    )
}

TABLES: Mapping[str, Resource] = {
    "campaigns": CAMPAIGNS,
    "users": USERS,
    "rewards": REWARDS,
    "rewards_due": REWARDS_DUE,
    "rewards_issued": REWARDS_ISSUED,
    "coupons": ALL_COUPONS,
}
