"""Large matrices of cases: ``make test`` runs a few of each, ``make soak`` the others.

A case that is not among the few carries the marker ``full``, which ``make test`` leaves out.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest


def sampled(cases: Iterable[Any], keep: int) -> list[Any]:
    """Cases for ``pytest.mark.parametrize``, of which ``keep`` run in ``make test``.

    Args:
        cases: single values, or tuples where several names are parametrised.
        keep: how many run always; they are spread evenly over the cases.
    """
    cases = list(cases)
    always = {number * len(cases) // keep for number in range(keep)}
    return [
        pytest.param(
            *(case if isinstance(case, tuple) else (case,)), marks=() if number in always else pytest.mark.full
        )
        for number, case in enumerate(cases)
    ]
