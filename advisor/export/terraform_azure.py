"""Azure: a virtual machine scale set per purchase line.

Source of the arguments: provider hashicorp/azurerm, as published in @cdktf/provider-azurerm 14.23.1.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from advisor.export.disk import shared_disk_gb
from advisor.export.serving import HEALTH
from advisor.export.terraform_json import COMMENT, Body, Expression, quoted, variables
from advisor.export.user_data import IMAGE_NEEDS, user_data

if TYPE_CHECKING:
    from collections.abc import Sequence

    from advisor.export.order import Facts
    from advisor.export.terraform_group import Group

FETCH: Final = (
    "hf_token_secret: az login --identity -o none && az keyvault secret show --query value -o tsv "
    '--id "$name"'
)


def azure_module(groups: Sequence[Group], facts: Facts) -> dict[str, Any]:
    """The module's blocks."""
    regions = ", ".join(sorted({group.line.purchase.region for group in groups}))
    source = {"source": "hashicorp/azurerm", "version": ">= 4.0"}
    return {
        "terraform": {"required_providers": {"azurerm": source}},
        "provider": {"azurerm": {"subscription_id": Expression("var.subscription_id"), "features": {}}},
        "variable": variables(
            subscription_id=("string", "Subscription id."),
            resource_group_name=("string", "Resource group of the scale sets."),
            subnet_ids=("map(string)", f"Subnet, by region: {regions}."),
            source_image_id=("string", f"Image {IMAGE_NEEDS}."),
            admin_ssh_public_key=("string", "Public key of the administrator."),
            identity_ids=("list(string)", "Managed identities that may read the secret.", []),
            hf_token_secret=("string", "Key Vault id of the hub's token; empty: no gated model.", ""),
        ),
        "resource": {
            "azurerm_linux_virtual_machine_scale_set": {
                group.name: _scale_set(group, facts) for group in groups
            }
        },
    }


def _scale_set(group: Group, facts: Facts) -> Body:
    purchase, ceiling = group.line.purchase, group.line.ceiling_usd_per_hour
    spot = purchase.market.value == "spot"
    return {
        COMMENT: group.comment,
        "name": group.name,
        "computer_name_prefix": group.name[:9].rstrip("-"),
        "resource_group_name": Expression("var.resource_group_name"),
        "location": purchase.region,
        "sku": purchase.instance_type,
        "instances": group.work.instances,
        "priority": "Spot" if spot else "Regular",
        **(
            {"eviction_policy": "Delete", "max_bid_price": -1 if ceiling is None else float(ceiling)}
            if spot
            else {}
        ),
        **({} if purchase.zone is None else {"zones": [purchase.zone]}),
        "overprovision": False,
        "admin_username": "advisor",
        "source_image_id": Expression("var.source_image_id"),
        "custom_data": user_data(group.work, facts, fetched=FETCH, encoded=True),
        "admin_ssh_key": {"username": "advisor", "public_key": Expression("var.admin_ssh_public_key")},
        "network_interface": _network(purchase.region),
        "os_disk": {
            "caching": "ReadWrite",
            "storage_account_type": "Premium_LRS",
            "disk_size_gb": shared_disk_gb(group.line, facts),
        },
        "identity": {"type": "UserAssigned", "identity_ids": Expression("var.identity_ids")},
        "tags": group.tags(),
        **_watched(group),
    }


def _network(region: str) -> Body:
    subnet = Expression(f"var.subnet_ids[{quoted(region)}]")
    address = {"name": "primary", "primary": True, "subnet_id": subnet}
    return {"name": "primary", "primary": True, "ip_configuration": address}


def _watched(group: Group) -> Body:
    """The scale set asks the first engine of an instance whether it serves, and replaces what does not."""
    if not group.ports:
        return {}
    asked = {"protocol": "http", "port": group.ports[0], "requestPath": HEALTH}
    extension = {
        "name": "health",
        "publisher": "Microsoft.ManagedServices",
        "type": "ApplicationHealthLinux",
        "type_handler_version": "1.0",
        "settings": json.dumps(asked),
    }
    repair = {"enabled": True, "grace_period": "PT30M"}
    return {"extension": extension, "automatic_instance_repair": repair}
