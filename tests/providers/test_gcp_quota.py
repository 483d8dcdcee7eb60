"""Google Cloud quotas: pools by Google's own ids, in cards."""

from __future__ import annotations

import csv
from decimal import Decimal
from importlib import resources

import pytest
from gcp_cloud import typical

from advisor.errors import PayloadError
from advisor.provider import Ledger
from providers.gcp import quota

pytestmark = pytest.mark.fast

H100 = "GPUS-PER-GPU-FAMILY-per-project-region:NVIDIA_H100"


def shown(limits):
    return {(limit.region, limit.pool): (limit.limit, limit.used) for limit in limits}


def infos(*dimensions_infos):
    return [{"quotaId": "GPUS-PER-GPU-FAMILY-per-project-region", "dimensionsInfos": list(dimensions_infos)}]


def line(value, locations, **dimensions):
    return {"dimensions": dimensions, "details": {"value": value}, "applicableLocations": locations}


def test_region_pools_are_gpus_with_limit_and_usage_and_no_others():
    limits = quota.region_quotas(Ledger("gcp"), typical("regions.json"))
    assert shown(limits) == {
        ("us-central1", "NVIDIA_L4_GPUS"): (8, 1),
        ("us-central1", "NVIDIA_A100_GPUS"): (16, 16),
        ("us-central1", "NVIDIA_T4_GPUS"): (4, 0),
        ("us-central1", "PREEMPTIBLE_NVIDIA_H100_GPUS"): (16, 0),
        ("us-east1", "NVIDIA_L4_GPUS"): (1, 0),
    }  # neither CPUs, nor committed GPUs, nor those of virtual workstations


def test_the_pool_over_all_regions_is_the_projects():
    limits = quota.project_quotas(Ledger("gcp"), typical("project.json"))
    assert shown(limits) == {("global", "GPUS_ALL_REGIONS"): (32, 17)}


def test_h100_on_demand_stands_in_cloud_quotas_only_and_a_regions_own_line_wins():
    ledger = Ledger("gcp")
    limits = quota.family_quotas(ledger, typical("quota-infos.json")["quotaInfos"])
    assert shown(limits) == {("us-central1", H100): (8, 0), ("us-east1", H100): (0, 0)}
    (rejection,) = ledger.reading().rejections
    assert "NVIDIA_B200" in rejection.subject
    assert "no limit (-1)" in rejection.detail


@pytest.mark.parametrize("general_first", [True, False])
def test_a_regions_own_line_wins_in_any_order(general_first):
    general = line("0", ["us-east4"], gpu_family="NVIDIA_H100")
    own = line("8", ["us-east4"], gpu_family="NVIDIA_H100", region="us-east4")
    lines = [general, own] if general_first else [own, general]
    assert shown(quota.family_quotas(Ledger("gcp"), infos(*lines))) == {("us-east4", H100): (8, 0)}


@pytest.mark.parametrize("value", ["many", "", "1.5", None, True, "-7", Decimal("NaN"), [], "9" * 40])
def test_a_limit_that_is_no_number_is_a_rejection_never_zero(value):
    ledger = Ledger("gcp")
    limits = quota.family_quotas(ledger, infos(line(value, ["us-east4"], gpu_family="NVIDIA_H100")))
    assert limits == ()
    assert [rejection.reason for rejection in ledger.reading().rejections] == ["malformed_item"]


def test_every_gpu_pool_of_the_catalog_is_one_that_can_be_read():
    rows = csv.DictReader(resources.files("catalogs").joinpath("quota_pools.csv").read_text().splitlines())
    pools = [row["pool"] for row in rows if row["provider"] == "gcp"]
    assert len(pools) > 20
    metrics = [pool for pool in pools if ":" not in pool and pool != "GPUS_ALL_REGIONS"]
    families = [pool.partition(":")[2] for pool in pools if ":" in pool]
    items = [{"name": "us-east4", "quotas": [{"metric": name, "limit": 1, "usage": 0} for name in metrics]}]
    read = [limit.pool for limit in quota.region_quotas(Ledger("gcp"), {"items": items})]
    lines = [line("1", ["us-east4"], gpu_family=family) for family in families]
    read += [limit.pool for limit in quota.family_quotas(Ledger("gcp"), infos(*lines))]
    assert sorted([*read, "GPUS_ALL_REGIONS"]) == sorted(pools)


@pytest.mark.parametrize("payload", [None, [], {}, {"items": {}}])
def test_an_answer_of_another_shape_is_a_payload_error(payload):
    with pytest.raises(PayloadError, match="gcp: regions"):
        list(quota.region_quotas(Ledger("gcp"), payload))
