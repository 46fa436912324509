"""Many more wrong envelopes than the suite has time for, and other ones each time."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.load.test_load_fuzz import try_one


@settings(deadline=None, max_examples=20_000, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_any_envelope_is_read_exactly_set_aside_or_refused(data: st.DataObject) -> None:
    try_one(data)
