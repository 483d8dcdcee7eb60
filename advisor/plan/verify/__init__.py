"""The second opinion: a plan recomputed from its own lines and the inputs it names, without a solver.

Nothing here shares code with the optimiser. Money is added up as decimals, exactly; rates are floats,
compared within the tolerances in :mod:`advisor.plan.verify.violation`. An input that is not at hand
(``None``) leaves its checks out, and :func:`families` says which.

Source of the load model checked: load of different request sizes on one replica adds up linearly, as in the
formulation (sum of load / capacity ≤ 1 − headroom).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from advisor.plan.verify.against import Against, families
from advisor.plan.verify.bad_days import check_bad_days
from advisor.plan.verify.books import check_books
from advisor.plan.verify.claims import check_claims
from advisor.plan.verify.consequences import check_consequences
from advisor.plan.verify.offers import check_held, check_offers
from advisor.plan.verify.quotas import check_quotas
from advisor.plan.verify.rules import check_rules
from advisor.plan.verify.selection import check_selection
from advisor.plan.verify.serving import check_serving
from advisor.plan.verify.throughput import check_throughput
from advisor.plan.verify.violation import MEANINGS, Violation
from advisor.plan.verify.warnings import check_warnings

if TYPE_CHECKING:
    from advisor.plan.plan import Plan


def check(plan: Plan, against: Against | None = None) -> list[Violation]:
    """Everything that does not hold, in the order of the families; an empty list is a plan that holds."""
    against = against or Against()
    return [
        *check_books(plan),
        *check_selection(plan, against),
        *check_offers(plan, against),
        *check_held(plan, against),
        *check_serving(plan, against),
        *check_throughput(plan, against),
        *check_quotas(plan, against),
        *check_rules(plan, against),
        *check_bad_days(plan, against),
        *check_consequences(plan, against),
        *check_claims(plan, against),
        *check_warnings(plan, against),
    ]


__all__ = ["MEANINGS", "Against", "Violation", "check", "families"]
