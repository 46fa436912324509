"""The referral tree against a naive traversal: forests, chains, cycles, orphans and great depths."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from referral_warehouse.warehouse.build import prepare_draft_dir, run_models
from referral_warehouse.warehouse.connection import connect_draft, substitute_missing_tables
from tests.forests import Person, traverse
from tests.sql.test_cases import MODELS, needed_for
from tests.warehouse.planting import plant

COLUMNS = (
    "user_id, root_id, depth, referrals_count, qualified_count, downstream_count, qualified_downstream_count, "
    "is_orphan, is_in_cycle, is_self_referral, has_cycle_root"
)
TREE = MODELS["referral_tree"]


class Forest:
    """A draft whose users are replaced again and again; the rest of the account stays empty."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self.connection = connection
        for table in ("users", "observations"):
            connection.execute(f"create or replace table scratch.raw.{table} as from load.raw.{table} limit 0")

    def grow(self, people: Mapping[int, Person]) -> dict[int, tuple[object, ...]]:
        """id → its row of the mart."""
        self.connection.execute("delete from scratch.raw.users; delete from scratch.raw.observations")
        numbers, folk = list(people), list(people.values())
        self.connection.execute(
            "insert into scratch.raw.users by name select unnest(?::bigint[]) as id, "
            "unnest(?::bigint[]) as referrer_id, unnest(?::boolean[]) as qualified",
            [numbers, [person.referrer for person in folk], [person.is_qualified for person in folk]],
        )
        self.connection.execute(
            "insert into scratch.raw.observations by name select 'users' as stream, unnest(?::bigint[]) as id, "
            "'vanished' as what, timestamp '2026-01-01' as observed_at",
            [[number for number, person in people.items() if person.is_gone]],
        )
        for model in needed_for(TREE):
            kind, catalog = "table" if model.is_stored else "view", "draft" if model.is_published else "scratch"
            self.connection.execute(f"drop {kind} if exists {catalog}.{model.qualified_name}")
        run_models(self.connection, needed_for(TREE))
        found = self.connection.execute(f"select {COLUMNS} from {TREE.qualified_name}").fetchall()
        assert len({row[0] for row in found}) == len(found)
        return {row[0]: row[1:] for row in found}


@pytest.fixture(scope="module")
def forest(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Forest]:
    warehouse = plant(tmp_path_factory.mktemp("forest"))
    prepare_draft_dir(warehouse)
    with connect_draft(warehouse) as connection:
        substitute_missing_tables(connection)
        yield Forest(connection)


def people(size: int) -> st.SearchStrategy[dict[int, Person]]:
    """Anybody may name anybody: nobody, an earlier or a later one, oneself, somebody gone or never seen."""
    named = st.none() | st.integers(1, size + 2)
    person = st.builds(Person, named, st.booleans(), st.sampled_from([False] * 7 + [True]))
    return st.lists(person, max_size=size).map(lambda drawn: dict(enumerate(drawn, start=1)))


@settings(max_examples=25, deadline=None, database=None)
@given(drawn=st.sampled_from((4, 12, 40)).flatmap(people))
def test_any_forest_equals_a_naive_traversal(forest: Forest, drawn: dict[int, Person]) -> None:
    assert forest.grow(drawn) == traverse(drawn)


@pytest.mark.parametrize("length", [1, 2, 3, 7, 8, 9, 500])
def test_a_chain_is_as_deep_as_it_is_long(forest: Forest, length: int) -> None:
    """Everybody is qualified, so all below are; lengths around a power of two are where doubling would err."""
    chain = {n: Person(n - 1 if n > 1 else None, is_qualified=True) for n in range(1, length + 1)}
    found = forest.grow(chain)
    for n in chain:
        direct, below = int(n < length), length - n
        assert found[n] == (1, n - 1, direct, direct, below, below, False, False, False, False)


@pytest.mark.parametrize("length", [2, 3, 8, 17, 500])
def test_a_cycle_ends_and_each_of_it_reaches_all(forest: Forest, length: int) -> None:
    """Each user is referred by the one with the next id; below the last one is a chain of 40."""
    circle = {n: Person(n % length + 1) for n in range(1, length + 1)}
    tail = {length + k: Person(length + k - 1) for k in range(1, 41)}
    found = forest.grow(circle | tail)
    for n in circle:
        assert found[n][:5] == (1, 0, 1 + (n == length), 0, length - 1 + 40)
        assert found[n][7:] == (True, False, True)
    for k in range(1, 41):
        assert found[length + k] == (1, k, int(k < 40), 0, 40 - k, 0, False, False, False, True)


def test_a_large_account_with_everything_in_it(forest: Forest) -> None:
    chance = random.Random(5)
    drawn = {
        n: Person(
            chance.choice((None, chance.randint(1, n), n - 1, n - 1, chance.randint(max(1, n - 20), n + 20))),
            chance.random() < 0.3,
            chance.random() < 0.02,
        )
        for n in range(1, 3001)
    }
    expected = traverse(drawn)
    assert {place[-1] for place in expected.values()} == {True, False}, "there are cycles, and trees without"
    assert forest.grow(drawn) == expected
