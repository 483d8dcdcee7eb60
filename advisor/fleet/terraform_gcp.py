"""Google Cloud in Terraform state: instances, managed instance groups, GKE node pools."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

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
    from collections.abc import Callable

    from advisor.fleet.terraform_state import Resource, State

GCP: Final = "gcp"


def _region_of(zone: str | None) -> str | None:
    """``us-central1`` of ``us-central1-a``."""
    return zone.rpartition("-")[0] or None if zone else None


def _market(machine: dict[str, Any]) -> str:
    """Of a machine's or template's ``scheduling`` block, or a node pool's flags."""
    scheduling = first_of(machine, "scheduling")
    spot = text_of(scheduling, "provisioning_model") == "SPOT" or scheduling.get("preemptible") is True
    return SPOT if spot or machine.get("spot") is True or machine.get("preemptible") is True else ON_DEMAND


def _shape(machine: dict[str, Any]) -> str | None:
    attached = first_of(machine, "guest_accelerator")
    return gcp_shape(
        last_segment(text_of(machine, "machine_type")), text_of(attached, "type"), count_of(attached, "count")
    )


def _instance(resource: Resource, _: State) -> Found | Unread:
    attributes = resource.attributes
    status = text_of(attributes, "current_status") or "RUNNING"
    if status in ("TERMINATED", "STOPPED", "SUSPENDED"):
        return Unread(resource.address, 1, f"it is {status.lower()}: nothing is rented but its disk")
    zone = last_segment(text_of(attributes, "zone"))
    return Found(resource.address, GCP, _region_of(zone), zone, _shape(attributes), _market(attributes), 1)


def _group(resource: Resource, state: State) -> Found | Unread | None:
    attributes = resource.attributes
    wanted = count_of(attributes, "target_size")
    versions = items_of(attributes, "version")
    if wanted is None or len(versions) != 1:
        return Unread(resource.address, wanted, "the state does not say how many of which template run")
    link = text_of(versions[0], "instance_template") or ""
    plain = link.partition("?")[0]
    template = None
    for kind in ("google_compute_instance_template", "google_compute_region_instance_template"):
        template = template or state.template(kind, link, plain, last_segment(plain))
    if template is None:
        return Unread(resource.address, wanted, "its instance template is not in this state")
    if not wanted:
        return None
    zone, region = _place(attributes)
    return Found(resource.address, GCP, region, zone, _shape(template), _market(template), wanted)


def _place(attributes: dict[str, Any]) -> tuple[str | None, str | None]:
    """Zone and region; a regional group has a zone only if it is bound to a single one."""
    zone = last_segment(text_of(attributes, "zone"))
    bound = attributes.get("distribution_policy_zones")
    if zone is None and isinstance(bound, list) and len(bound) == 1 and isinstance(bound[0], str):
        zone = last_segment(bound[0])
    return zone, last_segment(text_of(attributes, "region")) or _region_of(zone)


def _node_pool(resource: Resource, _: State) -> Found | Unread | None:
    """A GKE node pool: ``node_count`` in each of its zones."""
    attributes = resource.attributes
    each = count_of(attributes, "node_count")
    places = attributes.get("node_locations")
    zones = [zone for zone in places if isinstance(zone, str)] if isinstance(places, list) else []
    if each is None or not zones:
        return Unread(resource.address, None, "the state does not say how many nodes run in which zones")
    node = first_of(attributes, "node_config")
    zone = zones[0] if len(zones) == 1 else None
    wanted = each * len(zones)
    if not wanted:
        return None
    return Found(resource.address, GCP, _region_of(zones[0]), zone, _shape(node), _market(node), wanted)


READERS: Final[dict[str, Callable[[Resource, State], Found | Unread | list[Found] | None]]] = {
    "google_compute_instance": _instance,
    "google_compute_instance_group_manager": _group,
    "google_compute_region_instance_group_manager": _group,
    "google_container_node_pool": _node_pool,
}
