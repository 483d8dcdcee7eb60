"""What other tools say runs becomes lines; what cannot, is listed with its reason."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from fleet_samples import FIXTURES, imported, imported_json, lines, reasons
from hypothesis import given
from hypothesis import strategies as st

from advisor.errors import InputFileError
from advisor.fleet.importing import Tool

if TYPE_CHECKING:
    from pathlib import Path

SAMPLES = {
    "terraform.tfstate": Tool.TERRAFORM,
    "sky_status.json": Tool.SKYPILOT,
    "nodes.json": Tool.KUBERNETES,
    "fleet.csv": Tool.CSV,
}


@pytest.mark.parametrize("name", SAMPLES)
def test_a_file_is_told_by_its_content(name: str) -> None:
    assert imported(name).tool is SAMPLES[name]
    assert imported(name).fleet == imported(name, SAMPLES[name]).fleet


def test_terraform_state_gives_instances_groups_and_node_pools() -> None:
    assert lines(imported("terraform.tfstate")) == {
        "aws:us-east-1/use1-az2:g6e.2xlarge:spot": 2,  # zone id through the subnet of the same state
        "aws:us-east-1:g6e.2xlarge:spot": 1,  # us-east-1f: nothing gives its id
        "aws:us-east-1/use1-az4:g6e.12xlarge:spot": 3,  # zone id through the data source
        "aws:us-east-1:p5.4xlarge:on_demand": 4,  # of 10: a base of 2, and a quarter of the other 8
        "aws:us-east-1:p5.4xlarge:spot": 6,
        "aws:us-west-2:g6.xlarge:spot": 5,
        "azure:eastus2/1:Standard_NC40ads_H100_v5:on_demand": 1,
        "azure:eastus:Standard_NV36ads_A10_v5:spot": 3,  # "East US", two zones
        "gcp:us-central1/us-central1-a:a2-highgpu-1g:on_demand": 1,
        "gcp:us-central1:g2-standard-8:spot": 4,  # a regional group in two zones
        "gcp:us-east1/us-east1-c:n1-standard-8+1xt4:on_demand": 2,
    }


def test_what_terraform_state_does_not_tell_is_listed_not_dropped() -> None:
    found = imported("terraform.tfstate")
    said = reasons(found)
    assert set(said) == {
        "aws_instance.asleep",
        "aws_instance.bastion (t3.micro)",
        "aws_autoscaling_group.several",
        "aws_autoscaling_group.elsewhere",
        "aws_ec2_fleet.fleet",
    }
    assert "stopped" in said["aws_instance.asleep"]
    assert "mixes instance types" in said["aws_autoscaling_group.several"]
    assert "launch template is not in this state" in said["aws_autoscaling_group.elsewhere"]
    assert [note for note in found.notes if "us-east-1f" in note]


@pytest.mark.parametrize(
    ("wanted", "base", "percent", "on_demand"),
    [(10, 2, 25, 4), (3, 0, 50, 2), (4, 9, 0, 4), (5, 0, None, 5), (7, 1, 0, 1), (7, 0, 100, 7)],
)
def test_a_mixed_group_rounds_its_on_demand_share_up(
    tmp_path: Path, wanted: int, base: int, percent: int | None, on_demand: int
) -> None:
    distribution = {"on_demand_base_capacity": base, "on_demand_percentage_above_base_capacity": percent}
    template = {
        "launch_template_specification": [{"launch_template_id": "lt-1"}],
        "override": [{"instance_type": "g6.xlarge"}],
    }
    group = {
        "arn": "arn:aws:autoscaling:eu-west-1:000000000000:autoScalingGroup:x",
        "desired_capacity": wanted,
        "mixed_instances_policy": [{"instances_distribution": [distribution], "launch_template": [template]}],
    }
    found = imported_json(_state("aws_autoscaling_group", group), tmp_path)
    expected = {
        "aws:eu-west-1:g6.xlarge:on_demand": on_demand,
        "aws:eu-west-1:g6.xlarge:spot": wanted - on_demand,
    }
    assert lines(found) == {offer: count for offer, count in expected.items() if count}


def _state(kind: str, *attributes: dict[str, Any]) -> dict[str, Any]:
    instances = [{"index_key": index, "attributes": one} for index, one in enumerate(attributes)]
    resource = {"mode": "managed", "type": kind, "name": "x", "instances": instances}
    return {"version": 4, "terraform_version": "1.11.4", "resources": [resource]}


def test_kubernetes_nodes_give_lines_by_type_place_and_market() -> None:
    found = imported("nodes.json")
    assert lines(found) == {
        "aws:us-east-1/use1-az2:g6e.2xlarge:spot": 2,
        "aws:us-east-1:g6e.12xlarge:on_demand": 1,
        "aws:us-east-1:p4d.24xlarge:on_demand": 1,  # no label says its market
        "aws:us-east-1:p5.48xlarge:reserved": 1,
        "azure:eastus2/1:Standard_NC40ads_H100_v5:spot": 1,
        "gcp:us-central1/us-central1-a:g2-standard-8:spot": 1,
        "gcp:us-central1/us-central1-b:n1-standard-8+1xt4:on_demand": 1,
    }
    assert [note for note in found.notes if "taken as on demand" in note]


def test_a_cpu_node_is_ignored_with_its_reason() -> None:
    assert reasons(imported("nodes.json"))["node ip-10-0-4-41.ec2.internal (m6i.large)"] == (
        "ignored: it has no accelerator"
    )


def test_a_way_of_buying_no_line_can_say_is_listed() -> None:
    said = reasons(imported("nodes.json"))["node ip-10-0-3-33.ec2.internal (p5.48xlarge)"]
    assert "capacity_block" in said


def test_every_node_is_a_line_or_listed() -> None:
    fleet = imported("nodes.json").fleet
    listed = sum(one.instances or 0 for one in fleet.unknown)
    assert fleet.instances + listed == 11  # nodes in the sample


def test_skypilot_clusters_give_their_nodes() -> None:
    found = imported("sky_status.json")
    assert lines(found) == {
        "aws:us-east-1:g6e.2xlarge:spot": 4,
        "azure:eastus2:Standard_NC40ads_H100_v5:on_demand": 1,
        "gcp:us-central1:a2-highgpu-1g:on_demand": 2,
        "gcp:us-central1:n1-standard-8+1xt4:spot": 3,
    }
    said = reasons(found)
    assert "stopped" in said["cluster asleep"]
    assert "node list" in said["cluster pods"]


def test_a_csv_keeps_the_price_to_the_digit() -> None:
    fleet = imported("fleet.csv").fleet
    assert [str(line.usd_per_hour_each) for line in fleet.lines] == ["0.8059", "None", "2.49"]
    assert [one.what for one in fleet.unknown] == ["line 6 (dgx-in-the-cellar)"]


@pytest.mark.parametrize(
    ("row", "field"),
    [
        ("aws,us-east-1,,g6.xlarge,leased,1,", "market"),
        ("aws,us-east-1,,g6.xlarge,spot,0,", "instances"),
        ("aws,us-east-1,,g6.xlarge,spot,1.5,", "instances"),
        ("aws,us-east-1,,g6.xlarge,spot,,", "instances"),
        ("aws,us-east-1,,g6.xlarge,spot,1,nan", "usd_per_hour_each"),
        ("aws,us-east-1,,g6.xlarge,spot,1,-1", "usd_per_hour_each"),
        (",us-east-1,,g6.xlarge,spot,1,", "provider"),
    ],
)
def test_a_bad_row_is_refused_by_line_and_field(tmp_path: Path, row: str, field: str) -> None:
    path = tmp_path / "fleet.csv"
    path.write_text(f"provider,region,zone,instance_type,market,instances,usd_per_hour_each\n{row}\n")
    from advisor.fleet.importing import import_fleet

    with pytest.raises(InputFileError, match="line 2") as refused:
        import_fleet(path, None, frozenset())
    assert refused.value.field == f"line 2, {field}"


@pytest.mark.parametrize(
    "document",
    [{}, [], {"kind": "Pod"}, [{"name": "x"}], {"version": 3, "terraform_version": "0.11.0", "modules": []}],
)
def test_a_file_of_another_kind_is_refused(tmp_path: Path, document: object) -> None:
    if document == []:  # no cluster is a fleet, of nothing
        assert imported_json(document, tmp_path).fleet.lines == ()
        return
    with pytest.raises(InputFileError):
        imported_json(document, tmp_path)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=12,
)


@given(attributes=st.dictionaries(
    st.sampled_from(["desired_capacity", "launch_template", "availability_zones", "arn", "machine_type",
                     "mixed_instances_policy", "target_size", "version", "scheduling", "instances", "sku"]),
    _JSON, max_size=5,
))  # fmt: skip
def test_no_state_however_odd_ends_in_a_traceback(
    tmp_path_factory: pytest.TempPathFactory, attributes: dict[str, Any]
) -> None:
    from advisor.fleet.terraform import READERS

    folder = tmp_path_factory.getbasetemp()
    for kind in READERS:
        imported_json(_state(kind, attributes), folder)


@given(labels=st.dictionaries(st.sampled_from([
    "node.kubernetes.io/instance-type", "topology.kubernetes.io/region", "karpenter.sh/capacity-type",
    "cloud.google.com/gke-accelerator", "topology.kubernetes.io/zone"]), _JSON), capacity=_JSON)  # fmt: skip
def test_no_node_however_odd_is_lost(
    tmp_path_factory: pytest.TempPathFactory, labels: dict[str, Any], capacity: object
) -> None:
    node = {"kind": "Node", "metadata": {"labels": labels}, "status": {"capacity": capacity}}
    found = imported_json({"kind": "List", "items": [node]}, tmp_path_factory.getbasetemp())
    assert found.fleet.instances + len(found.fleet.unknown) == 1


def test_samples_say_where_their_shape_comes_from() -> None:
    import tomllib

    origin = tomllib.loads((FIXTURES / "origin.toml").read_text())
    assert set(origin["files"]) == {path.name for path in FIXTURES.iterdir()} - {"origin.toml"}
