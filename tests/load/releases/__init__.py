"""Load files as past releases wrote them, as SQL: ``make`` writes one, tests/end_to_end opens all."""
