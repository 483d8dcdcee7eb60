"""Every target, how its files end, and how several of them read as one."""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from advisor.errors import PlanningError
from advisor.export.aibrix import aibrix
from advisor.export.dstack import dstack
from advisor.export.gateway import gateway
from advisor.export.karpenter import karpenter
from advisor.export.kubernetes import kubernetes
from advisor.export.litellm import litellm
from advisor.export.order import order
from advisor.export.skypilot import skypilot_tasks
from advisor.export.skypilot_service import skypilot_services
from advisor.export.terraform import terraform
from advisor.text import printable_json

if TYPE_CHECKING:
    from collections.abc import Callable

    from advisor.export.bundle import Bundle
    from advisor.export.order import Facts, Order
    from advisor.plan.plan import Plan


class Target(StrEnum):
    """What a plan can be handed to."""

    SKYPILOT = "skypilot"
    SKYPILOT_SERVICE = "skypilot-service"
    TERRAFORM = "terraform"
    KARPENTER = "karpenter"
    KUBERNETES = "kubernetes"
    GATEWAY = "gateway"
    AIBRIX = "aibrix"
    LITELLM = "litellm"
    DSTACK = "dstack"


@dataclass(frozen=True, slots=True)
class Dress:
    """How a target is written."""

    export: Callable[[Order], Bundle]
    ending: str


TARGETS: Final[dict[Target, Dress]] = {
    Target.SKYPILOT: Dress(skypilot_tasks, ".yaml"),
    Target.SKYPILOT_SERVICE: Dress(skypilot_services, ".yaml"),
    Target.TERRAFORM: Dress(terraform, ".tf.json"),
    Target.KARPENTER: Dress(karpenter, ".yaml"),
    Target.KUBERNETES: Dress(kubernetes, ".yaml"),
    Target.GATEWAY: Dress(gateway, ".yaml"),
    Target.AIBRIX: Dress(aibrix, ".json"),
    Target.LITELLM: Dress(litellm, ".yaml"),
    Target.DSTACK: Dress(dstack, ".yaml"),
}


def export(plan: Plan, target: Target, facts: Facts) -> Bundle:
    """The plan as the target's files.

    Raises:
        PlanningError: nothing of the plan can be handed to the target; says why, line by line.
    """
    bundle = TARGETS[target].export(order(plan, facts))
    if not bundle.files:
        reasons = "; ".join(dict.fromkeys(f"{one.line}: {one.why}" for one in bundle.left_out))
        raise PlanningError(f"nothing of plan {plan.plan_id} can be exported to {target.value}: {reasons}")
    return bundle


def joined(bundle: Bundle, target: Target) -> str:
    """All files as one text: YAML documents one after the other, or a JSON object by file name."""
    if len(bundle.files) == 1:
        return bundle.files[0].text
    if TARGETS[target].ending.endswith(".json"):
        whole = {file.name: json.loads(file.text) for file in bundle.files}
        return printable_json(json.dumps(whole, indent=1, ensure_ascii=False)) + "\n"
    return "---\n".join(f"# file: {file.name}\n{file.text}" for file in bundle.files)
