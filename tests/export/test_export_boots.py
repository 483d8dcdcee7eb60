"""Disks hold image and weights, nothing more is started than bought, and spot has a ceiling."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml
from export_plans import TABLE, a_wide_document, a_wide_plan, rows_of, some_facts

from advisor.export.disk import weights_gb
from advisor.export.targets import Target, export
from advisor.plan.plan import Plan

pytestmark = pytest.mark.fast
IMAGE_GB = 29
"""Of vLLM's, unpacked."""


def documents(target: Target, plan: Plan) -> list[Any]:
    return [one for file in export(plan, target, some_facts()).files for one in yaml.safe_load_all(file.text)]


def large() -> Plan:
    """671 GB of weights on one node of eight accelerators, and the same on each cloud."""
    rows = (
        ("aws", "us-east-1", None, "p5en.48xlarge", "on_demand", "h200-sxm-141gb", 8, 1, "63.3", "list",
         [("chat", 8, 1)]),
        ("gcp", "us-central1", None, "a3-ultragpu-8g", "on_demand", "h200-sxm-141gb", 8, 1, "84.8", "list",
         [("chat", 8, 1)]),
        ("azure", "eastus2", None, "Standard_ND96isr_H200_v5", "on_demand", "h200-sxm-141gb", 8, 1, "84.8",
         "list", [("chat", 8, 1)]),
    )  # fmt: skip
    document = a_wide_document(rows)
    document["services"][0] |= {"model": "DeepSeek-R1", "precision": "fp8"}
    return Plan.model_validate(document)


def disks(plan: Plan) -> dict[str, list[int]]:
    """Gigabytes, by where a target says them."""
    modules = [
        json.loads(file.text)["resource"] for file in export(plan, Target.TERRAFORM, some_facts()).files
    ]
    found: dict[str, list[int]] = {"terraform": []}
    for module in modules:
        for one in module.get("aws_launch_template", {}).values():
            found["terraform"].append(one["block_device_mappings"]["ebs"]["volume_size"])
        for one in module.get("google_compute_instance_template", {}).values():
            found["terraform"].append(one["disk"]["disk_size_gb"])
        for one in module.get("azurerm_linux_virtual_machine_scale_set", {}).values():
            found["terraform"].append(one["os_disk"]["disk_size_gb"])
    tasks = documents(Target.SKYPILOT, plan)
    found["skypilot"] = [one["disk_size"] for task in tasks for one in task["resources"]["any_of"]]
    classes = [one for one in documents(Target.KARPENTER, plan) if one["kind"] == "EC2NodeClass"]
    sizes = [one["spec"]["blockDeviceMappings"][0]["ebs"]["volumeSize"] for one in classes]
    found["karpenter"] = [int(size.removesuffix("G")) for size in sizes]
    return found


def test_a_disk_holds_the_image_and_671_gb_of_weights() -> None:
    for sizes in disks(large()).values():
        assert sizes
        assert all(671 + IMAGE_GB < size < 2 * (671 + IMAGE_GB) for size in sizes)


def test_every_line_has_a_disk_of_its_own_need() -> None:
    for sizes in disks(a_wide_plan()).values():
        assert all(size > IMAGE_GB + 16 for size in sizes)  # Llama-3.1-8B in 16 bits is 16 GB


def test_what_fp8_is_made_of_is_16_bits_wide_on_disk() -> None:
    document = a_wide_document()
    plan = Plan.model_validate(document)
    code = next(one for one in plan.services if one.name == "code")
    assert weights_gb(code, some_facts()) == pytest.approx(141, rel=0.01)  # Llama-3.1-70B, asked for in fp8
    stored = code.model_copy(update={"checkpoint": "neuralmagic/Meta-Llama-3.1-70B-Instruct-FP8"})
    assert 70 < (weights_gb(stored, some_facts()) or 0) < 75


def test_pods_ask_for_the_room_of_their_weights_and_nodes_for_all_of_their_pods() -> None:
    line = ("aws", "us-east-1", None, "p5.48xlarge", "on_demand", "h100-sxm-80gb", 8, 1, "55.04", "list",
            [("chat", 1, 8)])  # fmt: skip
    plan = a_wide_plan((line,))
    (pod,) = (one for one in documents(Target.KUBERNETES, plan) if one["kind"] == "Deployment")
    (container,) = pod["spec"]["template"]["spec"]["containers"]
    assert int(container["resources"]["requests"]["ephemeral-storage"].removesuffix("G")) >= 17
    assert disks(plan)["karpenter"][0] > IMAGE_GB + 8 * 16


def test_a_rollout_needs_no_accelerator_that_was_not_bought() -> None:
    for one in documents(Target.KUBERNETES, a_wide_plan()):
        if one["kind"] == "Deployment":
            rolling = one["spec"]["strategy"]["rollingUpdate"]
            assert rolling == {"maxSurge": 0, "maxUnavailable": 1}
            (container,) = one["spec"]["template"]["spec"]["containers"]
            for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
                assert container[probe]["httpGet"]["path"] == "/health"


def test_spot_is_dropped_where_it_costs_as_much_as_its_fallback() -> None:
    document = a_wide_document(rows_of("aws", "azure"))
    spot = [line for line in document["purchase"] if line["market"] == "spot"]
    document["risk"] = {
        "expected_usd_per_hour": None, "worst_usd_per_hour": None, "hours_on_fallback": 1.0,
        "fallbacks": [
            {"offer": _offer(line), "instances": line["instances"], "interruption": None,
             "interruption_share": None, "fallback": "x", "fallback_usd_per_hour_each": "9.5"}
            for line in spot
        ],
    }  # fmt: skip
    plan = Plan.model_validate(document)
    for task in documents(Target.SKYPILOT, plan):
        for one in task["resources"]["any_of"]:
            assert one.get("max_hourly_cost") == (9.5 if one["use_spot"] else None)
    modules = {
        file.name: json.loads(file.text)["resource"]
        for file in export(plan, Target.TERRAFORM, some_facts()).files
    }
    for group in modules["aws/main.tf.json"]["aws_autoscaling_group"].values():
        if "mixed_instances_policy" in group:
            shares = group["mixed_instances_policy"]["instances_distribution"]
            assert shares["spot_max_price"] == "9.5"
    for group in modules["azure/main.tf.json"]["azurerm_linux_virtual_machine_scale_set"].values():
        assert group["max_bid_price"] == 9.5


def _offer(line: dict[str, Any]) -> str:
    place = line["region"] if line["zone"] is None else f"{line['region']}/{line['zone']}"
    return f"{line['provider']}:{place}:{line['instance_type']}:{line['market']}"


def test_terraform_starts_every_replica_and_asks_each_port_for_its_health() -> None:
    module = json.loads(export(a_wide_plan(), Target.TERRAFORM, some_facts()).files[0].text)["resource"]
    for name, group in module["aws_autoscaling_group"].items():
        script = module["aws_launch_template"][name]["user_data"]
        ports = sorted(int(part.split()[0]) for part in script.split("--port ")[1:])
        targets = [one for one in module["aws_lb_target_group"] if one.rpartition("-")[0] == name]
        asked = sorted(module["aws_lb_target_group"][one]["port"] for one in targets)
        assert ports == asked
        assert len(group["target_group_arns"]) == len(ports) >= 1
        assert all(module["aws_lb_target_group"][one]["health_check"]["path"] == "/health" for one in targets)
        assert group["wait_for_capacity_timeout"] == "0"
        assert {tag["key"] for tag in group["tag"]} == {"llm-fleet-advisor-line", "llm-fleet-advisor-service"}


def test_an_open_port_asks_for_a_key_and_no_secret_stands_in_a_file() -> None:
    for target in (Target.SKYPILOT, Target.SKYPILOT_SERVICE):
        for task in documents(target, a_wide_plan()):
            assert task["secrets"] == {"API_KEY": "", "HF_TOKEN": ""}
            for line in task["run"].splitlines():
                assert "vllm serve" not in line or '--api-key "$API_KEY"' in line


def test_two_services_of_one_model_have_names_and_routes_of_their_own() -> None:
    document = a_wide_document(TABLE[:2])
    document["services"][1] |= {"model": "Llama-3.1-8B", "precision": "bf16"}
    plan = Plan.model_validate(document)
    names = set()
    for one in documents(Target.KUBERNETES, plan):
        if one["kind"] == "Deployment":
            words = one["spec"]["template"]["spec"]["containers"][0]["args"]
            names.add(words[words.index("--served-model-name") + 1])
    assert names == {"chat", "code"}
    routes = [one for one in documents(Target.GATEWAY, plan) if one["kind"] == "HTTPRoute"]
    matched = [json.dumps(one["spec"]["rules"][0]["matches"]) for one in routes]
    assert len(set(matched)) == len(matched) == 2


def test_runpod_gets_single_nodes_alone() -> None:
    row = ("runpod", "global", None, "secure_2x_rtx_4090", "on_demand", "rtx-4090-24gb", 2, 4, "1.38", "list",
           [("chat", 1, 8)])  # fmt: skip
    (task,) = documents(Target.SKYPILOT, a_wide_plan((row,)))
    assert "num_nodes" not in task
    assert task["envs"]["ADVISOR_INSTANCES"] == "4"
