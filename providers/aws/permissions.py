"""The least privilege the adapter needs, as a policy that can be pasted into IAM."""

from __future__ import annotations

import json
from typing import Final

ACTIONS: Final[dict[str, str]] = {
    # boto3 method: the IAM action that permits it
    "describe_regions": "ec2:DescribeRegions",
    "describe_instance_types": "ec2:DescribeInstanceTypes",
    "describe_instance_type_offerings": "ec2:DescribeInstanceTypeOfferings",
    "describe_spot_price_history": "ec2:DescribeSpotPriceHistory",
    "get_products": "pricing:GetProducts",
    "list_service_quotas": "servicequotas:ListServiceQuotas",
    "list_aws_default_service_quotas": "servicequotas:ListAWSDefaultServiceQuotas",
    "get_metric_data": "cloudwatch:GetMetricData",
    "get_spot_placement_scores": "ec2:GetSpotPlacementScores",
    "describe_capacity_block_offerings": "ec2:DescribeCapacityBlockOfferings",
}
"""All of them only read. The last two are called only where a setting asks for them."""

POLICY: Final = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": list(ACTIONS.values()), "Resource": "*"}],
    },
    indent=2,
)

PERMISSIONS: Final = (
    "AWS: none for on-demand list prices, which are read from the public price list files. Spot prices,"
    " availability and quotas need an identity with this read-only policy; drop the lines of what you do"
    " not use (without servicequotas and cloudwatch no quotas, without the last two no placement scores and"
    f" no capacity blocks):\n{POLICY}"
)
