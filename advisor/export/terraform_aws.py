"""AWS: a launch template and an Auto Scaling group per purchase line.

Spot goes through ``mixed_instances_policy``, as AWS recommends for groups, with no share on demand.
Source of the arguments: provider hashicorp/aws 6.25.0, as published in @cdktf/provider-aws 21.22.1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from advisor.export.order import dns_label, price_note
from advisor.export.terraform_json import COMMENT, Body, Expression, quoted, variables

if TYPE_CHECKING:
    from collections.abc import Sequence

    from advisor.export.order import Line


def aws_module(lines: Sequence[Line]) -> dict[str, Any]:
    """The module's blocks."""
    regions = sorted({line.purchase.region for line in lines})
    named, places = ", ".join(regions), ", ".join(sorted({_place(line) for line in lines}))
    return {
        "terraform": {"required_providers": {"aws": {"source": "hashicorp/aws", "version": ">= 5.0"}}},
        "provider": {"aws": [{"alias": _alias(region), "region": region} for region in regions]},
        "variable": variables(
            image_ids=("map(string)", f"AMI with NVIDIA drivers, by region: {named}."),
            subnet_ids=("map(list(string))", f"Subnets, by region or zone id: {places}."),
            security_group_ids=("map(list(string))", f"Security groups, by region: {named}."),
            user_data=("string", "Script each instance runs at its first boot.", ""),
        ),
        "resource": {
            "aws_launch_template": {line.name: _template(line) for line in lines},
            "aws_autoscaling_group": {line.name: _group(line) for line in lines},
        },
    }


def _alias(region: str) -> str:
    return dns_label(region).replace("-", "_")


def _place(line: Line) -> str:
    return line.purchase.zone or line.purchase.region


def _at(variable: str, key: str) -> Expression:
    return Expression(f"var.{variable}[{quoted(key)}]")


def _template(line: Line) -> Body:
    region = line.purchase.region
    return {
        "provider": f"aws.{_alias(region)}",
        "name_prefix": f"{line.name}-",
        "image_id": _at("image_ids", region),
        "instance_type": line.purchase.instance_type,
        "vpc_security_group_ids": _at("security_group_ids", region),
        "user_data": Expression('var.user_data == "" ? null : base64encode(var.user_data)'),
        "update_default_version": True,
    }


def _group(line: Line) -> Body:
    count = line.purchase.instances
    spot = line.purchase.market.value == "spot"
    return {
        COMMENT: price_note(line.purchase),
        "provider": f"aws.{_alias(line.purchase.region)}",
        "name_prefix": f"{line.name}-",
        "min_size": count,
        "max_size": count,
        "desired_capacity": count,
        "vpc_zone_identifier": _at("subnet_ids", _place(line)),
        **({"mixed_instances_policy": _mixed(line)} if spot else {"launch_template": _started(line)}),
    }


def _started(line: Line, prefix: str = "") -> Body:
    return {
        f"{prefix}id": Expression(f"aws_launch_template.{line.name}.id"),
        "version": Expression(f"aws_launch_template.{line.name}.latest_version"),
    }


def _mixed(line: Line) -> Body:
    return {
        "instances_distribution": {
            "on_demand_base_capacity": 0,
            "on_demand_percentage_above_base_capacity": 0,
            "spot_allocation_strategy": "price-capacity-optimized",
        },
        "launch_template": {"launch_template_specification": _started(line, "launch_template_")},
    }
