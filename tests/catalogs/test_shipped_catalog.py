"""The catalog in the package, against figures read by hand from price lists and documentation."""

from __future__ import annotations

import csv
import hashlib
import re
from collections import Counter
from datetime import date
from decimal import Decimal
from importlib.resources import files
from pathlib import Path

import duckdb
import pytest

from advisor.catalog.facts import Facts, load_facts
from advisor.catalog.snapshot import Snapshot, read_snapshot
from advisor.domain import Availability, Market, Offer

pytestmark = pytest.mark.fast

CATALOGS = Path(str(files("catalogs")))


@pytest.fixture(scope="module")
def snapshot_path() -> Path:
    (path,) = (CATALOGS / "snapshots").glob("*.parquet")
    return path


@pytest.fixture(scope="module")
def snapshot(snapshot_path: Path) -> Snapshot:
    return read_snapshot(snapshot_path, shipped=True)


@pytest.fixture(scope="module")
def live(snapshot: Snapshot) -> dict[str, Offer]:
    return {offer.id: offer for offer in snapshot.offers if "superseded" not in offer.flags}


@pytest.fixture(scope="module")
def facts() -> Facts:
    return load_facts()


# The file -----------------------------------------------------------------------------------------


def test_the_snapshot_is_named_after_its_bytes(snapshot_path: Path) -> None:
    day, digest = snapshot_path.stem.rsplit("-", 1)
    assert day == "2026-12-01"
    assert hashlib.sha256(snapshot_path.read_bytes()).hexdigest()[:12] == digest


def test_the_snapshot_loads_with_plain_duckdb(snapshot_path: Path) -> None:
    with duckdb.connect() as connection:
        relation = connection.read_parquet(str(snapshot_path))
        types = dict(zip(relation.columns, map(str, relation.types), strict=True))
        rows = len(relation)
    assert rows == 4692
    assert types["usd_per_hour"] == "DECIMAL(18,8)"
    assert types["accelerators"] == "DECIMAL(9,6)"
    assert types["collected_at"] == "TIMESTAMP WITH TIME ZONE"
    assert types["vcpus"] == "INTEGER"


def test_row_counts_are_those_of_the_price_lists(snapshot: Snapshot) -> None:
    counts = Counter((offer.provider, offer.market.value) for offer in snapshot.offers)
    assert counts == {
        ("aws", "on_demand"): 1035
        - 3
        + 1,  # rows, less P5e in three regions, which has no on-demand price, and one of October
        ("aws", "spot"): 755
        - 36
        + 49,  # zone rows, less zones without a price, plus the regional ones of October
        ("azure", "on_demand"): 780,
        ("azure", "spot"): 579
        - 39
        + 22,  # ratios of 2024 with an on-demand price of then, and places October alone tells of
        ("gcp", "on_demand"): 476,
        ("gcp", "spot"): 476 + 9,
        ("lambda", "on_demand"): 374 + 15,
        ("nebius", "on_demand"): 21 + 3,
        ("nebius", "spot"): 8 + 4,
        ("runpod", "on_demand"): 27 + 2,
        ("runpod", "spot"): 7,
        ("crusoe", "on_demand"): 6 + 2,
        ("sfcompute", "spot"): 1,
        ("vast", "on_demand"): 81 - 21,  # rows with on-demand offers that day
        ("vast", "spot"): 58,
    }


# Prices people know -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("offer_id", "usd_per_hour"),
    [
        ("aws:us-east-1:p5.48xlarge:on_demand", "55.04"),
        ("aws:us-east-1:p5en.48xlarge:on_demand", "63.296"),
        ("aws:us-east-1:p6-b200.48xlarge:on_demand", "113.9328"),
        ("aws:us-east-1:p4d.24xlarge:on_demand", "21.957642"),
        ("aws:us-east-1:p4de.24xlarge:on_demand", "27.44705"),
        ("aws:us-east-1:g5.xlarge:on_demand", "1.006"),
        ("aws:us-east-1:g6.xlarge:on_demand", "0.8048"),
        ("aws:us-east-1:g6e.xlarge:on_demand", "1.861"),
        ("aws:us-east-1:g4dn.xlarge:on_demand", "0.526"),
        ("aws:us-east-1/use1-az4:g6.xlarge:spot", "0.349"),
        ("aws:us-east-1:p5.48xlarge:spot", "28.8881"),
        ("azure:eastus:Standard_ND96isr_H100_v5:on_demand", "98.32"),
        ("azure:eastus:Standard_NC24ads_A100_v4:on_demand", "3.673"),
        ("azure:eastus:Standard_NC40ads_H100_v5:on_demand", "6.98"),
        ("azure:eastus:Standard_NC4as_T4_v3:on_demand", "0.526"),
        ("azure:eastus2:Standard_ND96isr_H200_v5:on_demand", "84.8"),
        ("gcp:us-central1:a2-highgpu-1g:on_demand", "3.673385"),
        ("gcp:us-central1:a2-ultragpu-1g:on_demand", "5.068798"),
        ("gcp:us-central1:a3-highgpu-8g:on_demand", "88.49"),
        ("gcp:us-central1:g2-standard-4:on_demand", "0.706832"),
        ("lambda:us-east-1:gpu_1x_a10:on_demand", "1.29"),
        ("runpod:global:secure_1x_l40s:on_demand", "1.09"),
    ],
)
def test_known_prices(live: dict[str, Offer], offer_id: str, usd_per_hour: str) -> None:
    assert live[offer_id].usd_per_hour == Decimal(usd_per_hour)


def test_no_price_is_zero_and_none_is_absurd_per_accelerator(snapshot: Snapshot) -> None:
    for offer in snapshot.offers:
        per_accelerator = offer.usd_per_hour / offer.accelerators
        assert Decimal("0.02") < per_accelerator < Decimal(100), offer.id


def test_spot_is_never_dearer_than_on_demand_in_the_same_place(snapshot: Snapshot) -> None:
    listed = {
        (offer.provider, offer.region, offer.zone, offer.instance_type): offer.usd_per_hour
        for offer in snapshot.offers
        if offer.market is Market.ON_DEMAND
    }
    for offer in snapshot.offers:
        if offer.market is Market.SPOT:
            price = listed.get((offer.provider, offer.region, None, offer.instance_type))
            assert price is None or offer.usd_per_hour <= price + Decimal("0.00005"), offer.id


def test_offer_ids_are_unique_among_live_offers(snapshot: Snapshot, live: dict[str, Offer]) -> None:
    assert len(live) == sum("superseded" not in offer.flags for offer in snapshot.offers)


def test_every_offer_says_where_its_price_comes_from(snapshot: Snapshot) -> None:
    for offer in snapshot.offers:
        assert re.match(r"[\w.-]+/[\w.-]+:.+@\w+", offer.source), offer.id
        assert offer.availability_basis


def test_every_offers_region_and_accelerator_exist(snapshot: Snapshot, facts: Facts) -> None:
    assert {offer.accelerator for offer in snapshot.offers} <= set(facts.accelerators)
    assert {f"{offer.provider}:{offer.region}" for offer in snapshot.offers} <= set(facts.regions)


def test_fractional_gpus_are_flagged_and_no_whole_one_is(snapshot: Snapshot) -> None:
    assert all(offer.is_fractional == ("fractional_gpu" in offer.flags) for offer in snapshot.offers)


# What can be bought -------------------------------------------------------------------------------


def test_a_small_a3_highgpu_is_priced_on_demand_but_sold_only_as_spot(live: dict[str, Offer]) -> None:
    """Wrong price W7."""
    for size in (1, 2, 4):
        refused = live[f"gcp:us-central1:a3-highgpu-{size}g:on_demand"]
        assert refused.availability is Availability.UNAVAILABLE
        assert "not_sold_this_way" in refused.flags
        assert live[f"gcp:us-central1:a3-highgpu-{size}g:spot"].availability is Availability.AVAILABLE
    assert live["gcp:us-central1:a3-highgpu-8g:on_demand"].availability is Availability.AVAILABLE


def test_flags_that_forbid_buying_never_stand_beside_available(snapshot: Snapshot) -> None:
    forbidding = {"retired", "not_offered", "not_sold_this_way"}
    for offer in snapshot.offers:
        assert bool(forbidding & set(offer.flags)) == (offer.availability is Availability.UNAVAILABLE), (
            offer.id
        )


def test_who_states_no_regional_stock_is_unknown(snapshot: Snapshot) -> None:
    silent = {"lambda", "runpod", "crusoe", "sfcompute", "vast"}
    assert {offer.availability for offer in snapshot.offers if offer.provider in silent} == {
        Availability.UNKNOWN
    }


def test_offerings_decide_availability_on_aws_and_cover_neither_govcloud_nor_local_zones(
    live: dict[str, Offer],
) -> None:
    assert (
        live["aws:us-east-1:p5.48xlarge:on_demand"].availability_basis == "provider's offerings, 2026-10-27"
    )
    assert live["aws:us-east-1:p5.48xlarge:on_demand"].availability is Availability.AVAILABLE
    assert live["aws:us-east-1:p3.2xlarge:on_demand"].availability is Availability.UNAVAILABLE
    assert live["aws:us-gov-west-1:g4dn.xlarge:on_demand"].availability is Availability.UNKNOWN
    local = live["aws:us-west-2/us-west-2-lax-1:g4dn.12xlarge:on_demand"]
    assert local.availability is Availability.UNKNOWN
    assert "local_zone" in local.flags


def test_retired_azure_v100_sizes_cannot_be_bought(live: dict[str, Offer]) -> None:
    v100 = live["azure:eastus:Standard_NC6s_v3:on_demand"]
    assert (v100.accelerator, v100.availability) == ("v100-pcie-16gb", Availability.UNAVAILABLE)
    assert "retired" in v100.flags


def test_p5e_has_no_on_demand_offer(live: dict[str, Offer]) -> None:
    assert {offer.market for offer in live.values() if offer.instance_type == "p5e.48xlarge"} == {Market.SPOT}


def test_azure_spot_is_of_october_2026_or_an_estimate(live: dict[str, Offer]) -> None:
    spot = [offer for offer in live.values() if (offer.provider, offer.market) == ("azure", Market.SPOT)]
    stated = [offer for offer in spot if "estimated_price" not in offer.flags]
    assert {(offer.price_basis, offer.collected_at.date()) for offer in stated} == {
        ("retail_spot_price", date(2026, 10, 10))
    }
    newest = {offer.instance_type for offer in spot if offer.price_basis == "ratio_of_2026_10_to_list"}
    assert newest.isdisjoint(o.instance_type for o in spot if o.price_basis == "ratio_of_2024_08_to_list")
    assert live["azure:eastus:Standard_NC40ads_H100_v5:spot"].usd_per_hour == Decimal("1.289904")  # 0.1848
    estimate = live["azure:australiacentral:Standard_NC4as_T4_v3:spot"]
    assert estimate.usd_per_hour == Decimal("0.07524")  # 0.11 x 0.684


def test_a_list_price_that_moved_takes_its_older_siblings_along(
    snapshot: Snapshot, live: dict[str, Offer]
) -> None:
    """Nebius asked $2.95 per H100 in October 2025 and $4.50 a year later, for one as for eight."""
    assert live["nebius:eu-north1:gpu-h100-sxm_8gpu-128vcpu-1600gb:on_demand"].usd_per_hour == 36
    (single,) = (
        o for o in snapshot.offers if o.id == "nebius:eu-north1:gpu-h100-sxm_1gpu-16vcpu-200gb:on_demand"
    )
    assert "superseded" in single.flags


def test_old_zone_prices_are_kept_but_superseded_where_a_newer_one_exists(snapshot: Snapshot) -> None:
    old = [
        offer
        for offer in snapshot.offers
        if (offer.instance_type, offer.region) == ("p5.48xlarge", "us-east-1")
    ]
    zonal = [offer for offer in old if offer.market is Market.SPOT and offer.zone is not None]
    assert len(zonal) == 7  # six Availability Zones and one Local Zone
    assert all("superseded" in offer.flags for offer in zonal)


def test_spot_offers_carry_the_interruption_band_of_their_type_and_region(live: dict[str, Offer]) -> None:
    assert live["aws:us-east-1:p5.48xlarge:spot"].interruption == ">20%"
    assert live["aws:us-east-1:p5.48xlarge:on_demand"].interruption is None
    assert {offer.interruption for offer in live.values()} <= {
        None,
        "<5%",
        "5-10%",
        "10-15%",
        "15-20%",
        ">20%",
    }


# Facts --------------------------------------------------------------------------------------------


def test_memory_as_ec2_reports_it(facts: Facts) -> None:
    chips = facts.accelerators
    assert chips["a10g-24gb"].memory_reported_gib == 22888 / 1024
    assert chips["l40s-48gb"].memory_reported_gib == 45776 / 1024
    assert chips["h200-sxm-141gb"].memory_reported_gib == 144384 / 1024
    assert chips["b200-sxm-180gb"].memory_reported_gib == 183359 / 1024
    assert chips["h100-pcie-80gb"].memory_reported_gib is None


def test_specifications_people_know(facts: Facts) -> None:
    h100 = facts.accelerators["h100-sxm-80gb"]
    assert (h100.memory_gb, h100.memory_bandwidth_gb_per_s, h100.bf16_dense_tflops) == (80, 3350, 989)
    assert (h100.fp8_dense_tflops, h100.interconnect, h100.tdp_w) == (1979, "NVLink4", 700)
    assert facts.accelerators["a10-24gb"].fp8_dense_tflops is None
    assert facts.accelerators["t4g-16gb"].memory_bandwidth_gb_per_s is None


def test_only_volta_and_turing_lack_bf16(facts: Facts) -> None:
    assert {chip.id for chip in facts.accelerators.values() if not chip.has_bf16} == {
        "t4-16gb",
        "t4g-16gb",
        "v100-sxm-16gb",
        "v100-pcie-16gb",
        "v100-sxm-32gb",
        "rtx-6000-24gb",
    }


def test_every_fact_has_a_source(facts: Facts) -> None:
    for record in (
        *facts.accelerators.values(),
        *facts.models.values(),
        *facts.regions.values(),
        *facts.quota_pools,
    ):
        assert record.source, record


@pytest.mark.parametrize(
    ("spelling", "model_id"),
    [
        ("meta-llama/Llama-3.1-8B-Instruct", "Llama-3.1-8B"),
        ("Llama-3.1-8B-Instruct", "Llama-3.1-8B"),
        ("llama-3.1-8b", "Llama-3.1-8B"),
        ("Llama-3.3-70B(arch=3.1-70B)", "Llama-3.3-70B"),
        ("Qwen/Qwen2.5-7B-Instruct", "Qwen2.5-7B"),
        ("mistralai/Mixtral-8x7B-Instruct-v0.1", "Mixtral-8x7B"),
    ],
)
def test_models_are_known_by_their_repositories(facts: Facts, spelling: str, model_id: str) -> None:
    assert facts.model(spelling).id == model_id


def test_a_models_shape(facts: Facts) -> None:
    llama = facts.model("Llama-3.1-8B")
    assert (llama.layers, llama.kv_heads, llama.head_dim, llama.vocab) == (32, 8, 128, 128256)
    assert (
        llama.kv_bytes_per_token_fp16 == 2 * 2 * 32 * 8 * 128
    )  # key and value, 2 bytes, layers, heads, width
    assert not llama.is_moe
    mixtral = facts.model("Mixtral-8x7B")
    assert (mixtral.experts, mixtral.experts_per_token) == (8, 2)


def test_no_alias_means_two_models_or_two_accelerators(facts: Facts) -> None:
    for records in (facts.models.values(), facts.accelerators.values()):
        owners: dict[str, str] = {}
        for record in records:
            for alias in {record.id.casefold(), *(alias.casefold() for alias in record.aliases)}:
                assert owners.setdefault(alias, record.id) == record.id


def test_regions_stand_where_they_stand(facts: Facts) -> None:
    virginia = facts.regions["aws:us-east-1"]
    assert (virginia.latitude, virginia.longitude, virginia.country) == (38.99, -77.45, "US")
    assert virginia.zones == tuple(f"use1-az{n}" for n in range(1, 7))
    assert facts.regions["aws:cn-north-1"].active is False
    assert facts.regions["lambda:us-east-1"].latitude is None
    assert facts.regions["azure:brazilus"].latitude is None


def test_quota_pools_people_know(facts: Facts) -> None:
    pools = {(pool.provider, pool.pool): pool for pool in facts.quota_pools}
    p_on_demand = pools["aws", "L-417A185B"]
    assert {"p4d.*", "p5.*", "p6-b200.*"} <= set(p_on_demand.instance_types)
    assert (p_on_demand.unit.value, p_on_demand.default_limit) == ("vcpu", 0)
    assert pools["aws", "L-C4BD4855"].instance_types == ("p5.*", "p5e.*", "p5en.*")
    assert pools["gcp", "GPUS-PER-GPU-FAMILY-per-project-region:NVIDIA_H100"].instance_types == (
        "a3-highgpu-*",
    )
    assert pools["gcp", "GPUS_ALL_REGIONS"].market is None
    assert pools["gcp", "GPUS_ALL_REGIONS"].scope == "global"
    assert pools["azure", "StandardNCADSA100v4Family"].market is Market.ON_DEMAND
    assert pools["azure", "lowPriorityCores"].market is Market.SPOT


def test_the_unsettled_p6_spot_quota_is_left_unknown(facts: Facts) -> None:
    spot_patterns = {
        pattern
        for pool in facts.quota_pools
        if pool.provider == "aws" and pool.market is not Market.ON_DEMAND
        for pattern in pool.instance_types
    }
    assert not [pattern for pattern in spot_patterns if pattern.startswith("p6")]


def test_instance_types_name_canonical_accelerators(facts: Facts) -> None:
    with (CATALOGS / "instance_types.csv").open(encoding="utf-8", newline="") as handle:
        rows = {row["instance_type"]: row for row in csv.DictReader(handle)}
    assert len(rows) == 144
    assert {row["accelerator"] for row in rows.values()} <= set(facts.accelerators)
    assert (rows["p5.48xlarge"]["accelerator"], rows["p5.48xlarge"]["accelerators"]) == ("h100-sxm-80gb", "8")


# Documents ----------------------------------------------------------------------------------------


def dictionary_sections() -> dict[str, dict[str, tuple[str, str]]]:
    """File -> column -> (unit, description)."""
    text = (CATALOGS / "DATA_DICTIONARY.md").read_text("utf-8")
    found = {}
    for part in text.split("\n## ")[1:]:
        title, _, body = part.partition("\n")
        rows = [
            [cell.strip() for cell in line.split("|")[1:-1]] for line in body.splitlines() if line[:1] == "|"
        ]
        found[title] = {row[0]: (row[2], row[3]) for row in rows[2:] if len(row) == 4}
    return found


@pytest.mark.parametrize("file", ["models.csv", "regions.csv", "quota_pools.csv", "instance_types.csv"])
def test_every_csv_column_is_in_the_data_dictionary(file: str) -> None:
    header = (CATALOGS / file).read_text("utf-8").partition("\n")[0].split(",")
    assert list(dictionary_sections()[file]) == header


def test_every_column_has_a_unit_and_a_description(snapshot_path: Path) -> None:
    sections = dictionary_sections()
    with duckdb.connect() as connection:
        columns = connection.read_parquet(str(snapshot_path)).columns
    assert list(sections["snapshots/*.parquet"])[: len(columns)] == columns  # earlier versions lack the last
    for file in ("snapshots/*.parquet", "accelerators.toml", "models.csv", "regions.csv", "quota_pools.csv"):
        for column, (unit, description) in sections[file].items():
            assert unit, (file, column)
            assert description, (file, column)


def test_every_flag_in_use_is_explained(snapshot: Snapshot) -> None:
    text = (CATALOGS / "DATA_DICTIONARY.md").read_text("utf-8")
    for flag in {flag for offer in snapshot.offers for flag in offer.flags}:
        assert f"| `{flag}` |" in text


def test_provenance_names_every_source_and_the_share_alike_licence(snapshot: Snapshot) -> None:
    text = (CATALOGS / "PROVENANCE.md").read_text("utf-8")
    for source in {offer.source for offer in snapshot.offers}:
        assert f"`{source}`" in text
    assert "Spare Cores" in text
    assert "CC BY-SA 4.0" in text
