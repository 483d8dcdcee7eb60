"""Terraform modules: one folder per cloud, one instance group per purchase line.

The modules rent what the plan buys, and start on every instance what the plan puts there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from advisor.export.bundle import Bundle, File
from advisor.export.disk import disk_notes
from advisor.export.order import heading, held, keep, left_out_notes, sift
from advisor.export.serving import crowded, not_served, serving_notes
from advisor.export.terraform_aws import aws_module
from advisor.export.terraform_azure import azure_module
from advisor.export.terraform_gcp import gcp_module
from advisor.export.terraform_group import groups
from advisor.export.terraform_json import terraform_json
from advisor.units import decimal_text

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from advisor.export.order import Facts, Line, Order
    from advisor.export.terraform_group import Group

MODULES: Final[dict[str, Callable[[Sequence[Group], Facts], dict[str, Any]]]] = {
    "aws": aws_module,
    "azure": azure_module,
    "gcp": gcp_module,
}
NO_MODULE: Final = "no Terraform module is written for this provider"
FILL_IN: Final = ("the variables of each main.tf.json: images, subnets, security groups, keys",)


def terraform(order: Order) -> Bundle:
    """A module per cloud."""
    kept, left_out = sift(*keep(order, MODULES, NO_MODULE), held)
    files = []
    for provider, module in MODULES.items():
        lines = [line for line in kept if line.purchase.provider == provider]
        if lines:
            head = [*heading(order, "Terraform module"), *left_out_notes(left_out)]
            head += [words for line in lines for words in _on_serving(order, line)]
            body = module([one for line in lines for one in groups(line)], order.facts)
            text = terraform_json(head, {**body, "output": {"planned": _planned(order, lines)}})
            files.append(File(f"{provider}/main.tf.json", text))
    return Bundle(tuple(files), tuple(left_out), FILL_IN if files else ())


def _on_serving(order: Order, line: Line) -> list[str]:
    why = not_served(line) or crowded(line)
    if why:
        return [f"{line.name}: instances start nothing: {why}"]
    notes = [f"{one.name}: {words}" for one in line.stands for words in serving_notes(one, order.facts)]
    return [*notes, *disk_notes(line, order.facts)]


def _planned(order: Order, lines: Sequence[Line]) -> dict[str, Any]:
    """What the plan bought, readable by machines too."""
    bought = {
        line.name: {
            "line": line.purchase.offer_id,
            "instances": line.purchase.instances,
            "instance_type": line.purchase.instance_type,
            "market": line.purchase.market.value,
            "accelerators": line.accelerators,
            "usd_per_hour_each": decimal_text(line.purchase.usd_per_hour_each),
            "usd_per_hour": decimal_text(line.purchase.usd_per_hour),
            "requests_per_s": {one.name: round(one.requests_per_s, 6) for one in line.stands},
        }
        for line in lines
    }
    said = {"plan_id": order.plan.plan_id, "lines": bought}
    return {"description": "What the plan bought, and for how much.", "value": said}
