"""Terraform state, version 4 (`terraform state pull`): instances and groups of the three large clouds.

A group's instances are not in the state; its wanted size is, and the template it starts them from, where the
same state manages it. What a group may mix freely is listed as not told by the state, not guessed.
AWS zone names (``us-east-1a``) mean another zone in every account; ids (``use1-az2``) do not, and stand in
subnets and zone data sources of the same state.

Source: attribute names of the providers' own documentation, as published in the schemas of the npm packages
@cdktf/provider-aws 21.22.1, @cdktf/provider-google 16.12.1 and @cdktf/provider-azurerm 14.23.1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from advisor.errors import InputFileError
from advisor.fleet import terraform_aws, terraform_azure, terraform_gcp
from advisor.fleet.found import Unread, items_of, text_of
from advisor.fleet.terraform_state import Resource, State

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from advisor.fleet.found import Found

VERSION: Final = 4

READERS: Final[dict[str, Callable[[Resource, State], Found | Unread | list[Found] | None]]] = {
    **terraform_aws.READERS,
    **terraform_azure.READERS,
    **terraform_gcp.READERS,
}
"""How each resource type is read; the others that start instances are in :data:`NOT_READ`."""

NOT_READ: Final = frozenset(
    {
        "aws_batch_compute_environment",
        "aws_ec2_capacity_block_reservation",
        "aws_ec2_fleet",
        "aws_spot_fleet_request",
        "azurerm_kubernetes_cluster",
        "azurerm_kubernetes_cluster_node_pool",
        "azurerm_virtual_machine",
        "azurerm_virtual_machine_scale_set",
        "google_compute_instance_from_template",
        "google_container_cluster",
    }
)
"""Types that start instances which their state does not describe well enough to count."""


def is_terraform(document: object) -> bool:
    """Whether a document is Terraform state of any version."""
    return isinstance(document, dict) and "terraform_version" in document and "version" in document


def read_terraform(document: Any, file: str) -> Iterator[Found | Unread]:
    """What the state says is running.

    Raises:
        InputFileError: it is not state of version 4.
    """
    if not is_terraform(document) or document.get("version") != VERSION:
        found = document.get("version") if isinstance(document, dict) else document
        raise InputFileError(file, "version", found, "4, as `terraform state pull` writes it")
    if not isinstance(document.get("resources"), list):
        raise InputFileError(file, "resources", document.get("resources"), "a list of resources")
    resources = tuple(_resources(document))
    state = State.of(resources)
    for resource in resources:
        if resource.mode != "managed":
            continue
        if resource.type in NOT_READ:
            yield Unread(resource.address, None, _NOT_TOLD)
        elif resource.type in READERS:
            said = READERS[resource.type](resource, state)
            yield from said if isinstance(said, list) else [said] if said is not None else []


_NOT_TOLD: Final = "its instances are not in the state: import the cluster's node list or a CSV as well"


def _resources(document: Any) -> Iterator[Resource]:
    for entry in items_of(document, "resources"):
        kind, name = text_of(entry, "type") or "", text_of(entry, "name") or ""
        module = text_of(entry, "module")
        for instance in items_of(entry, "instances"):
            key = instance.get("index_key")
            index = "" if key is None else f"[{key}]" if isinstance(key, int) else f'["{key}"]'
            attributes = instance.get("attributes")
            yield Resource(
                mode=text_of(entry, "mode") or "managed",
                type=kind,
                address=f"{f'{module}.' if module else ''}{kind}.{name}{index}",
                attributes=attributes if isinstance(attributes, dict) else {},
            )
