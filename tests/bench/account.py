"""A made-up account of N users with the rest in proportion, rendered to JSON bytes once, before anything is timed.

Ids are 1 … N in every list, so that an id range is a slice of one byte string. Numbers agree with each other
(counts with the tree, totals with values, recipients with campaigns), because the models check them.
Everything follows from N alone: two servers of the same size serve the same bytes.
"""

from __future__ import annotations

import json
from array import array
from datetime import datetime, timedelta

from tests.bench.lists import Rows

CAMPAIGNS = 5
LATER_DAY = 5
"""How many days after everything else the users join who are served later."""
FIRST_DAY = datetime(2023, 1, 2, 8)  # noqa: DTZ001 — rendered with a Z below
DAYS = 900
FIRST_NAMES = (
    "Ada",
    "Björn",
    "Chloé",
    "Dmitri",
    "Eun-ji",
    "Fatima",
    "Grace",
    "Håkon",
    "Inés",
    "Jürgen",
    "Kofi",
    "Łucja",
)
SOURCES = ("Direct", "Added", "API")
NETWORKS = ("facebook", "whatsapp", "linkedin", "email")
REWARD_TYPES = ("Amazon Voucher", "Cash Digital Card", "Coupon")
FOR_REFERRER, FOR_INVITED = "Person Referring (Direct User)", "Person Invited (Referred User)"


class Account:
    """The lists of the API by path, and the coupons by name.

    Args:
        users: how many users there are at first.
        campaigns: how many campaigns there are; each has a batch of coupons.
        reward_page_rows: the most rows of a page of the lists of rewards.
        later: how many more users there are after ``grow``; nobody referred them.
    """

    def __init__(self, users: int, campaigns: int = CAMPAIGNS, reward_page_rows: int = 250, later: int = 0) -> None:
        self.size = users
        self.campaigns = campaigns
        # Campaigns 1 and 2 have three rewards, the others two; the first is the referrer's, the second the invited
        # person's.
        self.reward_campaigns = [number for number in range(1, campaigns + 1) for _ in range(3 if number < 3 else 2)]
        self.coupons: dict[str, dict[str, object]] = {}
        self._draw_tree()
        self.lists = {
            "campaigns": self._campaigns(),
            "users": self._users(later),
            "rewards": self._rewards(),
            "rewards/due": self._due(),
            "rewards/issued": self._issued(),
        }
        for path, rows in self.lists.items():
            rows.seal(later if path == "users" else 0, reward_page_rows if path.startswith("rewards") else 250)

    def grow(self) -> None:
        """Serve the users who come later, too."""
        self.lists["users"].seal()

    def _draw_tree(self) -> None:
        """Who joined which campaign through whom: 55 % by referral, a fifth qualified, most by early joiners."""
        self.campaign = array("B", bytes(self.size))
        self.referrer = array("I", bytes(4 * self.size))
        self.referrals = array("I", bytes(4 * self.size))
        self.converted = array("I", bytes(4 * self.size))
        self.qualified = bytearray(self.size)
        members: list[array[int]] = [array("I") for _ in range(self.campaigns)]
        for index in range(self.size):
            drawn = (index * 2654435761 + 12345) % 2**32
            campaign = (drawn >> 8) % self.campaigns
            self.campaign[index] = campaign + 1
            earlier = members[campaign]
            if index % 20 >= 9 and earlier:
                share = (drawn >> 8) / 2**24
                referrer = earlier[int(len(earlier) * share**3)]
                self.referrer[index] = referrer + 1
                self.referrals[referrer] += 1
                if index % 20 in (9, 11, 13, 15):
                    self.qualified[index] = 1
                    self.converted[referrer] += 1
            earlier.append(index)

    def _at(self, index: int, days_later: float = 0) -> str:
        joined = index * DAYS / self.size
        moment = FIRST_DAY + timedelta(days=min(joined + days_later, DAYS))
        return f"{moment.isoformat(timespec='seconds')}.000000Z"

    def _campaigns(self) -> Rows:
        rows = Rows()
        for number in range(1, self.campaigns + 1):
            rows.add({
                "id": number, "name": f"Campaign {number}", "url": f"https://example.com/c{number}",
                "code": f"camp{number}", "reach": self.size * 3, "live": True, "status": "launched",
                "starts_at": None, "ends_at": None,
            })  # fmt: skip
        return rows

    def _users(self, later: int) -> Rows:
        rows = Rows(dates=("date", "qualified_at", "unsubscribed_at"), flags=("qualified", "unsubscribed"))
        for index in range(self.size):
            number, code = index + 1, f"c{index * 48271 % 2**31:08x}"
            at = self._at(index)
            qualified_at = self._at(index, index % 17 + 0.25) if self.qualified[index] else None
            unsubscribed_at = self._at(index, index % 201) if index % 33 == 7 else None
            referrer = self.referrer[index]
            url = f"https://promo.example.com/{code}"
            row = (
                f'{{"id":{number},"first_name":"{FIRST_NAMES[index % 12]}","email":"user{number}@example.com",'
                f'"referrer_id":{referrer or "null"},"campaign_id":{self.campaign[index]},'
                f'"qualified":{_flag(qualified_at)},"qualified_at":{_text(qualified_at)},'
                f'"unsubscribed":{_flag(unsubscribed_at)},"unsubscribed_at":{_text(unsubscribed_at)},'
                f'"code":"{code}","url":"{url}","meta":{_meta(index)},"sharing":['
                + ",".join(f'{{"social":"{name}","url":"{url}/socials/{name}"}}' for name in NETWORKS)
                + f'],"sharing_message":{{"subject":"A present for you","text":"Join through my link and both of us '
                f'get something: {url}"}},"reach":{number % 40 + self.referrals[index] * 3},'
                f'"referrals_count":{self.referrals[index]},"converted_referrals_count":{self.converted[index]},'
                f'"source":"{"Referred" if referrer else SOURCES[index % 3]}","date":"{at}"}}'
            )
            moments = (at, qualified_at, unsubscribed_at)
            coupon = self._coupon(index, at, qualified_at) if index % 10 == 3 else None
            rows.add_rendered(row.encode(), moments, (qualified_at is not None, unsubscribed_at is not None), coupon)
        for index in range(self.size, self.size + later):
            at = f"{(FIRST_DAY + timedelta(days=DAYS + LATER_DAY)).isoformat(timespec='seconds')}.000000Z"
            joined = _joined_later(index + 1, index % self.campaigns + 1, at)
            rows.add_rendered(json.dumps(joined, separators=(",", ":")).encode(), (at, None, None), (False, False))
        return rows

    def _coupon(self, index: int, issued_at: str, used_at: str | None) -> bytes:
        batch = self.campaign[index]
        coupon = {
            "id": index // 10 + 1, "referral_id": index + 1, "name": f"GIFT {index + 1}", "batch_id": batch,
            "issued_at": issued_at[:10], "used_at": used_at[:10] if used_at else None,
        }  # fmt: skip
        self.coupons[str(coupon["name"])] = coupon
        return json.dumps(coupon, separators=(",", ":")).encode()

    def batch(self, number: int) -> dict[str, object]:
        return {"id": number, "name": f"Batch {number}", "campaign_id": number, "created_at": "2022-12-01"}

    def _rewards(self) -> Rows:
        rows = Rows()
        for index, campaign in enumerate(self.reward_campaigns):
            rows.add({"id": index + 1, "campaign_id": campaign, "name": f"Reward {index + 1}"} | {
                "reward_for": self._reward_for(index), "type": REWARD_TYPES[index % 3], "value": _value(index),
                "when_referral": "converted",
            })  # fmt: skip
        return rows

    def _earned(self) -> list[tuple[int, int]]:
        """(reward, recipient) indexes, one per qualified referral: three for the invited person, then one referrer."""
        earned: list[tuple[int, int]] = []
        for index in range(self.size):
            if self.qualified[index]:
                own = self.reward_campaigns.index(self.campaign[index])
                earned.append((own, self.referrer[index] - 1) if len(earned) % 4 == 3 else (own + 1, index))
        return earned

    def _issued(self) -> Rows:
        """6 % of the users, one row per issuing; every fiftieth is in process and has no date."""
        rows = Rows(dates=("issued_at",), words=("status",))
        for number, (reward, recipient) in enumerate(self._earned()[: self.size * 6 // 100], start=1):
            issued_at = None if number % 50 == 0 else self._at(recipient, 30)
            row = self._owed(number, reward, recipient, 1)
            rows.add(row | {"status": "Issued" if issued_at else "Invoice Due", "issued_at": issued_at})
        return rows

    def _due(self) -> Rows:
        """4 % of the users, one row per reward and recipient."""
        rows, totals = Rows(dates=("issued_at",)), dict[tuple[int, int], int]()
        for key in self._earned()[self.size * 6 // 100 :]:
            if key in totals or len(totals) < self.size * 4 // 100:
                totals[key] = totals.get(key, 0) + 1
        for number, ((reward, recipient), total) in enumerate(totals.items(), start=1):
            rows.add(self._owed(number, reward, recipient, total) | {"status": "Due", "issued_at": None})
        return rows

    def _reward_for(self, index: int) -> str:
        own = self.reward_campaigns
        is_second = index > 0 and own[index - 1] == own[index] and index not in (2, 5)
        return FOR_INVITED if is_second else FOR_REFERRER

    def _owed(self, number: int, reward: int, recipient: int, total: int) -> dict[str, object]:
        return {
            "id": number,
            "reward_id": reward + 1,
            "reward_for": self._reward_for(reward),
            "reward_type": REWARD_TYPES[reward % 3],
            "reward_when_referral": "converted",
            "reward_value": _value(reward),
            "recipient_id": recipient + 1,
            "recipient_first_name": FIRST_NAMES[recipient % 12],
            "recipient_email": f"user{recipient + 1}@example.com",
            "total_due": total,
            "total_value": round(total * _value(reward), 2),
        }


def _value(index: int) -> float:
    return 5 * (index + 1) - 0.01


def _joined_later(number: int, campaign: int, at: str) -> dict[str, object]:
    return {
        "id": number, "first_name": "Lena", "email": f"user{number}@example.com", "referrer_id": None,
        "campaign_id": campaign, "qualified": False, "qualified_at": None, "unsubscribed": False,
        "unsubscribed_at": None, "code": f"c{number}", "url": f"https://promo.example.com/c{number}", "meta": {},
        "sharing": [], "sharing_message": None, "reach": 0, "referrals_count": 0, "converted_referrals_count": 0,
        "source": "Direct", "date": at,
    }  # fmt: skip


def _meta(index: int) -> str:
    if index % 3 == 0:
        return "{}"
    return f'{{"company":"Example {index % 997} Ltd","phone":"+00 555 {index:07d}","newsletter":"yes","notes":null}}'


def _flag(value: str | None) -> str:
    return "false" if value is None else "true"


def _text(value: str | None) -> str:
    return "null" if value is None else f'"{value}"'
