"""AWS in Terraform state: instances, Auto Scaling groups, EKS node groups."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from advisor.fleet.found import ON_DEMAND, SPOT, Found, Unread, count_of, first_of, items_of, text_of
from advisor.fleet.terraform_state import market_block

if TYPE_CHECKING:
    from collections.abc import Callable

    from advisor.fleet.terraform_state import Resource, State

AWS: Final = "aws"


def _region(attributes: dict[str, Any]) -> str | None:
    """From the attribute (provider 6 and later), else the ARN."""
    arn = (text_of(attributes, "arn") or "").split(":")
    return text_of(attributes, "region") or (arn[3] if len(arn) > 4 and arn[3] else None)


def _zone(names: list[str], state: State) -> tuple[str | None, str | None]:
    """The id of the only zone, and its name where the id is not known."""
    if len(names) != 1:
        return None, None
    known = state.aws_zone_ids.get(names[0])
    return (known, None) if known else (None, names[0])


def _instance(resource: Resource, state: State) -> Found | Unread:
    attributes = resource.attributes
    running = text_of(attributes, "instance_state") or "running"
    if running not in ("running", "pending"):
        return Unread(resource.address, 1, f"it is {running}: nothing is rented but its disk")
    spot = market_block(attributes) or text_of(attributes, "instance_lifecycle") == SPOT
    return _found(resource, state, text_of(attributes, "instance_type"), SPOT if spot else ON_DEMAND, 1)


def _spot_request(resource: Resource, state: State) -> Found | Unread:
    attributes = resource.attributes
    if text_of(attributes, "spot_request_state") not in (None, "active"):
        return Unread(resource.address, 1, "its spot request is not active")
    return _found(resource, state, text_of(attributes, "instance_type"), SPOT, 1)


def _found(
    resource: Resource, state: State, instance_type: str | None, market: str | None, instances: int
) -> Found:
    names = _zone_names(resource.attributes)
    zone, unnamed = _zone(names, state)
    region = _region(resource.attributes)
    return Found(resource.address, AWS, region, zone, instance_type, market, instances, unnamed_zone=unnamed)


def _zone_names(attributes: dict[str, Any]) -> list[str]:
    several = attributes.get("availability_zones")
    if isinstance(several, list):
        return [name for name in several if isinstance(name, str)]
    one = text_of(attributes, "availability_zone")
    return [one] if one else []


def _group(resource: Resource, state: State) -> list[Found] | Unread:
    """The wanted instances of an Auto Scaling group, by market."""
    attributes = resource.attributes
    wanted = count_of(attributes, "desired_capacity")
    if wanted is None:
        return Unread(resource.address, None, "its desired_capacity is not in the state")
    policy = first_of(attributes, "mixed_instances_policy")
    template = _launch_template(attributes, policy, state)
    overrides = items_of(first_of(policy, "launch_template"), "override")
    types = {text_of(one, "instance_type") for one in overrides} - {None}
    if len(types) > 1 or any(items_of(one, "instance_requirements") for one in overrides):
        return Unread(
            resource.address, wanted, "it mixes instance types, and the state does not say which run"
        )
    if any(text_of(one, "weighted_capacity") not in (None, "1") for one in overrides):
        return Unread(resource.address, wanted, "its capacity is weighted: it does not count instances")
    instance_type = next(iter(types), None) or text_of(template, "instance_type")
    if instance_type is None:
        return Unread(resource.address, wanted, "its launch template is not in this state")
    if not policy:
        market = SPOT if market_block(template) or text_of(template, "spot_price") else ON_DEMAND
        return [_found(resource, state, instance_type, market, wanted)] if wanted else []
    on_demand = _on_demand(first_of(policy, "instances_distribution"), wanted)
    shares = ((ON_DEMAND, on_demand), (SPOT, wanted - on_demand))
    return [_found(resource, state, instance_type, market, count) for market, count in shares if count]


def _launch_template(
    attributes: dict[str, Any], policy: dict[str, Any], state: State
) -> dict[str, Any] | None:
    configuration = text_of(attributes, "launch_configuration")
    if configuration is not None:
        return state.template("aws_launch_configuration", configuration)
    mixed = first_of(first_of(policy, "launch_template"), "launch_template_specification")
    named = first_of(attributes, "launch_template")
    return state.template(
        "aws_launch_template",
        text_of(mixed, "launch_template_id"),
        text_of(mixed, "launch_template_name"),
        text_of(named, "id"),
        text_of(named, "name"),
    )


def _on_demand(distribution: dict[str, Any], wanted: int) -> int:
    """Instances on demand: the base, and the percentage of the rest, rounded up.

    Source: EC2 Auto Scaling user guide, "Create a mixed instances group": the percentage is 100 unless said,
    and a fraction becomes one more on-demand instance.
    """
    base = min(count_of(distribution, "on_demand_base_capacity") or 0, wanted)
    percent = count_of(distribution, "on_demand_percentage_above_base_capacity")
    share = 100 if percent is None else min(percent, 100)
    return base + -(-(wanted - base) * share // 100)


def _node_group(resource: Resource, state: State) -> Found | Unread | None:
    """An EKS managed node group; its zones are those of its subnets, which may be several."""
    attributes = resource.attributes
    wanted = count_of(first_of(attributes, "scaling_config"), "desired_size")
    types = attributes.get("instance_types")
    named = [one for one in types if isinstance(one, str)] if isinstance(types, list) else []
    if not named:
        described = first_of(attributes, "launch_template")
        template = state.template("aws_launch_template", text_of(described, "id"), text_of(described, "name"))
        named = [name for name in (text_of(template, "instance_type"),) if name]
    if wanted is None or len(named) != 1:
        return Unread(resource.address, wanted, "the state does not say how many of which instance type run")
    bought = (text_of(attributes, "capacity_type") or ON_DEMAND).casefold()
    return _found(resource, state, named[0], bought, wanted) if wanted else None


READERS: Final[dict[str, Callable[[Resource, State], Found | Unread | list[Found] | None]]] = {
    "aws_autoscaling_group": _group,
    "aws_eks_node_group": _node_group,
    "aws_instance": _instance,
    "aws_spot_instance_request": _spot_request,
}
