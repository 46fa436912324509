"""The contract of a stream, end to end: a row that is planted in the sandbox is in ``core`` after a sync."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from referral_warehouse.load.registry import STREAMS
from referral_warehouse.load.runner import load
from referral_warehouse.sandbox import Sandbox
from referral_warehouse.settings import Settings, Token
from referral_warehouse.warehouse.build import build
from referral_warehouse.warehouse.publish import publish
from tests.truth import COLUMNS, differences

pytestmark = pytest.mark.usefixtures("few_models_in_module")
PLANT = {
    "campaigns": """
        insert into campaigns
        select (select max(id) + 1 from campaigns), 'Planted', url, 'planted', 7, live, status, starts_at, ends_at,
            networks, sharing_message
        from campaigns where id = 1
    """,
    "users": """
        insert into users (campaign_id, first_name, email, code, url, source, date, meta)
        select campaign_id, 'Planted', 'planted@example.com', 'planted', url, source, date, meta
        from users where id = 1
    """,
    "coupons": """
        insert into coupons (name, referral_id, batch_id, issued_at)
        select 'PLANTED', u.id, b.id, u.date
        from users u join batches b on b.campaign_id = u.campaign_id
        where u.id not in (select referral_id from coupons where referral_id is not null)
        order by u.id limit 1
    """,
    "rewards_issued": """
        insert into issued (reward_id, reward_name, reward_for, reward_type, reward_when_referral, reward_value_mills,
            recipient_id, recipient_first_name, recipient_email, total_due, status, issued_at)
        select r.id, r.name, r.reward_for, r.type, r.when_referral, r.value_mills, u.id, u.first_name, u.email, 1,
            'Issued', u.date
        from rewards r join users u on u.campaign_id = r.campaign_id
        order by r.id, u.id limit 1
    """,
    "rewards_due": """
        insert into dues (reward_id, recipient_id, total_due)
        select r.id, u.id, 3
        from rewards r join users u on u.campaign_id = r.campaign_id
        where (r.id, u.id) not in (select reward_id, recipient_id from dues)
        order by r.id, u.id limit 1
    """,
    "rewards": """
        insert into rewards
        select (select max(id) + 1 from rewards), campaign_id, 'Planted', reward_for, type, 1234, when_referral
        from rewards where id = 1
    """,
}
"""A statement on the tables of the sandbox for each stream; it adds one row with the largest id."""


@pytest.fixture(scope="module")
def synced(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Sandbox, Path, dict[str, int]]]:
    """A sandbox with the planted rows, the warehouse that was synced from it, and the planted ids."""
    with pytest.MonkeyPatch.context() as patch, Sandbox(users=60, seed=5, calls_per_minute=0) as sandbox:
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("machine")))
        planted = {}
        for stream, statement in PLANT.items():
            before = {row["id"] for row in sandbox.rows(stream)}
            with sandbox._store.transaction():
                sandbox._store.run(statement)
            added = {row["id"] for row in sandbox.rows(stream)} - before
            assert len(added) == 1, f"PLANT[{stream!r}] added {len(added)} rows; see simulation/account.py"
            [planted[stream]] = added
        settings = Settings(
            api_token=Token(sandbox.token), base_url=sandbox.base_url, calls_per_minute=0, simulated_time=True,
            warehouse_dir=tmp_path_factory.mktemp("planted") / "data",
        )  # fmt: skip
        load(settings)
        publish(settings, build(settings))
        yield sandbox, settings.warehouse_path, planted


@pytest.mark.parametrize("stream", STREAMS)
def test_a_planted_row_is_in_core(stream: str, synced: tuple[Sandbox, Path, dict[str, int]]) -> None:
    assert stream in PLANT, f"say in PLANT of {Path(__file__).name} how a row of {stream!r} is planted in the sandbox"
    assert stream in COLUMNS, f"add the columns of {stream!r} to COLUMNS in tests/truth.py"
    sandbox, warehouse, planted = synced
    table, condition, columns = COLUMNS[stream]
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        found = connection.execute(
            f"select count(*) from {table} where {columns['id']} = ? and {condition}", [planted[stream]]
        )
        assert found.fetchone() == (1,), f"row {planted[stream]} of {stream!r} is not in {table}"
    assert differences(sandbox, warehouse, stream) == []
