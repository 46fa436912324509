"""An account whose server holds lookups until as many are in flight as could be, so that one sent alone is detected.

Knows the documentation's lists and coupons, and nothing of the loader. Nothing depends on the speed of the machine: a
lookup that is sent with others is answered at once, and only one that stays alone waits for its time limit.
"""

from __future__ import annotations

import json
import threading
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any, Protocol

from tests.account_server import AccountServer, Row, small_account, user

TOGETHER = 8
"""So many requests may be in flight when a run begins."""
ALONE_AFTER_S = 4.0

Parameters = list[tuple[str, str]]


class Held(Protocol):
    """Is called with each request before it is answered, in the thread that answers it."""

    def wait(self, path: str, parameters: Parameters) -> None:
        """Hold the request as long as it should be."""
        ...


class Gate:
    """Holds the lookups of a kind until ``TOGETHER`` of them are in flight, or all those that are left of a round.

    Args:
        is_held: whether a request, by its path and parameters, is of the kind.
        rounds: how many lookups are sent in each round; the next round depends on the responses of the one before.
    """

    def __init__(self, is_held: Callable[[str, Parameters], bool], rounds: Iterable[int]) -> None:
        self._is_held = is_held
        self._rounds = deque(rounds)
        self._left = self._rounds.popleft()
        self._waiting: list[str] = []
        self._condition = threading.Condition()
        self.alone: list[str] = []
        self.passed: list[str] = []

    @property
    def is_done(self) -> bool:
        """Whether all lookups of all rounds were sent."""
        return self._left == 0 and not self._rounds

    def wait(self, path: str, parameters: Parameters) -> None:
        """Hold a request, if it is of the kind; lets all that wait pass when there are enough."""
        if not self._is_held(path, parameters):
            return
        with self._condition:
            waiting = self._waiting
            waiting.append(path)
            self.passed.append(path)
            if self._left == 0 and self._rounds:
                self._left = self._rounds.popleft()
            if len(waiting) >= min(TOGETHER, self._left):
                self._left = max(0, self._left - len(waiting))
                self._waiting = []
                self._condition.notify_all()
            elif not self._condition.wait_for(lambda: self._waiting is not waiting, ALONE_AFTER_S):
                self.alone += waiting
                self._left = max(0, self._left - len(waiting))
                self._waiting = []
                self._condition.notify_all()


class HeldServer(AccountServer):
    """Use as a context manager.

    Attributes:
        coupons: the coupons that are found by their names.
        gates: what is held.
        requests: path and parameters of every request.
    """

    def __init__(self, lists: dict[str, list[Row]] | None = None) -> None:
        super().__init__(lists)
        self.coupons: dict[str, Row] = {}
        self.gates: list[Held] = []
        self.requests: list[tuple[str, Parameters]] = []

    @property
    def names(self) -> list[str]:
        """The names of the coupons that were requested."""
        return [path.removeprefix("coupons/") for path, _ in self.requests if path.startswith("coupons/")]

    def _answer(self, path: str, parameters: Parameters) -> tuple[int, bytes]:
        self.requests.append((path, parameters))
        for gate in self.gates:
            gate.wait(path, parameters)
        if path.startswith("coupons/"):
            coupon = self.coupons.get(path.removeprefix("coupons/"))
            if coupon is None:
                return 404, b'{"message": "Not found"}'
            return 200, json.dumps({"data": coupon}).encode()
        return super()._answer(path, parameters)


def is_name(path: str, _parameters: Parameters) -> bool:
    """A coupon by its name."""
    return path.startswith("coupons/")


def is_count_of_users(path: str, parameters: Parameters) -> bool:
    """A count of users, except that of the people with referrals, which is sent alone."""
    return path == "users" and ("per_page", "1") in parameters and not _has(parameters, "referrals_count")


def is_range_of_users(path: str, parameters: Parameters) -> bool:
    """A page of a range of ids that is bounded above."""
    return path == "users" and ("per_page", "250") in parameters and _has(parameters, "lte")


def _has(parameters: Parameters, value: str) -> bool:
    return any(found == value for _, found in parameters)


def account_with_coupons(batches: int, users: int, without: Iterable[str] = ()) -> tuple[dict[str, list[Row]], Any]:
    """An account whose users have a coupon each, and the coupons by name; the users' coupons lack some fields."""
    lists = small_account(0)
    lists["rewards/due"], lists["rewards/issued"] = [], []
    coupons: dict[str, Row] = {}
    for number in range(1, users + 1):
        batch = (number - 1) % batches + 1
        coupon = {
            "id": number, "name": f"C{number}", "referral_id": number, "batch_id": batch, "issued_at": None,
            "used_at": None,
        }  # fmt: skip
        coupons[f"C{number}"] = {**coupon, "batch": {"id": batch, "name": f"Batch {batch}", "campaign_id": 1}}
        shown = {name: value for name, value in coupon.items() if name not in set(without)}
        lists["users"].append(user(number, referrer_id=None, coupon=shown))
    return lists, coupons
