"""Resources of a Terraform state, and what they say about each other."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from advisor.fleet.found import items_of, text_of

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True, slots=True)
class Resource:
    """One instance of a resource or data source."""

    mode: str  #: ``managed`` or ``data``
    type: str  #: e.g. ``aws_instance``
    address: str  #: e.g. ``module.chat.aws_instance.gpu[0]``
    attributes: dict[str, Any]


@dataclass(frozen=True, slots=True)
class State:
    """What a reader may look up."""

    templates: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Attributes of launch and instance templates and of AKS clusters, by type and each of their names."""
    aws_zone_ids: dict[str, str] = field(default_factory=dict)  #: zone id by zone name

    @classmethod
    def of(cls, resources: Iterable[Resource]) -> State:
        """The look-ups of a state's resources."""
        state = cls()
        for resource in resources:
            for name in _names(resource):
                state.templates.setdefault(f"{resource.type}:{name}", resource.attributes)
            state.aws_zone_ids.update(_zone_ids(resource))
        return state

    def template(self, kind: str, *names: str | None) -> dict[str, Any] | None:
        """The template of a type under the first of its names that is known."""
        for name in names:
            found = self.templates.get(f"{kind}:{name}") if name else None
            if found is not None:
                return found
        return None


_TEMPLATES = frozenset(
    {
        "aws_launch_configuration",
        "aws_launch_template",
        "azurerm_kubernetes_cluster",
        "google_compute_instance_template",
        "google_compute_region_instance_template",
    }
)


def _names(resource: Resource) -> list[str]:
    if resource.type not in _TEMPLATES:
        return []
    said = (text_of(resource.attributes, key) for key in ("id", "name", "self_link", "self_link_unique"))
    return [name for name in said if name]


def _zone_ids(resource: Resource) -> dict[str, str]:
    """Zone ids by name, from subnets and zone data sources."""
    attributes = resource.attributes
    if resource.type == "aws_availability_zones":
        names, ids = attributes.get("names"), attributes.get("zone_ids")
        if isinstance(names, list) and isinstance(ids, list) and len(names) == len(ids):
            return {str(name): str(id_) for name, id_ in zip(names, ids, strict=True)}
        return {}
    keys = {
        "aws_availability_zone": ("name", "zone_id"),
        "aws_subnet": ("availability_zone", "availability_zone_id"),
    }
    pair = keys.get(resource.type)
    if pair is None:
        return {}
    name, id_ = text_of(attributes, pair[0]), text_of(attributes, pair[1])
    return {name: id_} if name and id_ else {}


def market_block(attributes: Any) -> bool:
    """Whether an ``instance_market_options`` block asks for spot."""
    return any(
        text_of(block, "market_type") == "spot" for block in items_of(attributes, "instance_market_options")
    )
