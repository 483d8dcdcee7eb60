"""Google Cloud: an instance template and a regional managed instance group per purchase line.

GPU machines cannot migrate live, so maintenance ends them; the group spreads over whichever zones have stock.
Source of the arguments: provider hashicorp/google, as published in @cdktf/provider-google 16.12.1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from advisor.export.order import price_note, split_shape
from advisor.export.terraform_json import COMMENT, Body, Expression, quoted, variables

if TYPE_CHECKING:
    from collections.abc import Sequence

    from advisor.export.order import Line


def gcp_module(lines: Sequence[Line]) -> dict[str, Any]:
    """The module's blocks."""
    regions = ", ".join(sorted({line.purchase.region for line in lines}))
    return {
        "terraform": {"required_providers": {"google": {"source": "hashicorp/google", "version": ">= 6.0"}}},
        "provider": {"google": {"project": Expression("var.project")}},
        "variable": variables(
            project=("string", "Project id."),
            image=("string", "Boot image with NVIDIA drivers, as self link or family."),
            subnetworks=("map(string)", f"Subnetwork, by region: {regions}."),
            zones=("map(list(string))", f"Zones to use, by region: {regions}.", {}),
            disk_size_gb=("number", "Boot disk; it holds the model's weights.", 200),
            startup_script=("string", "Script each instance runs when it starts.", ""),
        ),
        "resource": {
            "google_compute_instance_template": {line.name: _template(line) for line in lines},
            "google_compute_region_instance_group_manager": {line.name: _group(line) for line in lines},
        },
    }


def _template(line: Line) -> Body:
    purchase = line.purchase
    machine, chip, count = split_shape(purchase.instance_type)
    spot = purchase.market.value == "spot"
    return {
        "name_prefix": f"{line.name[:36].rstrip('-')}-",
        "machine_type": machine,
        "region": purchase.region,
        "metadata_startup_script": Expression('var.startup_script == "" ? null : var.startup_script'),
        "disk": {
            "source_image": Expression("var.image"),
            "boot": True,
            "auto_delete": True,
            "disk_size_gb": Expression("var.disk_size_gb"),
        },
        "network_interface": {"subnetwork": Expression(f"var.subnetworks[{quoted(purchase.region)}]")},
        "scheduling": {
            "provisioning_model": "SPOT" if spot else "STANDARD",
            "preemptible": spot,
            "automatic_restart": not spot,
            "on_host_maintenance": "TERMINATE",
        },
        **({"guest_accelerator": {"type": chip, "count": count}} if chip else {}),
        "lifecycle": {"create_before_destroy": True},
    }


def _group(line: Line) -> Body:
    purchase = line.purchase
    anywhere = Expression(f"lookup(var.zones, {quoted(purchase.region)}, null)")
    started = Expression(f"google_compute_instance_template.{line.name}.self_link_unique")
    return {
        COMMENT: price_note(purchase),
        "name": line.name,
        "base_instance_name": line.name,
        "region": purchase.region,
        "target_size": purchase.instances,
        "distribution_policy_zones": anywhere if purchase.zone is None else [purchase.zone],
        "distribution_policy_target_shape": "ANY",
        "version": {"instance_template": started},
        "update_policy": {
            "type": "OPPORTUNISTIC",
            "minimal_action": "REPLACE",
            "instance_redistribution_type": "NONE",
        },
    }
