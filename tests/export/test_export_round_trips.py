"""Emitted files, re-read, hold the instances, accelerators and dollars of the plan: no more, no less."""

from __future__ import annotations

import json
import re
from decimal import Decimal
from typing import Any

import pytest
import yaml
from export_plans import CHIPS, TABLE, a_wide_plan, bought, busy, rows_of, some_facts

from advisor.export.targets import Target, export, joined

_PRICE = re.compile(r"(?:# |\"//\": \")(\d+) × \$([0-9.]+)/h = \$([0-9.]+)/h; ")
_STARTS = re.compile(r"CUDA_VISIBLE_DEVICES=([0-9,]+) vllm serve")


_RUNPOD = {"2x_RTX4090_SECURE": "secure_2x_rtx_4090"}
"""SkyPilot's name, and ours."""


def files(target: Target, rows: tuple[Any, ...] = TABLE) -> dict[str, str]:
    return {file.name: file.text for file in export(a_wide_plan(rows), target, some_facts()).files}


def objects(target: Target, rows: tuple[Any, ...] = TABLE) -> list[dict[str, Any]]:
    return [one for text in files(target, rows).values() for one in yaml.safe_load_all(text)]


def prices(text: str) -> list[tuple[int, Decimal]]:
    """Count and price of one, from the comments; count times price must be what they say."""
    found = [(int(count), Decimal(each), Decimal(total)) for count, each, total in _PRICE.findall(text)]
    assert all(count * each == total for count, each, total in found)
    return [(count, each) for count, each, _ in found]


def test_skypilot_tasks_rent_and_use_what_the_plan_does() -> None:
    rows = rows_of("aws", "gcp", "azure", "lambda", "runpod")
    instances = chips = running = 0
    usd = Decimal(0)
    for text in files(Target.SKYPILOT).values():
        task = yaml.safe_load(text)
        ((count, each),) = prices(text)
        (candidate,) = task["resources"]["any_of"]
        attached = candidate.get("accelerators")
        shape = candidate["instance_type"] + (f"+1x{attached.split(':')[0].lower()}" if attached else "")
        here = int(task["envs"]["ADVISOR_INSTANCES"])
        assert "num_nodes" not in task  # no gang: every instance is a cluster of its own
        assert here <= count
        instances += here
        usd += here * each
        chips += here * CHIPS[_RUNPOD.get(shape, shape)]
        running += here * _accelerators_in_use(task["run"])
    assert (instances, chips, usd) == bought(rows)
    assert running == busy(rows)


def _accelerators_in_use(script: str) -> int:
    """Of one instance; none is given out twice."""
    devices = [device for listed in _STARTS.findall(script) for device in listed.split(",")]
    assert len(devices) == len(set(devices))
    return len(devices)


def test_skypilot_services_rent_what_the_plan_does() -> None:
    # A runs two degrees and I five replicas on two instances: no one replica shape. H is Vast.
    rows = tuple(
        row for row in rows_of("aws", "gcp", "azure", "lambda", "runpod") if "12xlarge" not in row[3]
    )
    instances, usd = 0, Decimal(0)
    for text in files(Target.SKYPILOT_SERVICE).values():
        service = yaml.safe_load(text)
        priced = prices(text)
        assert service["service"]["replicas"] == sum(count for count, _ in priced)
        assert len(service["resources"]["any_of"]) == len(priced)
        instances += service["service"]["replicas"]
        usd += sum((count * each for count, each in priced), Decimal(0))
    assert (instances, usd) == (bought(rows)[0], bought(rows)[2])


def test_a_skypilot_service_has_one_way_to_get_its_instances() -> None:
    for text in files(Target.SKYPILOT_SERVICE).values():
        assert len(yaml.safe_load(text)["resources"]["any_of"]) == len(prices(text)) == 1


@pytest.mark.parametrize("provider", ["aws", "azure", "gcp"])
def test_terraform_groups_hold_what_the_plan_does(provider: str) -> None:
    text = files(Target.TERRAFORM)[f"{provider}/main.tf.json"]
    document = json.loads(text)
    resources = [
        (kind, name, body) for kind, named in document["resource"].items() for name, body in named.items()
    ]
    groups = {name: body[_SIZES[kind]] for kind, name, body in resources if kind in _SIZES}
    shapes = {name: _shape(body) for _, name, body in resources if _shape(body)}
    rows = rows_of(provider)
    planned = document["output"]["planned"]["value"]["lines"]
    usd = sum((Decimal(line["usd_per_hour"]) for line in planned.values()), Decimal(0))
    chips = sum(count * CHIPS[shapes[name]] for name, count in groups.items())
    assert (sum(groups.values()), chips, usd) == bought(rows)
    assert sum((count * each for count, each in prices(text)), Decimal(0)) == usd


_SIZES = {
    "aws_autoscaling_group": "desired_capacity",
    "azurerm_linux_virtual_machine_scale_set": "instances",
    "google_compute_region_instance_group_manager": "target_size",
}


def _shape(body: dict[str, Any]) -> str:
    named = body.get("instance_type") or body.get("machine_type") or body.get("sku") or ""
    attached = body.get("guest_accelerator")
    if attached:
        named = f"{named}+{attached['count']}x{attached['type'].removeprefix('nvidia-tesla-')}"
    return str(named)


def test_terraform_buys_spot_as_spot_and_the_rest_on_demand() -> None:
    aws = json.loads(files(Target.TERRAFORM)["aws/main.tf.json"])["resource"]
    for name, group in aws["aws_autoscaling_group"].items():
        mixed = group.get("mixed_instances_policy")
        assert (mixed is not None) == ("-spot" in name)
        if mixed:
            assert mixed["instances_distribution"]["on_demand_base_capacity"] == 0
            assert mixed["instances_distribution"]["on_demand_percentage_above_base_capacity"] == 0
    gcp = json.loads(files(Target.TERRAFORM)["gcp/main.tf.json"])["resource"]
    models = {
        name: template["scheduling"]["provisioning_model"]
        for name, template in gcp["google_compute_instance_template"].items()
    }
    assert all((model == "SPOT") == ("-spot" in name) for name, model in models.items())
    assert len(models) == 2


def _figures(found: list[dict[str, Any]]) -> tuple[int, int, Decimal]:
    """What the annotations of objects say, each purchase line once."""
    lines = {}
    for one in found:
        said = one["metadata"].get("annotations")
        if said:
            lines[said["llm-fleet-advisor/line"]] = said
    return (
        sum(int(said["llm-fleet-advisor/instances"]) for said in lines.values()),
        sum(
            int(said["llm-fleet-advisor/instances"])
            * int(said["llm-fleet-advisor/accelerators-per-instance"])
            for said in lines.values()
        ),
        sum(
            (
                int(said["llm-fleet-advisor/instances"])
                * Decimal(said["llm-fleet-advisor/usd-per-hour-each"])
                for said in lines.values()
            ),
            Decimal(0),
        ),
    )


def test_karpenter_pools_are_limited_to_the_plans_accelerators() -> None:
    found = objects(Target.KARPENTER)
    pools = [one for one in found if one["kind"] == "NodePool"]
    assert _figures(pools) == bought(rows_of("aws"))
    assert sum(int(pool["spec"]["limits"]["nvidia.com/gpu"]) for pool in pools) == bought(rows_of("aws"))[1]


def test_karpenter_is_told_only_the_price_it_cannot_know() -> None:
    overlays = [one for one in objects(Target.KARPENTER) if one["kind"] == "NodeOverlay"]
    assert [one["spec"]["price"] for one in overlays] == ["55.04"]  # line B, whose price is the user's own


def test_kubernetes_pods_take_the_plans_accelerators_at_its_degree() -> None:
    rows = rows_of("aws", "gcp", "azure")
    found = [one for one in objects(Target.KUBERNETES) if one["kind"] == "Deployment"]
    taken = 0
    for one in found:
        (container,) = one["spec"]["template"]["spec"]["containers"]
        each = int(container["resources"]["limits"]["nvidia.com/gpu"])
        words = container["args"]
        assert words[words.index("--tensor-parallel-size") + 1] == str(each)
        taken += each * one["spec"]["replicas"]
    assert taken == busy(rows)
    assert _figures(found) == bought(rows)


def test_every_deployment_has_a_service_that_finds_its_pods() -> None:
    found = objects(Target.KUBERNETES)
    pods = {one["metadata"]["name"]: one["spec"]["template"]["metadata"]["labels"]
            for one in found if one["kind"] == "Deployment"}  # fmt: skip
    services = {one["metadata"]["name"]: one["spec"]["selector"] for one in found if one["kind"] == "Service"}
    assert pods == services


def test_gateway_weights_are_the_plans_shares_per_cluster() -> None:
    found = objects(Target.GATEWAY)
    pools = [one for one in found if one["kind"] == "InferencePool"]
    assert _figures(pools) == bought(rows_of("aws", "gcp", "azure"))
    route = next(
        one
        for one in objects(Target.GATEWAY, tuple(row for row in TABLE if row[1] == "us-central1"))
        if one["kind"] == "HTTPRoute"
    )
    weights = {one["name"]: one["weight"] for one in route["spec"]["rules"][0]["backendRefs"]}
    # D, the first row there: 0.5 × 2 + 0 = 1 request/s; E: 0.5 × 1 + 1/7. 1 / (1 + 9/14) = 14/23
    assert weights == {
        "chat-n1-standard-8-1xt4-spot-tp1": 6087,
        "chat-a2-highgpu-1g-on-demand-tp1": 3913,
    }


def test_every_route_points_at_pools_of_its_own_file() -> None:
    for text in files(Target.GATEWAY).values():
        found = list(yaml.safe_load_all(text))
        pools = {one["metadata"]["name"] for one in found if one["kind"] == "InferencePool"}
        named = [
            ref
            for one in found
            if one["kind"] == "HTTPRoute"
            for ref in one["spec"]["rules"][0]["backendRefs"]
        ]
        assert {ref["name"] for ref in named} == pools


def test_aibrix_profiles_cost_what_their_replicas_part_of_the_instance_does() -> None:
    written = files(Target.AIBRIX)
    plan = json.loads(written.pop("plan.json"))
    scaled = {
        one["metadata"]["name"]: one["spec"] for one in json.loads(written.pop("autoscalers.json"))["items"]
    }
    profiles = {text["gpu"]: text for text in map(json.loads, written.values())}
    instances = chips = 0
    usd = Decimal(0)
    for line, row in zip(plan["lines"], TABLE, strict=True):
        instances += line["instances"]
        chips += line["instances"] * line["accelerators_per_instance"]
        usd += line["instances"] * Decimal(line["usd_per_hour_each"])
        for (name, replicas), (_, degree, planned) in zip(line["replicas"].items(), row[10], strict=True):
            assert replicas == planned
            assert scaled[name]["minReplicas"] == scaled[name]["maxReplicas"] == planned
            assert profiles[name]["cost"] == pytest.approx(float(row[8]) * degree / row[6])
            assert profiles[name]["tputs"] == [[pytest.approx(1.5 * degree * 0.9)]]  # less the headroom
            assert profiles[name]["indexes"] == [[250], [1000]]
    assert (instances, chips, usd) == bought(TABLE)


@pytest.mark.parametrize("target", Target)
def test_every_line_is_in_the_files_or_left_out_with_a_reason(target: Target) -> None:
    bundle = export(a_wide_plan(), target, some_facts())
    text = joined(bundle, target)
    left = {one.line for one in bundle.left_out}
    for row, purchase in zip(TABLE, a_wide_plan().purchase, strict=True):
        ours = row[3].split("+")[0]
        shape = next((sky for sky, name in _RUNPOD.items() if name == ours and sky in text), ours)
        assert (purchase.offer_id in left) != any(shape in line for line in _code(text, target))
    assert all(one.why for one in bundle.left_out)


def _code(text: str, target: Target) -> list[str]:
    """Lines that are no comments."""
    return [
        line
        for line in text.splitlines()
        if target is Target.AIBRIX or not line.lstrip().startswith(("#", '"//', '"left out'))
    ]
