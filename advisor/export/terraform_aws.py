"""AWS: a launch template and an Auto Scaling group per purchase line.

Spot goes through ``mixed_instances_policy``, as AWS recommends for groups, with no share on demand.
Source of the arguments: provider hashicorp/aws 6.25.0, as published in @cdktf/provider-aws 21.22.1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from advisor.export.hcl_text import Block, Expression, quoted
from advisor.export.order import dns_label, price_note

if TYPE_CHECKING:
    from collections.abc import Sequence

    from advisor.export.order import Line


def aws_blocks(lines: Sequence[Line]) -> list[Block]:
    """The module."""
    regions = sorted({line.purchase.region for line in lines})
    blocks = [_terraform(), *map(_provider, regions), *_variables(lines, regions)]
    for line in lines:
        blocks += [_template(line), _group(line)]
    return blocks


def _terraform() -> Block:
    required = {"aws": {"source": "hashicorp/aws", "version": ">= 5.0"}}
    return Block("terraform", (), {}, (Block("required_providers", (), required),))


def _alias(region: str) -> str:
    return dns_label(region).replace("-", "_")


def _provider(region: str) -> Block:
    return Block("provider", ("aws",), {"alias": _alias(region), "region": region})


def _variables(lines: Sequence[Line], regions: Sequence[str]) -> list[Block]:
    places = sorted({_place(line) for line in lines})
    texts, lists = Expression("map(string)"), Expression("map(list(string))")
    return [
        _variable("image_ids", texts, f"AMI with NVIDIA drivers, by region: {', '.join(regions)}."),
        _variable("subnet_ids", lists, f"Subnets, by region or zone id: {', '.join(places)}."),
        _variable("security_group_ids", lists, f"Security groups, by region: {', '.join(regions)}."),
        Block(
            "variable",
            ("user_data",),
            {
                "description": "Script each instance runs at its first boot.",
                "type": Expression("string"),
                "default": "",
            },
        ),
    ]


def _variable(name: str, kind: Expression, description: str) -> Block:
    return Block("variable", (name,), {"description": description, "type": kind})


def _place(line: Line) -> str:
    return line.purchase.zone or line.purchase.region


def _at(variable: str, key: str) -> Expression:
    return Expression(f"var.{variable}[{quoted(key)}]")


def _template(line: Line) -> Block:
    region = line.purchase.region
    return Block(
        "resource",
        ("aws_launch_template", line.name),
        {
            "provider": Expression(f"aws.{_alias(region)}"),
            "name_prefix": f"{line.name}-",
            "image_id": _at("image_ids", region),
            "instance_type": line.purchase.instance_type,
            "vpc_security_group_ids": _at("security_group_ids", region),
            "user_data": Expression('var.user_data == "" ? null : base64encode(var.user_data)'),
            "update_default_version": True,
        },
    )


def _group(line: Line) -> Block:
    count = line.purchase.instances
    return Block(
        "resource",
        ("aws_autoscaling_group", line.name),
        {
            "provider": Expression(f"aws.{_alias(line.purchase.region)}"),
            "name_prefix": f"{line.name}-",
            "min_size": count,
            "max_size": count,
            "desired_capacity": count,
            "vpc_zone_identifier": _at("subnet_ids", _place(line)),
        },
        (
            _mixed(line)
            if line.purchase.market.value == "spot"
            else Block("launch_template", (), _started(line)),
        ),
        (price_note(line.purchase),),
    )


def _started(line: Line, prefix: str = "") -> dict[str, object]:
    return {
        f"{prefix}id": Expression(f"aws_launch_template.{line.name}.id"),
        "version": Expression(f"aws_launch_template.{line.name}.latest_version"),
    }


def _mixed(line: Line) -> Block:
    distribution = {
        "on_demand_base_capacity": 0,
        "on_demand_percentage_above_base_capacity": 0,
        "spot_allocation_strategy": "price-capacity-optimized",
    }
    template = Block("launch_template_specification", (), _started(line, "launch_template_"))
    parts = (Block("instances_distribution", (), distribution), Block("launch_template", (), {}, (template,)))
    return Block("mixed_instances_policy", (), {}, parts)
