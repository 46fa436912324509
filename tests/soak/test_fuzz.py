"""Many more wrong envelopes than the suite has time for, and other ones each time."""

from __future__ import annotations

from hypothesis import settings

from tests.load import test_load_fuzz

thousands = settings(deadline=None, max_examples=20_000, derandomize=False)
test_any_envelope_is_read_exactly_set_aside_or_refused = thousands(
    test_load_fuzz.test_any_envelope_is_read_exactly_set_aside_or_refused
)
