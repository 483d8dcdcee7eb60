"""Google Cloud: an instance template and a regional managed instance group per purchase line.

GPU machines cannot migrate live, so maintenance ends them; the group spreads over whichever zones have stock.
Source of the arguments: provider hashicorp/google, as published in @cdktf/provider-google 16.12.1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from advisor.export.cluster import PREFIX
from advisor.export.disk import shared_disk_gb
from advisor.export.order import split_shape
from advisor.export.serving import FIRST_PORT, HEALTH
from advisor.export.terraform_json import COMMENT, Body, Expression, quoted, variables
from advisor.export.user_data import IMAGE_NEEDS, user_data

if TYPE_CHECKING:
    from collections.abc import Sequence

    from advisor.export.order import Facts
    from advisor.export.terraform_group import Group

FETCH: Final = 'hf_token_secret: gcloud secrets versions access latest --secret="$name"'
HEALTHY: Final = "engine"
STARTING_S: Final = 1800
"""Before an instance whose engine does not answer is replaced: half an hour to load weights."""


def gcp_module(groups: Sequence[Group], facts: Facts) -> dict[str, Any]:
    """The module's blocks."""
    regions = ", ".join(sorted({group.line.purchase.region for group in groups}))
    return {
        "terraform": {"required_providers": {"google": {"source": "hashicorp/google", "version": ">= 6.0"}}},
        "provider": {"google": {"project": Expression("var.project")}},
        "variable": variables(
            project=("string", "Project id."),
            image=("string", f"Boot image {IMAGE_NEEDS}, as self link or family."),
            subnetworks=("map(string)", f"Subnetwork, by region: {regions}."),
            zones=("map(list(string))", f"Zones to use, by region: {regions}.", {}),
            service_account=("string", "Email of the account of the instances, which may read the secret."),
            hf_token_secret=("string", "Secret of the hub's token; empty: no gated model.", ""),
        ),
        "resource": {
            "google_compute_instance_template": {group.name: _template(group, facts) for group in groups},
            "google_compute_region_instance_group_manager": {group.name: _group(group) for group in groups},
            **({"google_compute_health_check": {HEALTHY: _check()}} if any(g.ports for g in groups) else {}),
        },
    }


def _check() -> Body:
    """Asks the first engine of an instance; one that answers for half a minute no more is replaced."""
    return {
        "name": f"{PREFIX}-health",
        "check_interval_sec": 15,
        "unhealthy_threshold": 3,
        "http_health_check": {"port": FIRST_PORT, "request_path": HEALTH},
    }


def _template(group: Group, facts: Facts) -> Body:
    purchase = group.line.purchase
    machine, chip, count = split_shape(purchase.instance_type)
    spot = purchase.market.value == "spot"
    return {
        "name_prefix": f"{group.name[:36].rstrip('-')}-",
        "machine_type": machine,
        "region": purchase.region,
        "metadata_startup_script": user_data(group.work, facts, fetched=FETCH, encoded=False),
        "disk": {
            "source_image": Expression("var.image"),
            "boot": True,
            "auto_delete": True,
            "disk_size_gb": shared_disk_gb(group.line, facts),
        },
        "network_interface": {"subnetwork": Expression(f"var.subnetworks[{quoted(purchase.region)}]")},
        "service_account": {
            "email": Expression("var.service_account"),
            "scopes": ["https://www.googleapis.com/auth/cloud-platform"],
        },
        "labels": group.tags(),
        "scheduling": {
            "provisioning_model": "SPOT" if spot else "STANDARD",
            "preemptible": spot,
            "automatic_restart": not spot,
            "on_host_maintenance": "TERMINATE",
        },
        **({"guest_accelerator": {"type": chip, "count": count}} if chip else {}),
        "lifecycle": {"create_before_destroy": True},
    }


def _group(group: Group) -> Body:
    purchase = group.line.purchase
    anywhere = Expression(f"lookup(var.zones, {quoted(purchase.region)}, null)")
    started = Expression(f"google_compute_instance_template.{group.name}.self_link_unique")
    return {
        COMMENT: group.comment,
        "name": group.name,
        "base_instance_name": group.name,
        "region": purchase.region,
        "target_size": group.work.instances,
        "distribution_policy_zones": anywhere if purchase.zone is None else [purchase.zone],
        "distribution_policy_target_shape": "ANY",
        "version": {"instance_template": started},
        **_watched(group),
        "update_policy": {
            "type": "OPPORTUNISTIC",
            "minimal_action": "REPLACE",
            "instance_redistribution_type": "NONE",
        },
    }


def _watched(group: Group) -> Body:
    if not group.ports:
        return {}
    check = Expression(f"google_compute_health_check.{HEALTHY}.id")
    ports = [{"name": f"engine-{port}", "port": port} for port in group.ports]
    return {
        "named_port": ports,
        "auto_healing_policies": {"health_check": check, "initial_delay_sec": STARTING_S},
    }
