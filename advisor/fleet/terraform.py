"""Terraform: state of version 4 (`terraform state pull`) and `terraform show -json`, of three clouds.

The second is the documented, stable form; of a plan in it, the state before is what runs.

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
from advisor.fleet.terraform_others import others
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
        "azurerm_virtual_machine",
        "azurerm_virtual_machine_scale_set",
        "google_compute_instance_from_template",
        "google_container_cluster",
    }
)
"""Types that start instances which their state does not describe well enough to count."""


def is_terraform(document: object) -> bool:
    """Whether a document is Terraform state of any version, or what `terraform show -json` prints."""
    marks = ("version", "format_version")
    return (
        isinstance(document, dict) and "terraform_version" in document and any(m in document for m in marks)
    )


def read_terraform(document: Any, file: str) -> Iterator[Found | Unread]:
    """What the state says is running.

    Raises:
        InputFileError: it is neither state of version 4 nor shown as JSON.
    """
    if isinstance(document, dict) and "format_version" in document:
        resources = tuple(_shown(_values(document, file)))
    else:
        resources = tuple(_resources(_of_version_4(document, file)))
    state = State.of(resources)
    for resource in resources:
        if resource.mode != "managed":
            continue
        if resource.type in NOT_READ:
            yield Unread(resource.address, None, _NOT_TOLD)
        elif resource.type in READERS:
            said = READERS[resource.type](resource, state)
            yield from said if isinstance(said, list) else [said] if said is not None else []
        else:
            yield from others(resource)


_NOT_TOLD: Final = (
    "what it runs is not in the state: import the cluster's node list or the cloud's own list as well"
)


def _of_version_4(document: Any, file: str) -> Any:
    if not is_terraform(document) or document.get("version") != VERSION:
        found = document.get("version") if isinstance(document, dict) else document
        raise InputFileError(file, "version", found, "4, as `terraform state pull` writes it")
    if not isinstance(document.get("resources"), list):
        raise InputFileError(file, "resources", document.get("resources"), "a list of resources")
    return document


def _values(document: Any, file: str) -> Any:
    """The root module of a state, or of the state a plan starts from."""
    before = document.get("prior_state") if "planned_values" in document else document
    values = before.get("values") if isinstance(before, dict) else None
    if values is None and "planned_values" not in document and set(document) <= _OF_EMPTY_STATE:
        return {}
    root = values.get("root_module") if isinstance(values, dict) else None
    if not isinstance(root, dict):
        raise InputFileError(file, "values", values, "the state that `terraform show -json` prints")
    return root


_OF_EMPTY_STATE: Final = frozenset({"format_version", "terraform_version", "checks"})


def _shown(module: dict[str, Any]) -> Iterator[Resource]:
    """The resources of a module and of those in it."""
    for one in items_of(module, "resources"):
        kind, values = text_of(one, "type") or "", one.get("values")
        yield Resource(
            mode=text_of(one, "mode") or "managed",
            type=kind,
            address=text_of(one, "address") or f"{kind}.{text_of(one, 'name') or ''}",
            attributes=values if isinstance(values, dict) else {},
        )
    for child in items_of(module, "child_modules"):
        yield from _shown(child)


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
