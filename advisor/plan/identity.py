"""What makes two plans the same plan: a digest over everything but when and by what they were made."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from advisor.plan.plan import Plan

VOLATILE: Final = frozenset(
    {
        "plan_id",
        "created_at",
        "command",
        "solver",
        "solve_seconds",
        "age_hours",
        "state",
        "warnings",
        "advisor_version",
    }
)
"""Fields that may differ between two runs on the same inputs; everything else is the plan."""

ID_LENGTH: Final = 12

EDITED: Final = "This plan was edited after it was made: its proof is void, and nothing here was checked."


def plan_id(plan: Plan) -> str:
    """First hex digits of the SHA-256 over the plan's canonical JSON without the volatile fields.

    The stated ``plan.plan_id`` plays no part, so a plan can be built with a blank one and stamped afterwards.
    """
    return _digest(plan.model_dump(mode="json"))


def _digest(document: Any) -> str:
    content = _without_volatile(document)
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:ID_LENGTH]


def identified(plan: Plan) -> Plan:
    """The same plan, stamped with its own id."""
    return plan.model_copy(update={"plan_id": plan_id(plan)})


def is_edited(plan: Plan) -> bool:
    """Whether its content is not what its id was made from.

    A plan read from a file has what its file has: fields that came later play no part in its id.
    """
    return plan.plan_id not in (plan_id(plan), _digest(plan.model_dump(mode="json", exclude_unset=True)))


def without_proof(plan: Plan) -> Plan:
    """An edited plan under an id of its own, with nothing claimed that was proved of another."""
    optimality = plan.optimality
    if optimality is not None:
        unproved = {"proved": False, "lower_bound_usd_per_hour": 0.0, "relative_gap": 1.0}
        optimality = optimality.model_copy(update=unproved)
    content = {
        "status": "feasible" if plan.status == "optimal" else plan.status,
        "optimality": optimality,
        "warnings": [EDITED, *plan.warnings],
    }
    return identified(plan.model_copy(update=content))


def _without_volatile(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_volatile(item) for key, item in value.items() if key not in VOLATILE}
    if isinstance(value, list):
        return [_without_volatile(item) for item in value]
    return value
