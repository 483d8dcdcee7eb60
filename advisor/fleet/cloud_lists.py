"""What the clouds' own command lines list as running.

`aws ec2 describe-instances` (whole, or `--query 'Reservations[].Instances[]'`), `gcloud compute instances
list --format=json`, `az vm list --show-details -o json` and `az vmss list -o json`.

Source: field names of the EC2 API's Instance, the Compute Engine API's Instance, and the Azure Resource
Manager's VirtualMachine and VirtualMachineScaleSet, as each command prints them.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from advisor.errors import InputFileError
from advisor.fleet.found import (
    ON_DEMAND,
    SPOT,
    Found,
    Unread,
    count_of,
    first_of,
    gcp_shape,
    items_of,
    last_segment,
    text_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

_AWS_REGION: Final = re.compile(r"[a-z]{2}(-[a-z]+)+-\d+")
_NOT_RENTED: Final = "it is {}: nothing is rented but its disks"
_POWER_UNSAID: Final = (
    "the list does not say which machines run: all are counted (`az vm list --show-details` says it)"
)
_AZURE_MACHINE: Final = "microsoft.compute/virtualmachines"
_AZURE_SCALE_SET: Final = "microsoft.compute/virtualmachinescalesets"


def is_aws_list(document: object) -> bool:
    """Whether a document is what `aws ec2 describe-instances` prints, or the instances in it."""
    if isinstance(document, dict):
        return isinstance(document.get("Reservations"), list)
    return bool(_flat(document)) and all("InstanceId" in one and "State" in one for one in _flat(document))


def is_gcp_list(document: object) -> bool:
    """Whether a document is a list of Compute Engine instances."""
    return bool(_flat(document)) and all(
        text_of(one, "kind") == "compute#instance" or ("machineType" in one and "zone" in one)
        for one in _flat(document)
    )


def is_azure_list(document: object) -> bool:
    """Whether a document is a list of Azure virtual machines or scale sets."""
    return bool(_flat(document)) and all(
        (text_of(one, "type") or "").casefold() in (_AZURE_MACHINE, _AZURE_SCALE_SET)
        or "hardwareProfile" in one
        for one in _flat(document)
    )


def read_aws_list(document: Any, file: str) -> Iterator[Found | Unread]:
    """The instances; those that do not run are listed.

    Raises:
        InputFileError: it is no list of EC2 instances.
    """
    if not is_aws_list(document):
        raise InputFileError(file, "", "not recognised", "what `aws ec2 describe-instances` prints")
    instances = _flat(document)
    if isinstance(document, dict):
        instances = [
            one for group in items_of(document, "Reservations") for one in items_of(group, "Instances")
        ]
    for number, one in enumerate(instances):
        yield _ec2(one, f"instance {text_of(one, 'InstanceId') or number}")


def _ec2(one: dict[str, Any], what: str) -> Found | Unread:
    state = text_of(first_of(one, "State"), "Name")
    instance_type = text_of(one, "InstanceType")
    if state not in ("running", "pending"):
        return Unread(f"{what} ({instance_type})", 1, _NOT_RENTED.format(state or "in no stated state"))
    place = first_of(one, "Placement")
    name, id_ = text_of(place, "AvailabilityZone"), text_of(place, "AvailabilityZoneId")
    region = _AWS_REGION.match(name or "")
    return Found(
        what=what,
        provider="aws",
        region=region[0] if region else None,
        zone=id_,
        instance_type=instance_type,
        market=text_of(one, "InstanceLifecycle") or ON_DEMAND,
        instances=1,
        unnamed_zone=None if id_ else name,
    )


def read_gcp_list(document: Any, file: str) -> Iterator[Found | Unread]:
    """The instances; those that do not run are listed.

    Raises:
        InputFileError: it is no list of Compute Engine instances.
    """
    if not is_gcp_list(document):
        allowed = "what `gcloud compute instances list --format=json` prints"
        raise InputFileError(file, "", "not recognised", allowed)
    for number, one in enumerate(_flat(document)):
        yield _compute_engine(one, f"instance {text_of(one, 'name') or number}")


def _compute_engine(one: dict[str, Any], what: str) -> Found | Unread:
    machine, gpus = last_segment(text_of(one, "machineType")), first_of(one, "guestAccelerators")
    shape = gcp_shape(machine, text_of(gpus, "acceleratorType"), count_of(gpus, "acceleratorCount"))
    status = text_of(one, "status") or "RUNNING"
    if status in ("TERMINATED", "STOPPED", "STOPPING", "SUSPENDED", "SUSPENDING"):
        return Unread(f"{what} ({shape})", 1, _NOT_RENTED.format(status.casefold()))
    zone, scheduling = last_segment(text_of(one, "zone")), first_of(one, "scheduling")
    spot = text_of(scheduling, "provisioningModel") == "SPOT" or scheduling.get("preemptible") is True
    region = zone.rpartition("-")[0] if zone else None
    return Found(what, "gcp", region, zone, shape, SPOT if spot else ON_DEMAND, 1)


def read_azure_list(document: Any, file: str) -> Iterator[Found | Unread]:
    """The machines and the capacity of the scale sets; machines that do not run are listed.

    Raises:
        InputFileError: it is no list of virtual machines or scale sets.
    """
    if not is_azure_list(document):
        allowed = "what `az vm list --show-details` or `az vmss list` prints as JSON"
        raise InputFileError(file, "", "not recognised", allowed)
    for number, one in enumerate(_flat(document)):
        name = text_of(one, "name") or number
        if (text_of(one, "type") or "").casefold() == _AZURE_SCALE_SET:
            yield _scale_set(one, f"scale set {name}")
        else:
            yield _machine(one, f"machine {name}")


def _machine(one: dict[str, Any], what: str) -> Found | Unread:
    size = text_of(first_of(one, "hardwareProfile"), "vmSize")
    state = (text_of(one, "powerState") or "").casefold().removeprefix("vm ")
    if state == "deallocated":  # one that is stopped, and not deallocated, is billed
        return Unread(f"{what} ({size})", 1, _NOT_RENTED.format(state))
    unsaid = () if state else (_POWER_UNSAID,)
    return Found(
        what, "azure", _azure_region(one), _only_zone(one), size, _azure_market(one), 1, notes=unsaid
    )


def _scale_set(one: dict[str, Any], what: str) -> Found | Unread:
    sku = first_of(one, "sku")
    size, capacity = text_of(sku, "name"), count_of(sku, "capacity")
    if not capacity or size in (None, "Mix"):
        return Unread(what, capacity, "it does not say how many of which size run")
    market = _azure_market(first_of(one, "virtualMachineProfile"))
    return Found(what, "azure", _azure_region(one), _only_zone(one), size, market, capacity)


def _azure_region(one: dict[str, Any]) -> str | None:
    location = text_of(one, "location")
    return location.replace(" ", "").casefold() if location else None


def _only_zone(one: dict[str, Any]) -> str | None:
    zones = one.get("zones")
    only = zones[0] if isinstance(zones, list) and len(zones) == 1 else None
    return only if isinstance(only, str) else None


def _azure_market(one: dict[str, Any]) -> str:
    return SPOT if (text_of(one, "priority") or "").casefold() in (SPOT, "low") else ON_DEMAND


def _flat(document: object) -> list[dict[str, Any]]:
    """The objects of a list, and of lists in it, as `--query 'Reservations[*].Instances[*]'` nests them."""
    if not isinstance(document, list):
        return []
    nested = [one for entry in document for one in (entry if isinstance(entry, list) else [entry])]
    return nested if all(isinstance(one, dict) for one in nested) else []
