"""Quotas as the clouds' own command lines print them, taken where an account file may stand."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from advisor.catalog.account import Account, load_account
from advisor.catalog.facts import load_facts
from advisor.errors import InputFileError

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.fast

FACTS = load_facts()


def aws(code: str, value: object, region: str = "us-east-1", service: str = "ec2") -> dict[str, Any]:
    arn = f"arn:aws:servicequotas:{region}:000000000000:{service}/{code}"
    return {"ServiceCode": service, "QuotaArn": arn, "QuotaCode": code, "Value": value, "GlobalQuota": False}


def gcp(metric: str, limit: float, usage: float) -> dict[str, Any]:
    return {"metric": metric, "limit": limit, "usage": usage}


def azure(name: str, limit: str, used: int) -> dict[str, Any]:
    return {
        "currentValue": used,
        "limit": limit,
        "localName": name,
        "name": {"localizedValue": name, "value": name},
    }


AWS = {"Quotas": [aws("L-DB2E81BA", 8.0), aws("L-417A185B", 0.0), aws("L-34B43A08", 384.0)]}
GCP = {
    "kind": "compute#region",
    "name": "us-central1",
    "quotas": [gcp("CPUS", 24, 2), gcp("NVIDIA_L4_GPUS", 8, 2)],
}
PROJECT = {"kind": "compute#project", "name": "p", "quotas": [gcp("GPUS_ALL_REGIONS", 16, 2)]}
AZURE = [azure("StandardNCadsH100v5Family", "80", 40), azure("availabilitySets", "2500", 0)]


def loaded(folder: Path, document: object, name: str = "quotas.json") -> Account:
    path = folder / name
    path.write_text(json.dumps(document))
    return load_account(path, FACTS)


def free(account: Account) -> dict[str, tuple[int, int]]:
    """Granted and free, by pool."""
    return {limit.key: (int(limit.limit), int(limit.free)) for limit in account.limits}


def test_service_quotas_of_aws_name_pool_and_region_themselves(tmp_path: Path) -> None:
    account = loaded(tmp_path, AWS)
    assert free(account) == {"aws:us-east-1:L-DB2E81BA": (8, 8), "aws:us-east-1:L-417A185B": (0, 0)}
    assert ["all of it is taken to be free" in said for said in account.warnings] == [True]


def test_several_regions_may_stand_in_one_list(tmp_path: Path) -> None:
    both = [AWS, {"Quotas": [aws("L-DB2E81BA", 64, "eu-west-1")]}]
    assert free(loaded(tmp_path, both))["aws:eu-west-1:L-DB2E81BA"] == (64, 64)
    assert len(free(loaded(tmp_path, both))) == 3


def test_regions_and_the_project_of_google_cloud_say_what_is_used(tmp_path: Path) -> None:
    account = loaded(tmp_path, [GCP, PROJECT])
    everywhere = {"gcp:global:GPUS_ALL_REGIONS": (16, 14)}
    assert free(account) == {"gcp:us-central1:NVIDIA_L4_GPUS": (8, 6)} | everywhere
    assert account.warnings == ()
    assert free(loaded(tmp_path, GCP)) == {"gcp:us-central1:NVIDIA_L4_GPUS": (8, 6)}


def test_the_region_of_azures_usage_is_in_the_files_name(tmp_path: Path) -> None:
    account = loaded(tmp_path, AZURE, "usage-eastus.json")
    assert free(account) == {"azure:eastus:StandardNCadsH100v5Family": (80, 40)}
    with pytest.raises(InputFileError, match=r"eastus\.json"):
        loaded(tmp_path, AZURE)


def family(name: str, value: str, *regions: str, own: bool) -> dict[str, Any]:
    dimensions = {"gpu_family": name} | ({"region": regions[0]} if own else {})
    return {"dimensions": dimensions, "details": {"value": value}, "applicableLocations": list(regions)}


def test_families_of_google_cloud_have_a_line_of_their_own_above_the_general_one(tmp_path: Path) -> None:
    infos = [
        {"quotaId": "CPUS-per-project-region", "dimensionsInfos": [{"details": {"value": "72"}}]},
        {
            "quotaId": "GPUS-PER-GPU-FAMILY-per-project-region",
            "dimensionsInfos": [
                family("NVIDIA_H100", "8", "us-central1", own=True),
                family("NVIDIA_H100", "0", "us-central1", "us-east1", own=False),
                {"details": {"value": "0"}, "applicableLocations": ["us-central1"]},
                7,
            ],
        },
    ]
    pool = "GPUS-PER-GPU-FAMILY-per-project-region:NVIDIA_H100"
    assert free(loaded(tmp_path, infos)) == {
        f"gcp:us-central1:{pool}": (8, 8),
        f"gcp:us-east1:{pool}": (0, 0),
    }


def test_minus_one_states_no_limit(tmp_path: Path) -> None:
    usage = [azure("cores", "-1", 3), azure("lowPriorityCores", "10", 3)]
    assert free(loaded(tmp_path, usage, "eastus.json")) == {"azure:eastus:lowPriorityCores": (10, 7)}


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ({"Quotas": [aws("L-DB2E81BA", "many")]}, r"Quotas\[0\]\.limit: 'many' is not allowed"),
        ({"Quotas": [aws("L-DB2E81BA", None)]}, r"Quotas\[0\]\.limit: None is not allowed"),
        ({"Quotas": [aws("L-DB2E81BA", True)]}, r"Quotas\[0\]\.limit: True is not allowed"),
        ({"Quotas": [{"QuotaCode": "L-DB2E81BA", "Value": 8}]}, r"Quotas\[0\]\.QuotaArn: None"),
        ({"Quotas": [aws("L-DB2E81BA", 8), aws("L-DB2E81BA", 9)]}, "is there before"),
        ({"Quotas": [aws("L-34B43A08", 384)]}, "of 1 none is"),
        ({"Quotas": [aws("L-DB2E81BA", 8, service="sagemaker")]}, "none is"),
        ({"Quotas": []}, "none is"),
        ([GCP, PROJECT | {"quotas": [7]}], r"quotas\[0\]: 7 is not allowed"),
    ],
)
def test_what_is_no_quota_is_refused(tmp_path: Path, document: object, said: str) -> None:
    with pytest.raises(InputFileError, match=said):
        loaded(tmp_path, document)


@given(value=st.floats() | st.integers() | st.text(max_size=5) | st.none() | st.lists(st.none(), max_size=1))
def test_a_limit_is_a_number_or_refused(tmp_path_factory: pytest.TempPathFactory, value: object) -> None:
    folder = tmp_path_factory.getbasetemp()
    try:
        ((granted, _),) = free(loaded(folder, {"Quotas": [aws("L-DB2E81BA", value)]})).values()
    except InputFileError:
        return
    assert 0 <= granted <= 10**9
