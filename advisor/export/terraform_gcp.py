"""Google Cloud: an instance template and a regional managed instance group per purchase line.

GPU machines cannot migrate live, so maintenance ends them; the group spreads over whichever zones have stock.
Source of the arguments: provider hashicorp/google, as published in @cdktf/provider-google 16.12.1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from advisor.export.hcl_text import Block, Expression, quoted
from advisor.export.order import price_note, split_shape

if TYPE_CHECKING:
    from collections.abc import Sequence

    from advisor.export.order import Line


def gcp_blocks(lines: Sequence[Line]) -> list[Block]:
    """The module."""
    required = {"google": {"source": "hashicorp/google", "version": ">= 6.0"}}
    regions = sorted({line.purchase.region for line in lines})
    blocks = [
        Block("terraform", (), {}, (Block("required_providers", (), required),)),
        Block("provider", ("google",), {"project": Expression("var.project")}),
        *_variables(regions),
    ]
    for line in lines:
        blocks += [_template(line), _group(line)]
    return blocks


def _variables(regions: Sequence[str]) -> list[Block]:
    text, texts = Expression("string"), Expression("map(string)")
    named = ", ".join(regions)
    return [
        _variable("project", text, "Project id."),
        _variable("image", text, "Boot image with NVIDIA drivers, as self link or family."),
        _variable("subnetworks", texts, f"Subnetwork, by region: {named}."),
        _variable("zones", Expression("map(list(string))"), f"Zones to use, by region: {named}.", {}),
        _variable("disk_size_gb", Expression("number"), "Boot disk; it holds the model's weights.", 200),
        _variable("startup_script", text, "Script each instance runs when it starts.", ""),
    ]


def _variable(name: str, kind: Expression, description: str, default: object = None) -> Block:
    arguments: dict[str, Any] = {"description": description, "type": kind}
    return Block("variable", (name,), arguments if default is None else arguments | {"default": default})


def _template(line: Line) -> Block:
    purchase = line.purchase
    machine, chip, count = split_shape(purchase.instance_type)
    spot = purchase.market.value == "spot"
    scheduling: dict[str, Any] = {
        "provisioning_model": "SPOT" if spot else "STANDARD",
        "preemptible": spot,
        "automatic_restart": not spot,
        "on_host_maintenance": "TERMINATE",
    }
    disk = {
        "source_image": Expression("var.image"),
        "boot": True,
        "auto_delete": True,
        "disk_size_gb": Expression("var.disk_size_gb"),
    }
    network = {"subnetwork": Expression(f"var.subnetworks[{quoted(purchase.region)}]")}
    attached = (Block("guest_accelerator", (), {"type": chip, "count": count}),) if chip else ()
    return Block(
        "resource",
        ("google_compute_instance_template", line.name),
        {
            "name_prefix": f"{line.name[:36].rstrip('-')}-",
            "machine_type": machine,
            "region": purchase.region,
            "metadata_startup_script": Expression('var.startup_script == "" ? null : var.startup_script'),
        },
        (
            Block("disk", (), disk),
            Block("network_interface", (), network),
            Block("scheduling", (), scheduling),
            *attached,
            Block("lifecycle", (), {"create_before_destroy": True}),
        ),
    )


def _group(line: Line) -> Block:
    purchase = line.purchase
    zones: object = Expression(f"lookup(var.zones, {quoted(purchase.region)}, null)")
    if purchase.zone is not None:
        zones = [purchase.zone]
    policy = {"type": "OPPORTUNISTIC", "minimal_action": "REPLACE", "instance_redistribution_type": "NONE"}
    started = Expression(f"google_compute_instance_template.{line.name}.self_link_unique")
    return Block(
        "resource",
        ("google_compute_region_instance_group_manager", line.name),
        {
            "name": line.name,
            "base_instance_name": line.name,
            "region": purchase.region,
            "target_size": purchase.instances,
            "distribution_policy_zones": zones,
            "distribution_policy_target_shape": "ANY",
        },
        (Block("version", (), {"instance_template": started}), Block("update_policy", (), policy)),
        (price_note(purchase),),
    )
