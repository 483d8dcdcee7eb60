"""The maintainers' build: newer readings of a price list over the older ones."""

from __future__ import annotations

import csv
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
from collected_source import OFFER_COLUMNS, a_source, a_zone_row, an_offer_row

from catalogs.build.collect import collect_offers
from catalogs.build.hosted_names import canonical
from catalogs.build.snapshot import assembled_on

if TYPE_CHECKING:
    from pathlib import Path

    from advisor.domain import Offer

NEW = {"observed_on": "2026-10-10", "spot_observed_on": "2026-10-10"}
NEBIUS = {"provider": "nebius", "region": "eu-north1", "accelerator_name": "H100-80GB-SXM"}
NEBIUS |= {
    "accelerator_memory_gib": "80",
    "accelerator_form": "SXM",
    "source": "skypilot-org/skypilot-catalog:v@1",
}


def with_newer(folder: Path, **tables: list[dict[str, str]]) -> Path:
    """A source's prices with one folder of newer files."""
    prices = folder / "prices"
    newer = prices / "new_2026_12"
    newer.mkdir()
    (newer / "PROVENANCE.md").write_text("# Newer, collected 2026-12-01\n", encoding="utf-8")
    for name, rows in tables.items():
        with (newer / f"{name}.csv").open("w", encoding="utf-8", newline="") as handle:
            writer = csv.DictWriter(handle, OFFER_COLUMNS, lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
    return prices


def collected(prices: Path) -> dict[tuple[str, bool], Offer]:
    """By id and whether a newer one stands above it."""
    return {(offer.id, "superseded" in offer.flags): offer for offer in collect_offers(prices).offers}


def test_a_newer_row_stands_in_place_of_the_older_and_dates_the_snapshot(tmp_path: Path) -> None:
    row = an_offer_row(on_demand_usd_per_hour="0.70", **NEW)
    prices = with_newer(a_source(tmp_path), aws=[row])
    found = collected(prices)
    assert found["aws:us-east-1:g6.xlarge:on_demand", False].usd_per_hour == Decimal("0.70")
    assert ("aws:us-east-1:g6.xlarge:on_demand", True) not in found
    assert assembled_on(prices).isoformat() == "2026-12-01"


def test_a_newer_cheapest_zone_stands_above_the_older_zones(tmp_path: Path) -> None:
    spot = {
        "spot_usd_per_hour": "0.41",
        "spot_source": "markrusch/Compute-Indices:x@1",
        "spot_basis": "lowest_zone",
    }
    row = an_offer_row(**NEW, **spot)
    source = a_source(tmp_path, aws_spot_by_zone=[a_zone_row()])
    found = collected(with_newer(source, aws=[row]))
    assert found["aws:us-east-1:g6.xlarge:spot", False].price_basis == "lowest_zone_spot"
    assert ("aws:us-east-1/use1-az4:g6.xlarge:spot", True) in found
    assert ("aws:us-east-1/use1-az4:g6.xlarge:spot", False) not in found


@pytest.mark.parametrize(("usd", "is_contradicted"), [("36", True), ("23.6", False)])
def test_one_price_per_accelerator_moves_for_every_size(
    tmp_path: Path, usd: str, is_contradicted: bool
) -> None:
    one = an_offer_row(instance_type="one", on_demand_usd_per_hour="2.95", **NEBIUS)
    eight = an_offer_row(
        instance_type="eight", accelerator_count="8", on_demand_usd_per_hour="23.6", **NEBIUS
    )
    source = a_source(tmp_path, nebius=[one, eight])
    found = collected(with_newer(source, nebius=[eight | {"on_demand_usd_per_hour": usd, **NEW}]))
    assert found["nebius:eu-north1:eight:on_demand", False].usd_per_hour == Decimal(usd)
    assert ("nebius:eu-north1:one:on_demand", is_contradicted) in found


def test_a_price_without_its_host_or_its_disk_is_no_offer(tmp_path: Path) -> None:
    part = an_offer_row(instance_type="gpu_only", **NEBIUS, flags="per_gpu_price")
    found = collected(with_newer(a_source(tmp_path), nebius=[part]))
    assert not any("gpu_only" in offer_id for offer_id, _ in found)


def test_spot_above_its_own_list_price_is_left_out(tmp_path: Path) -> None:
    spot = {
        "spot_usd_per_hour": "0.8001",
        "spot_source": "markrusch/Compute-Indices:x@1",
        "spot_basis": "lowest_zone",
    }
    found = collected(with_newer(a_source(tmp_path), aws=[an_offer_row(**NEW, **spot)]))
    assert all(offer.usd_per_hour != Decimal("0.8001") for offer in found.values())


@pytest.mark.parametrize(
    ("provider", "model_id", "model"),
    [
        ("bedrock", "us.meta.llama3-1-8b-instruct-v1:0", "Llama-3.1-8B"),
        ("ovhcloud", "ovhcloud/Meta-Llama-3_1-70B-Instruct", "Llama-3.1-70B"),
        ("fireworks", "fireworks_ai/accounts/fireworks/models/llama-v3p1-405b-instruct", "Llama-3.1-405B"),
        ("vertex_ai", "vertex_ai/meta/llama-4-scout-17b-16e-instruct-maas", "Llama-4-Scout"),
        ("novita", "novita/deepseek/deepseek_v3", "DeepSeek-V3"),
    ],
)
def test_a_hosts_id_is_that_of_our_model(provider: str, model_id: str, model: str) -> None:
    assert canonical(provider, model_id, model) == (True, None)


@pytest.mark.parametrize(
    ("provider", "model_id", "model"),
    [
        ("nebius", "nebius/deepseek-ai/DeepSeek-R1-0528", "DeepSeek-R1"),
        ("lambda", "lambda_ai/deepseek-llama3.3-70b", "Llama-3.3-70B"),
        ("nebius", "nebius/NousResearch/Hermes-3-Llama-3.1-405B", "Llama-3.1-405B"),
        ("novita", "novita/qwen/qwen3-235b-a22b-instruct-2507", "Qwen3-235B-A22B"),
        ("bedrock", "moonshot.kimi-k2-thinking", "Kimi-K2"),
        ("vertex_ai", "vertex_ai/meta/llama-4-scout-17b-128e-instruct-maas", "Llama-4-Scout"),
        ("novita", "novita/zai-org/glm-5-turbo", "GLM-5"),
        ("bedrock", "mistral.mistral-7b-instruct-v0:2", "Mistral-7B"),
    ],
)
def test_a_relative_of_our_model_is_another_model(provider: str, model_id: str, model: str) -> None:
    assert not canonical(provider, model_id, model)[0]


def test_what_a_host_says_of_precision_is_noted() -> None:
    is_same, note = canonical("together", "together_ai/Qwen/Qwen2.5-7B-Instruct-Turbo", "Qwen2.5-7B")
    assert is_same
    assert note == "served by the host in a precision of its own choice ('turbo')"
