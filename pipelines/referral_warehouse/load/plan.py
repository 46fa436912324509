"""The plan of a run of the loader as data: what must precede what, and why.

``runner`` takes the steps in the order that follows. Knows names of steps and streams; reads and writes nothing.
"""

from __future__ import annotations

from collections.abc import Container, Iterable
from dataclasses import dataclass
from graphlib import CycleError

RECOGNISE_ACCOUNT = "recognise the account"
CORRECT_TIMES = "correct stored times"
READ = "read a stream"
"""The step for the reading of every stream; the step of a single stream has the stream's name."""
COMMIT_LISTS = "commit the complete lists"
COMPARE_COUNTS = "compare counts and repair"
SAVE_ROUNDS = "save what keeps rows fresh"
STEPS = (RECOGNISE_ACCOUNT, CORRECT_TIMES, READ, COMMIT_LISTS, COMPARE_COUNTS, SAVE_ROUNDS)


@dataclass(frozen=True, slots=True)
class Precedence:
    """One step that must be complete before another one begins, and the reason."""

    first: str
    then: str
    why: str


PRECEDENCES = (
    Precedence(RECOGNISE_ACCOUNT, CORRECT_TIMES, "the clock of another account must not correct what is stored"),
    Precedence(RECOGNISE_ACCOUNT, READ, "nothing of another account may be written"),
    Precedence(CORRECT_TIMES, READ, "new versions begin after the corrected ones; cursors are corrected too"),
    Precedence("users", "coupons", "assigned coupons come with their users; the stream requests those that did not"),
    Precedence(
        "rewards_issued", "rewards_due",
        "both are read as of one time: a reward issued in between would be in both or in neither. So the stream of the "
        "issued ones reads both, and again until the count of the issued ones agrees",
    ),
    Precedence(
        "rewards_due", "rewards",
        "what is issued or due refers to rewards: one that is created meanwhile is in the list that is read later",
    ),
    Precedence(READ, COMMIT_LISTS, "the complete lists of a run are committed together, as of one time"),
    Precedence(COMMIT_LISTS, COMPARE_COUNTS, "the counts of the API are compared with the stored rows"),
    Precedence(COMPARE_COUNTS, SAVE_ROUNDS, "rows that a repair read again are fresh"),
)  # fmt: skip
"""Every order that correct data needs. Streams without a rule between them depend on nothing but their place in the
registry: campaigns, users, rewards issued and rewards do not need each other's rows."""


@dataclass(frozen=True, slots=True)
class ReadAhead:
    """A stream whose complete lists may be requested while the last pages of another one are read, and the reason.

    Its rows are used in the order of the plan all the same; only the pages are requested before.
    """

    stream: str
    during: str
    why: str


READ_AHEAD = (
    ReadAhead(
        "rewards_issued", "users",
        "no row depends on a user; with the count after both lists, the newest id shows whether one was issued since",
    ),
    ReadAhead("rewards_due", "users", "no row depends on a user; it begins when the rewards issued were read"),
    ReadAhead("rewards", "users", "no row depends on a user; it begins when the rewards due were read"),
)  # fmt: skip
"""What may be requested before its turn, one after the other, and each only if those before it are. Only near the end
of the users: the rows that wait in memory are bounded, and a list whose reading stopped for the minutes that many users
take would have changed meanwhile, and be read again."""


def read_ahead(stream: str, chosen: Container[str], rules: Iterable[ReadAhead] = READ_AHEAD) -> list[str]:
    """The streams of a run that may be requested near the end of another one, in the order of the plan."""
    return ordered(rule.stream for rule in rules if rule.during == stream and rule.stream in chosen)


def ordered(steps: Iterable[str], precedences: Iterable[Precedence] = PRECEDENCES) -> list[str]:
    """The steps in an order that keeps every rule between them, otherwise in the order given.

    Args:
        steps: steps and names of streams, each once; a name that is no step of the plan is a stream.
        precedences: the rules.

    Raises: CycleError where the rules contradict each other.
    """
    left = list(steps)
    rules = [(rule.first, rule.then) for rule in precedences]
    done: list[str] = []
    while left:
        free = next((step for step in left if not any(_precedes(other, step, rules) for other in left)), None)
        if free is None:
            raise CycleError(f"the plan contradicts itself: {', '.join(left)}")
        left.remove(free)
        done.append(free)
    return done


def _precedes(first: str, then: str, rules: list[tuple[str, str]]) -> bool:
    return first != then and any(a in _names(first) and b in _names(then) for a, b in rules)


def _names(step: str) -> tuple[str, ...]:
    return (step,) if step in STEPS else (step, READ)
