"""The maintainers' build: what becomes of collected rows, and what it refuses."""

from __future__ import annotations

import csv
import random
import shutil
import sys
import tomllib
from datetime import UTC, datetime
from decimal import Decimal
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
from collected_source import a_source, a_zone_row, an_offer_row, default_rows, replace_in

from advisor.catalog.snapshot import read_snapshot
from advisor.domain import Availability, Market, Offer
from catalogs.build.__main__ import main
from catalogs.build.accelerator_names import ACCELERATOR_NAMES, spellings
from catalogs.build.collect import collect_offers
from catalogs.build.licences import licence_of
from catalogs.build.model_names import MODEL_ALIASES

if TYPE_CHECKING:
    from pathlib import Path

OWN_PARTS = ("offers", "facts", "quota", "docs")


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return a_source(tmp_path_factory.mktemp("collected"))


@pytest.fixture(scope="module")
def offers(source: Path) -> dict[str, Offer]:
    return {offer.id: offer for offer in collect_offers(source / "prices").offers}


@pytest.fixture
def own_source(source: Path, tmp_path: Path) -> Path:
    """A copy that a test may spoil."""
    return shutil.copytree(source, tmp_path / "collected")


def build(source: Path, target: Path, *parts: str) -> int:
    only = [word for part in parts for word in ("--only", part)]
    return main(["--from", str(source), "--to", str(target), *only])


def written(target: Path) -> dict[str, bytes]:
    return {str(path.relative_to(target)): path.read_bytes() for path in target.rglob("*") if path.is_file()}


def refusal(source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> str:
    """The one line a build that must stop prints; nothing may be written."""
    target = tmp_path / "refused"
    assert build(source, target, "offers") == 2
    assert not target.exists()
    line = capsys.readouterr().err.strip()
    assert "\n" not in line
    return line


# What becomes of rows -----------------------------------------------------------------------------


def test_on_demand_and_spot_of_one_row_become_two_offers(offers: dict[str, Offer]) -> None:
    assert offers["gcp:us-central1:a3-highgpu-8g:on_demand"].usd_per_hour == Decimal(88)
    assert offers["gcp:us-central1:a3-highgpu-8g:spot"].usd_per_hour == Decimal(40)


def test_a_blank_price_makes_no_offer(offers: dict[str, Offer]) -> None:
    assert not [offer_id for offer_id in offers if "p5e.48xlarge" in offer_id]
    assert "aws:us-east-1/use1-az5:g6.xlarge:spot" not in offers


def test_zonal_spot_prices_stand_instead_of_the_regional_median(offers: dict[str, Offer]) -> None:
    assert "aws:us-east-1:g6.xlarge:spot" not in offers
    zonal = offers["aws:us-east-1/use1-az4:g6.xlarge:spot"]
    assert (zonal.usd_per_hour, zonal.interruption) == (Decimal("0.35"), "<5%")
    assert "date_inferred" in zonal.flags


def test_the_median_stands_where_no_zone_price_is_known(tmp_path: Path) -> None:
    zones = [row for row in default_rows("aws_spot_by_zone") if row["instance_type"] != "g6.xlarge"]
    prices = a_source(tmp_path / "s", aws_spot_by_zone=zones) / "prices"
    median = {offer.id: offer for offer in collect_offers(prices).offers}["aws:us-east-1:g6.xlarge:spot"]
    assert (median.usd_per_hour, median.price_basis) == (Decimal("0.36"), "median_of_2_zones")


def test_a_newer_lowest_zone_price_supersedes_the_zonal_ones_of_its_pair(offers: dict[str, Offer]) -> None:
    newer = offers["aws:us-east-1:p4d.24xlarge:spot"]
    assert (newer.usd_per_hour, newer.price_basis) == (Decimal("9.5"), "lowest_zone_spot")
    assert newer.collected_at == datetime(2026, 10, 9, tzinfo=UTC)
    assert newer.availability is Availability.AVAILABLE
    assert newer.availability_basis.endswith("lowest zone of the region, zone not named")
    assert "superseded" in offers["aws:us-east-1/use1-az4:p4d.24xlarge:spot"].flags
    assert "superseded" not in newer.flags


@pytest.mark.parametrize(
    ("offer_id", "availability", "flag"),
    [
        ("aws:us-east-1:g6.xlarge:on_demand", Availability.AVAILABLE, None),
        ("aws:us-west-2:g6.xlarge:on_demand", Availability.UNAVAILABLE, "not_offered"),
        ("aws:us-gov-west-1:g6.xlarge:on_demand", Availability.UNKNOWN, None),
        ("aws:us-east-1/us-east-1-atl-1:g6.xlarge:on_demand", Availability.UNKNOWN, "local_zone"),
        ("aws:us-east-1/use1-az4:g6.xlarge:spot", Availability.AVAILABLE, "date_inferred"),
        ("aws:us-east-1/use1-az9:g6.xlarge:spot", Availability.UNAVAILABLE, "not_offered"),
        ("aws:us-east-1/use1-atl2-az1:g6.xlarge:spot", Availability.UNAVAILABLE, "local_zone"),
        ("azure:eastus:Standard_NC4as_T4_v3:on_demand", Availability.AVAILABLE, None),
        ("azure:eastus:Standard_NC6s_v3:on_demand", Availability.UNAVAILABLE, "retired"),
        ("gcp:us-central1:a3-highgpu-1g:on_demand", Availability.UNAVAILABLE, "not_sold_this_way"),
        ("gcp:us-central1:a3-highgpu-1g:spot", Availability.AVAILABLE, None),
        ("gcp:us-central1:a3-highgpu-8g:on_demand", Availability.AVAILABLE, None),
        ("lambda:us-east-1:gpu_1x_a10:on_demand", Availability.UNKNOWN, "uniform_price_all_regions"),
        ("nebius:eu-north1:gpu-l40s:on_demand", Availability.AVAILABLE, "date_inferred"),
        ("runpod:global:secure_1x_l40s:on_demand", Availability.UNKNOWN, "secure_cloud"),
        ("crusoe:us:1x_l40s:on_demand", Availability.UNKNOWN, "per_gpu_price"),
        ("vast:CZ:1x_l40s:on_demand", Availability.UNKNOWN, "marketplace_median"),
    ],
)
def test_availability_is_what_somebody_states(
    offers: dict[str, Offer], offer_id: str, availability: Availability, flag: str | None
) -> None:
    assert offers[offer_id].availability is availability
    assert flag is None or flag in offers[offer_id].flags


def test_a_marketplace_median_says_over_how_many_offers(offers: dict[str, Offer]) -> None:
    basis = offers["vast:CZ:1x_l40s:on_demand"].availability_basis
    assert basis.startswith("median of 2 marketplace offer(s) seen on 2026-07-20")


def test_azure_spot_is_the_old_ratio_of_todays_list_price_and_says_so(offers: dict[str, Offer]) -> None:
    estimate = offers["azure:eastus:Standard_NC4as_T4_v3:spot"]
    assert estimate.usd_per_hour == Decimal("0.055")  # 0.11 x 0.50
    assert estimate.flags == ("estimated_price",)
    assert estimate.price_basis == "ratio_of_2024_08_to_list"
    assert estimate.collected_at == datetime(2024, 8, 9, tzinfo=UTC)
    assert "azure:eastus:Standard_NC6s_v3:spot" not in offers  # its ratio is blank


def test_a_sum_of_host_and_gpu_is_as_old_as_its_older_part(offers: dict[str, Offer]) -> None:
    composed = offers["gcp:us-central1:n1-standard-4+1xt4:on_demand"]
    assert composed.collected_at == datetime(2026, 4, 15, tzinfo=UTC)
    assert composed.price_basis == "list_sum_of_host_and_gpu"
    assert composed.licence == "Apache-2.0 + none stated"


def test_a_newer_spot_price_rounded_up_to_the_list_price_is_at_the_cap_not_above_it(
    own_source: Path,
) -> None:
    replace_in(own_source / "prices" / "aws.csv", ",22,", ",21.99996,")
    replace_in(own_source / "prices" / "aws_spot_by_zone.csv", ",22,", ",21.99996,")
    replace_in(own_source / "prices" / "aws_spot_2026_10.csv", ",9.5,", ",22.0000,")
    found = {offer.id: offer for offer in collect_offers(own_source / "prices").offers}
    assert "spot_at_on_demand_cap" in found["aws:us-east-1:p4d.24xlarge:spot"].flags


# What is refused ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cells", "field"),
    [
        ({"on_demand_usd_per_hour": "0"}, "on_demand_usd_per_hour"),
        ({"on_demand_usd_per_hour": "-1"}, "on_demand_usd_per_hour"),
        ({"on_demand_usd_per_hour": "NaN"}, "on_demand_usd_per_hour"),
        ({"on_demand_usd_per_hour": "cheap"}, "on_demand_usd_per_hour"),
        ({"currency": "EUR"}, "currency"),
        ({"accelerator_name": "Z9000"}, "accelerator_name"),
        ({"accelerator_form": "SXM"}, "accelerator_name"),
        ({"accelerator_count": "0"}, "accelerator_count"),
        ({"accelerator_count": "0.5"}, "accelerator_count"),
        ({"flags": "half_price_weekend"}, "flags"),
        ({"observed_on": "20.07.2026"}, "observed_on"),
        ({"vcpus": "4.5"}, "vcpus"),
        ({"instance_type": ""}, "instance_type"),
    ],
)
def test_a_bad_row_is_refused_with_file_line_and_field(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], cells: dict[str, str], field: str
) -> None:
    nebius = [
        *default_rows("nebius"),
        an_offer_row(provider="nebius", source=default_rows("nebius")[0]["source"]),
    ]
    nebius[1] |= cells
    line = refusal(a_source(tmp_path / "s", nebius=nebius), tmp_path, capsys)
    assert line.startswith(f"refused: nebius.csv:3: {field}: ")


def test_an_origin_without_a_stated_licence_decision_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = a_source(tmp_path / "s", nebius=[an_offer_row(provider="nebius", source="somebody/prices:x@1")])
    assert "somebody/prices:x@1" in refusal(source, tmp_path, capsys)


def test_two_prices_for_one_offer_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    twins = [*default_rows("azure"), default_rows("azure")[0] | {"on_demand_usd_per_hour": "0.09"}]
    line = refusal(a_source(tmp_path / "s", azure=twins), tmp_path, capsys)
    assert "azure:eastus:Standard_NC4as_T4_v3:on_demand" in line


def test_spot_dearer_than_on_demand_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    dear = [a_zone_row(spot_usd_per_hour="0.81")]
    line = refusal(a_source(tmp_path / "s", aws_spot_by_zone=dear), tmp_path, capsys)
    assert "aws:us-east-1/use1-az4:g6.xlarge:spot" in line
    assert "0.8" in line


def test_a_zonal_file_that_contradicts_the_list_price_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = [a_zone_row(on_demand_usd_per_hour="0.79")]
    line = refusal(a_source(tmp_path / "s", aws_spot_by_zone=other), tmp_path, capsys)
    assert line.startswith("refused: aws_spot_by_zone.csv:2: on_demand_usd_per_hour: '0.79'")


@pytest.mark.parametrize(
    ("file", "old", "new", "expected"),
    [
        ("azure_spot_2024.csv", "0.1100", "1.2", "azure_spot_2024.csv:2: spot_to_on_demand_ratio"),
        ("aws_spot_2026_10.csv", ",9.5,", ",,", "aws_spot_2026_10.csv:2: spot_usd_per_hour"),
        ("aws_spot_2026_10.csv", "p4d.24xlarge", "p9.48xlarge", "aws_spot_2026_10.csv:2: instance_type"),
        ("aws_availability.csv", "2026-10-27", "2026-10-28", "aws_availability.csv: observed_on"),
        ("vast.csv", "provider,", "", "vast.csv:1: provider"),
        ("vast.csv", ",USD,", ",USD,extra,", "vast.csv:2"),
        ("PROVENANCE.md", "Assembled", "Dreamt", "PROVENANCE.md"),
    ],
)
def test_a_bad_side_file_is_refused(
    own_source: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    file: str,
    old: str,
    new: str,
    expected: str,
) -> None:
    replace_in(own_source / "prices" / file, old, new)
    assert refusal(own_source, tmp_path, capsys).startswith(f"refused: {expected}")


def test_a_missing_file_is_named(
    own_source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (own_source / "prices" / "runpod.csv").unlink()
    assert refusal(own_source, tmp_path, capsys).startswith("refused: runpod.csv")


# What is written ----------------------------------------------------------------------------------


def test_building_twice_gives_the_same_bytes(source: Path, tmp_path: Path) -> None:
    assert build(source, tmp_path / "one", *OWN_PARTS) == 0
    assert build(source, tmp_path / "two", *OWN_PARTS) == 0
    assert build(source, tmp_path / "two", *OWN_PARTS) == 0
    first = written(tmp_path / "one")
    assert first == written(tmp_path / "two")
    assert {name for name in first if not name.startswith("snapshots")} == {
        "DATA_DICTIONARY.md",
        "PROVENANCE.md",
        "accelerators.toml",
        "instance_types.csv",
        "models.csv",
        "quota_pools.csv",
        "regions.csv",
    }


@pytest.mark.parametrize("seed", range(4))
def test_the_order_of_the_source_rows_does_not_matter(source: Path, tmp_path: Path, seed: int) -> None:
    shuffled = {name: default_rows(name) for name in ("aws", "aws_spot_by_zone", "gcp", "azure")}
    for rows in shuffled.values():
        random.Random(seed).shuffle(rows)
    assert collect_offers(a_source(tmp_path / "s", **shuffled) / "prices") == collect_offers(
        source / "prices"
    )


def test_a_new_snapshot_replaces_the_old_one(own_source: Path, tmp_path: Path) -> None:
    target = tmp_path / "catalog"
    assert build(own_source, target, "offers") == 0
    (before,) = (target / "snapshots").iterdir()
    replace_in(own_source / "prices" / "azure.csv", ",0.50,", ",0.51,")
    assert build(own_source, target, "offers") == 0
    (after,) = (target / "snapshots").iterdir()
    assert before.name[:10] == after.name[:10] == "2026-11-22"
    assert before.name != after.name


def test_the_snapshot_reads_back_as_the_offers_it_was_made_from(source: Path, tmp_path: Path) -> None:
    assert build(source, tmp_path, "offers") == 0
    (path,) = (tmp_path / "snapshots").iterdir()
    snapshot = read_snapshot(path)
    assert snapshot.offers == collect_offers(source / "prices").offers
    assert snapshot.info.created_at == datetime(2026, 11, 22, tzinfo=UTC)


def test_facts_carry_unknowns_as_blanks_and_every_region_an_offer_names(source: Path, tmp_path: Path) -> None:
    assert build(source, tmp_path, "facts") == 0
    with (tmp_path / "regions.csv").open(encoding="utf-8", newline="") as handle:
        regions = {(row["provider"], row["id"]): row for row in csv.DictReader(handle)}
    assert regions["aws", "us-east-1"]["zones"] == "use1-az4;use1-az5"
    assert regions["azure", "brazilus"]["latitude"] == ""  # 0, 0 is a placeholder
    assert regions["azure", "brazilus"]["active"] == "false"
    assert regions["lambda", "us-east-1"]["source"] == "seen in the price data; coordinates not published"
    assert regions["vast", "CZ"]["country"] == "CZ"
    chips = {
        chip["id"]: chip
        for chip in tomllib.loads((tmp_path / "accelerators.toml").read_text("utf-8"))["accelerator"]
    }
    assert chips["l4-24gb"]["memory_reported_gib"] == 22888 / 1024  # of a whole L4, not of g6f's slice
    assert "memory_bandwidth_gb_per_s" not in chips["t4g-16gb"]


def test_quota_pools_use_the_providers_ids_and_patterns(source: Path, tmp_path: Path) -> None:
    assert build(source, tmp_path, "quota") == 0
    with (tmp_path / "quota_pools.csv").open(encoding="utf-8", newline="") as handle:
        pools = {row["pool"]: row for row in csv.DictReader(handle)}
    assert set(pools) == {
        "L-DB2E81BA",
        "Standard NCASv3_T4 Family",
        "cores",
        "lowPriorityCores",
        "NVIDIA_T4_GPUS",
        "GPUS-PER-GPU-FAMILY-per-project-region:NVIDIA_H100",
        "GPUS_ALL_REGIONS",
    }
    assert pools["L-DB2E81BA"]["instance_types"] == "g5.*;g6.*"
    assert pools["L-DB2E81BA"]["default_limit"] == "0"
    assert pools["NVIDIA_T4_GPUS"]["instance_types"] == "n1-*+*xt4"
    everything = pools["GPUS_ALL_REGIONS"]
    assert (everything["market"], everything["scope"]) == ("", "global")
    assert everything["instance_types"] == "a3-highgpu-*;n1-*+*xt4"
    assert pools["cores"]["market"] == Market.ON_DEMAND.value
    assert pools["lowPriorityCores"]["market"] == Market.SPOT.value


@pytest.mark.parametrize(("part", "module"), [("profiles", "profiles"), ("workloads", "traces")])
def test_profiles_and_workloads_are_built_by_their_own_modules(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, part: str, module: str
) -> None:
    calls: list[tuple[Path, Path]] = []
    fake = SimpleNamespace(build=lambda source, catalogs: calls.append((source, catalogs)))
    monkeypatch.setitem(sys.modules, f"catalogs.build.{module}", fake)
    assert build(source, tmp_path, part) == 0
    assert calls == [(source, tmp_path)]


# Names --------------------------------------------------------------------------------------------


def test_no_spelling_means_two_accelerators() -> None:
    owners: dict[str, str] = {}
    for entry in ACCELERATOR_NAMES:
        for spelling in {entry.id, *(alias.casefold() for alias in spellings(entry))}:
            assert owners.setdefault(spelling, entry.id) == entry.id


@pytest.mark.parametrize(
    "shared", ["H100", "A100", "A100-80GB", "A100-40GB", "H200", "GH200", "V100", "V100-16GB"]
)
def test_a_family_name_several_chips_share_is_no_alias(shared: str) -> None:
    assert not [entry.id for entry in ACCELERATOR_NAMES if shared in spellings(entry)]


@pytest.mark.parametrize(
    ("spelling", "accelerator_id"),
    [
        ("L4", "l4-24gb"),
        ("A10G", "a10g-24gb"),
        ("T4", "t4-16gb"),
        ("B200", "b200-sxm-180gb"),
        ("L40S", "l40s-48gb"),
        ("RTX-PRO-6000", "rtx-pro-6000-96gb"),
        ("H100-80GB-SXM", "h100-sxm-80gb"),
        ("B300-270GB-SXM", "b300-sxm-288gb"),
        ("V100-32GB", "v100-sxm-32gb"),
    ],
)
def test_a_name_only_one_chip_has_is_an_alias(spelling: str, accelerator_id: str) -> None:
    assert [entry.id for entry in ACCELERATOR_NAMES if spelling in spellings(entry)] == [accelerator_id]


def test_no_alias_means_two_models() -> None:
    every = [alias.casefold() for aliases in MODEL_ALIASES.values() for alias in aliases]
    assert len(every) == len(set(every))


def test_a_composed_source_has_the_licence_of_each_part() -> None:
    assert licence_of("aws/karpenter-provider-aws:a@1 + coroot/cloud-pricing:b@2") == "Apache-2.0"
    assert licence_of("skypilot-org/skypilot-catalog:a@1") is None
