"""Lists of the clouds' own command lines, Terraform shown as JSON, other clouds' resources, zone names."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from fleet_samples import FIXTURES, KNOWN, imported, imported_json, lines, reasons
from hypothesis import given
from hypothesis import strategies as st

from advisor.errors import InputFileError
from advisor.fleet import read_fleet
from advisor.fleet.importing import Tool, import_fleet

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.fast


def test_terraform_shown_as_json_has_the_modules_too() -> None:
    found = imported("terraform_show.json")
    assert found.tool is Tool.TERRAFORM
    assert lines(found) == {
        "aws:us-east-1:g6.xlarge:on_demand": 1,  # us-east-1a: no subnet gives its id
        "aws:us-east-1/use1-az2:g6e.2xlarge:spot": 1,  # of a child module
    }
    assert "stopped" in reasons(found)["module.chat.module.deep.aws_instance.off"]


def test_of_a_plan_shown_as_json_the_state_before_it_runs(tmp_path: Path) -> None:
    shown = json.loads((FIXTURES / "terraform_show.json").read_text())
    plan = {"format_version": "1.2", "terraform_version": "1.9.8", "planned_values": {}, "prior_state": shown}
    assert lines(imported_json(plan, tmp_path)) == lines(imported("terraform_show.json"))
    del plan["prior_state"]
    with pytest.raises(InputFileError, match="values"):
        imported_json(plan, tmp_path)


def test_a_state_without_resources_is_an_empty_fleet(tmp_path: Path) -> None:
    empty = {"format_version": "1.0", "terraform_version": "1.9.8"}
    assert imported_json(empty, tmp_path).fleet.lines == ()


def test_what_other_clouds_may_have_running_is_listed_with_its_count() -> None:
    found = imported("other_clouds.tfstate")
    assert lines(found) == {
        "aws:us-east-1:g6.xlarge:on_demand": 2,
        "azure:eastus2/3:Standard_NC40ads_H100_v5:spot": 2,  # its cluster says the region
    }
    listed = {one.what: one.instances for one in found.fleet.unknown}
    assert listed == {
        "aws_sagemaker_endpoint_configuration.llm (ml.g5.12xlarge)": 2,
        "nebius_compute_v1_instance.n (gpu-h100-sxm, 8gpu-128vcpu-1600gb)": 1,
        "oci_core_instance.o (BM.GPU.H100.8)": 1,
        "runpod_pod.r (NVIDIA L40S, gpu_count 1)": 1,
        "vultr_kubernetes_node_pools.v (vcg-a100-12c-120g-80vram)": 3,
        "azurerm_kubernetes_cluster.k (Standard_D4s_v5)": 2,  # the default pool, without GPUs
    }


def test_ec2_instances_that_run_are_counted() -> None:
    found = imported("aws_instances.json")
    assert found.tool is Tool.AWS
    assert lines(found) == {
        "aws:us-east-1/use1-az2:g6.xlarge:on_demand": 2,
        "aws:us-east-1:g6e.2xlarge:spot": 1,
    }
    said = reasons(found)
    assert "stopped" in said["instance i-2 (p5.48xlarge)"]
    assert "capacity-block" in said["instance i-5 (p5.48xlarge)"]
    assert "instance i-4 (t3.micro)" in said
    assert [note for note in found.notes if "us-east-1c" in note]


@pytest.mark.parametrize("nested", [False, True])
def test_ec2_instances_may_be_queried_out_of_their_reservations(tmp_path: Path, nested: bool) -> None:
    whole = json.loads((FIXTURES / "aws_instances.json").read_text())
    groups = [group["Instances"] for group in whole["Reservations"]]
    queried = groups if nested else [one for group in groups for one in group]
    assert lines(imported_json(queried, tmp_path)) == lines(imported("aws_instances.json"))


def test_compute_engine_instances_that_run_are_counted() -> None:
    found = imported("gcp_instances.json")
    assert found.tool is Tool.GCP
    assert lines(found) == {
        "gcp:us-central1/us-central1-a:g2-standard-8:spot": 2,
        "gcp:us-east1/us-east1-c:n1-standard-8+1xt4:on_demand": 1,
    }
    assert "terminated" in reasons(found)["instance d (a2-highgpu-1g)"]


def test_azure_machines_and_scale_sets_are_counted() -> None:
    found = imported("azure_machines.json")
    assert found.tool is Tool.AZURE
    assert lines(found) == {
        "azure:eastus2/1:Standard_NC40ads_H100_v5:on_demand": 1,
        "azure:eastus2:Standard_NC40ads_H100_v5:spot": 1,  # stopped and not deallocated: billed
        "azure:eastus:Standard_NV36ads_A10_v5:spot": 3,
    }
    assert "deallocated" in reasons(found)["machine b (Standard_NC40ads_H100_v5)"]


def test_an_azure_list_that_does_not_say_what_runs_says_so(tmp_path: Path) -> None:
    machines = json.loads((FIXTURES / "azure_machines.json").read_text())
    for machine in machines:
        machine.pop("powerState", None)
    found = imported_json(machines, tmp_path)
    assert [note for note in found.notes if "--show-details" in note]
    assert found.fleet.instances == 6


@pytest.mark.parametrize("tool", [Tool.AWS, Tool.GCP, Tool.AZURE, Tool.TERRAFORM])
def test_the_tool_named_refuses_what_another_wrote(tool: Tool) -> None:
    with pytest.raises(InputFileError):
        import_fleet(FIXTURES / "nodes.json", tool, KNOWN)


def test_an_aws_zone_name_is_left_blank_with_a_note() -> None:
    found = imported("zone_names.csv")
    assert lines(found) == {
        "aws:us-east-1:g6e.2xlarge:spot": 2,
        "aws:us-east-1:g6.xlarge:on_demand": 1,
        "aws:us-east-1/use1-az4:g6.xlarge:on_demand": 1,  # an id means the same in every account
        "aws:us-east-1/us-east-1-atl-1a:g6.xlarge:on_demand": 1,  # and so does a Local Zone's name
        "gcp:us-central1/us-central1-a:g2-standard-8:spot": 1,
    }
    (note,) = found.notes
    assert "us-east-1a, us-east-1b:" in note


def test_a_fleet_file_with_an_aws_zone_name_is_read_without_it(tmp_path: Path) -> None:
    path = tmp_path / "fleet.yaml"
    line = "provider: AWS, region: us-east-1, zone: us-east-1a, instance_type: g6.xlarge, market: On-Demand"
    path.write_text(f"schema_version: 1\nkind: fleet\nlines:\n  - {{{line}, instances: 1}}\n")
    fleet = read_fleet(path)
    assert [held.offer_id for held in fleet.lines] == ["aws:us-east-1:g6.xlarge:on_demand"]
    assert ["us-east-1a" in note for note in fleet.notes] == [True]


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(fields=st.dictionaries(st.sampled_from([
    "InstanceType", "Placement", "InstanceLifecycle", "machineType", "zone", "scheduling", "status", "name",
    "guestAccelerators", "hardwareProfile", "sku", "location", "zones", "priority", "powerState"]),
    _JSON))  # fmt: skip
@pytest.mark.parametrize("marks", [
    {"InstanceId": "i-0", "State": {"Name": "running"}},
    {"kind": "compute#instance"},
    {"type": "Microsoft.Compute/virtualMachines"},
    {"type": "Microsoft.Compute/virtualMachineScaleSets"},
])  # fmt: skip
def test_no_instance_however_odd_is_lost(
    tmp_path_factory: pytest.TempPathFactory, marks: dict[str, Any], fields: dict[str, Any]
) -> None:
    found = imported_json([fields | marks], tmp_path_factory.getbasetemp())
    assert len(found.fleet.lines) + len(found.fleet.unknown) == 1
