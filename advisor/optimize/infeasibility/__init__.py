"""Why no fleet exists, and the least that would have to give."""

from __future__ import annotations

from advisor.optimize.infeasibility.conflicts import Conflict, conflicting
from advisor.optimize.infeasibility.diagnose import (
    Addition,
    Diagnosis,
    LimitsForbid,
    diagnose_infeasible,
    solve_or_say_why,
)

__all__ = [
    "Addition",
    "Conflict",
    "Diagnosis",
    "LimitsForbid",
    "conflicting",
    "diagnose_infeasible",
    "solve_or_say_why",
]
