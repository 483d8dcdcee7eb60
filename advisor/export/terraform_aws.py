"""AWS: a launch template, an Auto Scaling group and target groups per purchase line.

Spot goes through ``mixed_instances_policy``, as AWS recommends for groups, with no share on demand.
Source of the arguments: provider hashicorp/aws 6.25.0, as published in @cdktf/provider-aws 21.22.1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from advisor.export.disk import shared_disk_gb
from advisor.export.order import dns_label
from advisor.export.serving import HEALTH
from advisor.export.terraform_json import COMMENT, Body, Expression, quoted, variables
from advisor.export.user_data import IMAGE_NEEDS, user_data
from advisor.units import decimal_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from advisor.export.order import Facts, Line
    from advisor.export.terraform_group import Group


FETCH: Final = (
    "hf_token_parameter: aws ssm get-parameter --with-decryption --query Parameter.Value --output text "
    '--name "$name"'
)
NVME: Final = "if [ -d /opt/dlami/nvme ]; then cache=/opt/dlami/nvme/weights; fi"
"""Where AWS's Deep Learning AMIs mount the instance's own disks."""
STARTING_S: Final = 1800
"""Before a group replaces an instance whose engine does not answer: half an hour to load weights."""


def aws_module(groups: Sequence[Group], facts: Facts) -> dict[str, Any]:
    """The module's blocks."""
    regions = sorted({group.line.purchase.region for group in groups})
    named, places = ", ".join(regions), ", ".join(sorted({_place(group.line) for group in groups}))
    targets = {name: body for group in groups for name, body in _targets(group)}
    return {
        "terraform": {"required_providers": {"aws": {"source": "hashicorp/aws", "version": ">= 5.0"}}},
        "provider": {"aws": [{"alias": _alias(region), "region": region} for region in regions]},
        "variable": variables(
            image_ids=(
                "map(string)",
                f"AMI {IMAGE_NEEDS}, e.g. a Deep Learning Base AMI, by region: {named}.",
            ),
            root_device_name=("string", "Of the AMI.", "/dev/sda1"),
            subnet_ids=("map(list(string))", f"Private subnets, by region or zone id: {places}."),
            security_group_ids=("map(list(string))", f"Security groups, by region: {named}."),
            **({"vpc_ids": ("map(string)", f"VPC of the subnets, by region: {named}.")} if targets else {}),
            instance_profile_name=(
                "string",
                "Instance profile that may read the parameter; null: none.",
                None,
            ),
            hf_token_parameter=("string", "SSM SecureString of the hub's token; empty: no gated model.", ""),
        ),
        "resource": {
            "aws_launch_template": {group.name: _template(group, facts) for group in groups},
            "aws_autoscaling_group": {group.name: _group(group) for group in groups},
            **({"aws_lb_target_group": targets} if targets else {}),
        },
    }


def _alias(region: str) -> str:
    return dns_label(region).replace("-", "_")


def _place(line: Line) -> str:
    return line.purchase.zone or line.purchase.region


def _at(variable: str, key: str) -> Expression:
    return Expression(f"var.{variable}[{quoted(key)}]")


def _template(group: Group, facts: Facts) -> Body:
    purchase, region = group.line.purchase, group.line.purchase.region
    disk = {"volume_size": shared_disk_gb(group.line, facts), "volume_type": "gp3", "encrypted": "true"}
    script = user_data(group.work, facts, NVME, fetched=FETCH, encoded=True)
    return {
        "provider": f"aws.{_alias(region)}",
        "name_prefix": f"{group.name}-",
        "image_id": _at("image_ids", region),
        "instance_type": purchase.instance_type,
        "vpc_security_group_ids": _at("security_group_ids", region),
        "block_device_mappings": {"device_name": Expression("var.root_device_name"), "ebs": disk},
        "iam_instance_profile": {"name": Expression("var.instance_profile_name")},
        "metadata_options": {"http_tokens": "required"},
        "tag_specifications": [
            {"resource_type": kind, "tags": group.tags()} for kind in ("instance", "volume")
        ],
        "user_data": script,
        "update_default_version": True,
    }


def _group(group: Group) -> Body:
    line, count = group.line, group.work.instances
    spot = line.purchase.market.value == "spot"
    found = [Expression(f"aws_lb_target_group.{name}.arn") for name, _ in _targets(group)]
    watched = {"target_group_arns": found, "health_check_type": "ELB"} if found else {}
    return {
        COMMENT: group.comment,
        "provider": f"aws.{_alias(line.purchase.region)}",
        "name_prefix": f"{group.name}-",
        "min_size": count,
        "max_size": count,
        "desired_capacity": count,
        "vpc_zone_identifier": _at("subnet_ids", _place(line)),
        "wait_for_capacity_timeout": "0",
        "health_check_grace_period": STARTING_S,
        **watched,
        "tag": [
            {"key": key, "value": value, "propagate_at_launch": True} for key, value in group.tags().items()
        ],
        **({"mixed_instances_policy": _mixed(group)} if spot else {"launch_template": _started(group)}),
    }


def _targets(group: Group) -> list[tuple[str, Body]]:
    """A target group per port, behind whichever load balancer there is."""
    region = group.line.purchase.region
    check = {"path": HEALTH, "matcher": "200", "interval": 15}
    return [
        (
            f"{group.name}-{port}",
            {
                "provider": f"aws.{_alias(region)}",
                "name_prefix": "llm-",
                "port": port,
                "protocol": "HTTP",
                "vpc_id": _at("vpc_ids", region),
                "health_check": check,
                "tags": group.tags(),
                "lifecycle": {"create_before_destroy": True},
            },
        )
        for port in group.ports
    ]


def _started(group: Group, prefix: str = "") -> Body:
    return {
        f"{prefix}id": Expression(f"aws_launch_template.{group.name}.id"),
        "version": Expression(f"aws_launch_template.{group.name}.latest_version"),
    }


def _mixed(group: Group) -> Body:
    ceiling = group.line.ceiling_usd_per_hour
    return {
        "instances_distribution": {
            "on_demand_base_capacity": 0,
            "on_demand_percentage_above_base_capacity": 0,
            "spot_allocation_strategy": "price-capacity-optimized",
            **({} if ceiling is None else {"spot_max_price": decimal_text(ceiling)}),
        },
        "launch_template": {"launch_template_specification": _started(group, "launch_template_")},
    }
