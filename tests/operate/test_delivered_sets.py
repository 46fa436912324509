"""Which sets may be removed, and which files are those of a set, for made-up names and times."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from referral_warehouse.operate.delivered_sets import names_of_set, removable_sets
from referral_warehouse.operate.delivery_place import Stored
from referral_warehouse.workspace.current_snapshot import snapshot_name


@given(
    st.dictionaries(
        st.tuples(st.integers(1, 30), st.sampled_from(["manifest.json", "incomplete.json", "schema.json"])),
        st.floats(0, 10_000), max_size=30,
    ),
    st.integers(1, 30), st.integers(1, 5), st.sampled_from([0.0, 900.0]), st.floats(0, 10_000),
)  # fmt: skip
def test_the_current_set_the_last_ones_and_those_replaced_a_moment_ago_stay(
    times: dict[tuple[int, str], float], current: int, keep: int, grace_s: float, now: float
) -> None:
    stored = {f"{snapshot_name(number)}/{name}": Stored(1, at) for (number, name), at in times.items()}
    removed = removable_sets(stored, current, keep, grace_s, now)
    whole = {number: at for (number, name), at in times.items() if name == "manifest.json"}
    stay = {number for number, _ in times} - {*removed}
    assert current not in removed
    assert {number for number, _ in times} - {*whole} - {current} <= {*removed}
    assert len({*whole} & stay) >= min(keep, len(whole))
    delivered = [number for _, number in sorted((at, number) for number, at in whole.items() if number != current)]
    delivered += [current] if current in whole else []
    for number, following in pairwise(delivered):
        was_replaced_now = abs(now - whole[following]) < grace_s
        assert (number in stay) == (number in delivered[-keep:] or was_replaced_now)


@given(st.text(max_size=40), st.integers(1, 10**12))
def test_no_other_name_is_taken_for_a_file_of_a_set(name: str, number: int) -> None:
    own = [f"{snapshot_name(number)}/feeds/core.users.parquet", f"{snapshot_name(number)}/.schema.json.new"]
    strange = [name, f"snapshots/{name}", f"{snapshot_name(number)}/{name}", f"{snapshot_name(number)}/feeds/x{name}"]
    written = {"manifest.json", "schema.json", "incomplete.json"}
    if name.strip(".").removesuffix(".new") not in written and not name.endswith((".parquet", ".parquet.new")):
        assert names_of_set([*strange, *own], number) == sorted(own)
