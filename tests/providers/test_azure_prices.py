"""What rows of Azure's price list mean, with prices computed by hand."""

from __future__ import annotations

import csv
import json
from collections import Counter
from datetime import datetime
from decimal import Decimal
from importlib import resources

import pytest
from conftest import NOW
from replay_cloud import payload_of

from advisor.catalog.facts import load_facts
from advisor.domain import Availability, Market
from advisor.provider import Answer, Scope, collected
from providers.azure.regions import REGIONS
from providers.azure.retail import items_of, parse_region
from providers.azure.sizes import ALIASES, SIZES, folded, size_named

pytestmark = pytest.mark.fast

RECORDED = items_of(payload_of("azure", "typical", "retail-prices.json"))


def a_row(**changed):
    row = {
        "currencyCode": "USD",
        "tierMinimumUnits": Decimal("0.0"),
        "retailPrice": Decimal("3.673"),
        "unitPrice": Decimal("3.673"),
        "armRegionName": "eastus",
        "effectiveStartDate": "2022-06-01T00:00:00Z",
        "meterId": "meter-1",
        "meterName": "NC24ads A100 v4",
        "productName": "Virtual Machines NCads A100 v4 Series",
        "skuName": "NC24ads A100 v4",
        "serviceName": "Virtual Machines",
        "unitOfMeasure": "1 Hour",
        "type": "Consumption",
        "isPrimaryMeterRegion": True,
        "armSkuName": "Standard_NC24ads_A100_v4",
    }
    return {**row, **changed}


def at(usd, **changed):
    return a_row(retailPrice=Decimal(usd), unitPrice=Decimal(usd), **changed)


def spot(usd, **changed):
    marked = {"skuName": "NC24ads A100 v4 Spot", "meterName": "NC24ads A100 v4 Spot", "meterId": "meter-2"}
    return at(usd, **{**marked, **changed})


def read(*rows, region="eastus", scope=Scope()):  # noqa: B008
    """The settled result of a region's rows, as a refresh sees it."""
    reading = parse_region(region, rows, scope, NOW)
    return collected("azure", [reading], answers=[Answer({})], now=NOW)


def prices(result):
    return {
        (priced.offer.instance_type.removeprefix("Standard_"), priced.offer.market.value): str(
            priced.offer.usd_per_hour
        )
        for priced in result.offers
    }


def reasons(result):
    return Counter(rejection.reason for rejection in result.rejections)


def the_rejection(result):
    (rejection,) = result.rejections
    return rejection


# --- recorded rows


def test_of_fourteen_recorded_rows_one_is_an_hourly_linux_price_of_a_gpu_size():
    result = read(*RECORDED, region="westus")
    assert prices(result) == {("NC64as_T4_v3", "on_demand"): "5.222"}
    assert reasons(result) == {"reservation_term": 2, "no_accelerator": 1, "other_product": 1}
    told = {rejection.subject: rejection.detail for rejection in result.rejections}
    assert told["11 rows"] == "sizes of series without a GPU"  # 14 less 3 of NC64as_T4_v3
    assert told["137 rows"] == "rows of a region that was not asked for"


def test_w23_a_whole_terms_price_that_says_one_hour_is_never_hourly():
    result = read(*RECORDED, region="westus")
    terms = [rejection for rejection in result.rejections if rejection.reason == "reservation_term"]
    assert {rejection.subject for rejection in terms} == {"Standard_NC64as_T4_v3"}
    assert sorted(rejection.detail.split()[0] for rejection in terms) == ["29279.0", "52153.0"]


def test_w23_a_reservation_is_known_by_its_term_even_where_the_type_says_consumption():
    result = read(at("29279", reservationTerm="1 Year"))
    assert result.offers == ()
    assert reasons(result) == {"reservation_term": 1}


def test_recorded_windows_rows_are_no_linux_prices():
    result = read(*RECORDED, region="francecentral")  # 12 rows there, counted in the recording
    assert prices(result) == {
        ("NC24ads_A100_v4", "on_demand"): "4.591",
        ("NC48ads_A100_v4", "on_demand"): "9.183",
        ("NC96ads_A100_v4", "on_demand"): "18.365",
        ("ND96amsr_A100_v4", "on_demand"): "40.962",
        ("ND96isr_H200_v5", "on_demand"): "106",
    }
    told = {(rejection.reason, rejection.subject) for rejection in result.rejections}
    assert ("other_product", "6 rows") in told  # Windows
    assert ("unknown_accelerator", "Standard_ND96ams_A100_v4") in told


# --- which row is which


def test_a_plain_row_is_the_on_demand_price_of_its_size_with_unknown_stock():
    (priced,) = read(a_row()).offers
    offer = priced.offer
    assert offer.id == "azure:eastus:Standard_NC24ads_A100_v4:on_demand"
    assert (offer.usd_per_hour, offer.accelerator, offer.accelerators) == (
        Decimal("3.673"),
        "a100-pcie-80gb",
        1,
    )
    assert (offer.vcpus, offer.memory_gib, offer.price_basis) == (24, 220.0, "list")
    assert offer.availability is Availability.UNKNOWN
    assert (offer.flags, offer.collected_at) == ((), NOW)


def test_the_evidence_is_the_row_as_received():
    result = read(a_row())
    content = result.evidence[result.offers[0].evidence_digest]
    assert json.loads(content)["meterId"] == "meter-1"
    assert b'"retailPrice":3.673' in content


@pytest.mark.parametrize(
    "names",
    [
        {"skuName": "NC24ads A100 v4 Spot", "meterName": "NC24ads A100 v4 Spot"},
        {"skuName": "Standard_NC24ads_A100_v4 Spot", "meterName": "Standard_NC24ads_A100_v4 Spot"},
        {"skuName": None, "meterName": "NC24ads_A100_v4 Spot"},
    ],
)
def test_spot_is_told_by_the_end_of_a_name(names):
    assert prices(read(at("0.5", **names))) == {("NC24ads_A100_v4", "spot"): "0.5"}


def test_w6_names_that_disagree_on_spot_are_refused():
    result = read(a_row(skuName="NC24ads A100 v4 Spot"))
    assert result.offers == ()
    assert "do not tell on-demand from spot" in the_rejection(result).detail


@pytest.mark.parametrize(
    ("changed", "what"),
    [
        ({"productName": "Virtual Machines NCads A100 v4 Series Windows"}, "Windows"),
        ({"productName": "NCads A100 v4 Series Win"}, "Windows"),
        ({"productName": "NCads A100 v4 Series Cloud Services"}, "Cloud Services or Dedicated Hosts"),
        ({"productName": "NCads A100 v4 Series CloudServices"}, "Cloud Services or Dedicated Hosts"),
        ({"productName": "NCads A100 v4 Dedicated Host"}, "Cloud Services or Dedicated Hosts"),
        (
            {"skuName": "NC24ads A100 v4 Low Priority", "meterName": "NC24ads A100 v4 Low Priority"},
            "Low Priority (Batch, retired)",
        ),
        ({"armSkuName": "Standard_NC24_Promo", "skuName": None, "meterName": "NC24"}, "promotional sizes"),
        ({"type": "DevTestConsumption"}, "dev/test subscriptions"),
        ({"serviceName": "Azure Machine Learning"}, "another service than Virtual Machines"),
    ],
)
def test_prices_of_something_else_are_counted_not_used(changed, what):
    result = read(a_row(**changed))
    assert result.offers == ()
    assert (the_rejection(result).reason, the_rejection(result).detail) == ("other_product", what)


def test_windows_hides_in_no_other_word():
    assert prices(read(a_row(productName="Virtual Machines Twin Winner Series Linux")))


@pytest.mark.parametrize("zero", ["0", "0.0", "0.0000000000", "-3.673", "NaN", "0.000000001"])
def test_w2_a_price_of_nothing_is_no_price(zero):
    result = read(at(zero))
    assert result.offers == ()
    assert the_rejection(result).reason == "price_missing"


@pytest.mark.parametrize("currency", ["EUR", "usd", None, ""])
def test_w24_only_dollars_that_say_so_are_dollars(currency):
    result = read(a_row(currencyCode=currency))
    assert result.offers == ()
    assert the_rejection(result).reason == "foreign_currency"


@pytest.mark.parametrize("unit", ["1/Month", "100 Hours", "1 GB Hour", None])
def test_only_a_price_per_hour_is_one(unit):
    assert the_rejection(read(a_row(unitOfMeasure=unit))).reason == "malformed_item"


def test_a_later_tiers_price_is_not_the_price():
    assert the_rejection(read(a_row(tierMinimumUnits=Decimal("1000.0")))).reason == "other_product"


def test_retail_and_unit_price_must_agree():
    assert the_rejection(read(a_row(unitPrice=Decimal("29.384")))).reason == "price_conflict"


def test_a_savings_plans_price_is_not_the_price():
    plan = [{"term": "3 Years", "retailPrice": Decimal("1.5"), "unitPrice": Decimal("1.5")}]
    assert prices(read(a_row(savingsPlan=plan))) == {("NC24ads_A100_v4", "on_demand"): "3.673"}


# --- one offer, several rows


def test_w8_two_meters_with_two_prices_are_a_conflict_not_the_first_one():
    result = read(at("0.178"), at("0.086", meterId="meter-9"))
    assert result.offers == ()
    assert the_rejection(result).reason == "price_conflict"
    assert the_rejection(result).detail == "stated: $0.086, $0.178 an hour"


def test_two_equal_rows_are_one_offer():
    assert prices(read(a_row(), a_row(meterId="meter-9"))) == {("NC24ads_A100_v4", "on_demand"): "3.673"}


def test_rows_of_meters_whose_primary_region_is_elsewhere_are_repetitions():
    result = read(a_row(), at("4.408", meterId="meter-9", isPrimaryMeterRegion=False))
    assert prices(result) == {("NC24ads_A100_v4", "on_demand"): "3.673"}
    assert "primary region is elsewhere" in the_rejection(result).detail


def test_a_size_listed_only_by_such_a_meter_keeps_its_price():
    assert prices(read(a_row(isPrimaryMeterRegion=False))) == {("NC24ads_A100_v4", "on_demand"): "3.673"}


def test_both_names_of_one_size_are_one_offer():
    rows = [
        at(
            "27.197",
            armSkuName=name,
            meterId=name,
            skuName="ND96asr A100 v4",
            meterName="ND96asrA100v4_NU",
            productName="Virtual Machines NDasr A100 v4 Series",
        )
        for name in ("Standard_ND96asr_v4", "Standard_ND96asr_A100_v4")
    ]
    assert prices(read(*rows)) == {("ND96asr_v4", "on_demand"): "27.197"}
    assert prices(read(*reversed(rows))) == prices(read(*rows))


def test_an_empty_sku_name_is_made_up_for_by_the_meters_but_never_guessed():
    assert prices(read(a_row(armSkuName=""))) == {("NC24ads_A100_v4", "on_demand"): "3.673"}
    unknown = read(a_row(armSkuName="", skuName="NC7 v9", meterName="NC7 v9"))
    assert the_rejection(unknown).reason == "malformed_item"
    cpu = read(a_row(armSkuName=None, skuName="D2 v5", meterName="D2 v5"))
    assert the_rejection(cpu).reason == "no_accelerator"


def test_w10_a_price_whose_names_mean_two_sizes_is_refused():
    result = read(a_row(skuName="NC96ads A100 v4"))
    assert result.offers == ()
    assert the_rejection(result).reason == "price_conflict"
    assert "Standard_NC96ads_A100_v4" in the_rejection(result).detail


# --- validity


@pytest.mark.parametrize(
    "window",
    [
        {"effectiveStartDate": "2026-12-01T00:00:00Z"},
        {"effectiveEndDate": "2026-11-01T00:00:00Z"},
        {"effectiveEndDate": "2026-11-22T12:00:00Z"},  # ends at the very moment
    ],
)
def test_a_price_not_in_force_is_not_used(window):
    assert the_rejection(read(a_row(**window))).reason == "not_in_force"


def test_of_one_meters_monthly_spot_windows_the_one_in_force_counts():
    october = spot("0.8", effectiveStartDate="2026-10-01T00:00:00Z")
    november = spot("0.9", effectiveStartDate="2026-11-01T00:00:00Z")
    december = spot("1.0", effectiveStartDate="2026-12-01T00:00:00Z")
    for rows in ([october, november, december], [december, november, october]):
        result = read(*rows)
        assert prices(result) == {("NC24ads_A100_v4", "spot"): "0.9"}
        assert reasons(result) == {"not_in_force": 2}


def test_a_time_that_is_none_is_refused():
    assert the_rejection(read(a_row(effectiveStartDate="soon"))).reason == "malformed_item"
    assert the_rejection(read(a_row(effectiveEndDate=5))).reason == "malformed_item"


# --- spot against on-demand


def test_w9_spot_six_times_below_the_portal_is_not_believed():
    portal, on_demand = Decimal("0.57442"), "5.222"  # 0.11 of on-demand, as T4 sizes were in 2024
    shown_by_retail = str((portal / 6).quantize(Decimal("0.00001")))  # 0.09574, 0.018 of on-demand
    result = read(at(on_demand), spot(shown_by_retail))
    assert prices(result) == {("NC24ads_A100_v4", "on_demand"): "5.222"}
    assert the_rejection(result).reason == "spot_implausible"
    assert "spot $0.09574, on-demand $5.222" in the_rejection(result).detail
    assert read(at(on_demand), spot(str(portal))).rejections == ()


def test_the_deepest_discount_ever_recorded_is_believed():
    assert read(at("1.565"), spot("0.1565")).rejections == ()  # 0.1000, NC16as_T4_v3 in 2024-08


def test_w11_spot_dearer_than_on_demand_is_noticed():
    result = read(at("0.44"), spot("0.49"))
    assert prices(result) == {("NC24ads_A100_v4", "on_demand"): "0.44"}
    assert the_rejection(result).reason == "spot_above_on_demand"


def test_spot_at_the_on_demand_price_is_kept_and_flagged():
    result = read(at("98.32"), spot("98.32"))
    flags = {priced.offer.market: priced.offer.flags for priced in result.offers}
    assert flags == {Market.ON_DEMAND: (), Market.SPOT: ("spot_at_on_demand_cap",)}


def test_spot_is_judged_by_the_on_demand_price_even_where_only_spot_is_asked_for():
    result = read(at("0.44"), spot("0.49"), scope=Scope(markets=(Market.SPOT,)))
    assert result.offers == ()
    assert the_rejection(result).reason == "spot_above_on_demand"


def test_a_market_out_of_scope_is_left_out_without_a_word():
    result = read(a_row(), spot("1.0"), scope=Scope(markets=(Market.SPOT,)))
    assert prices(result) == {("NC24ads_A100_v4", "spot"): "1"}
    assert result.rejections == ()


# --- sizes and regions


def test_sizes_agree_with_the_shipped_facts():
    with (resources.files("catalogs") / "instance_types.csv").open() as stream:
        facts = {row["instance_type"]: row for row in csv.DictReader(stream) if row["provider"] == "azure"}
    assert set(SIZES) == set(facts)
    for name, size in SIZES.items():
        row = facts[name]
        stated = (row["accelerator"], Decimal(row["accelerators"]), row["vcpus"], Decimal(row["memory_gib"]))
        ours = (size.accelerator, size.accelerators, str(size.vcpus), Decimal(size.memory_gib))
        assert ours == stated, name


def test_accelerators_exist_and_families_are_the_shipped_quota_pools():
    facts = load_facts()
    assert {size.accelerator for size in SIZES.values()} <= set(facts.accelerators)
    pools = {
        pattern: pool.pool
        for pool in facts.quota_pools
        if pool.provider == "azure" and pool.pool not in ("cores", "lowPriorityCores")
        for pattern in pool.instance_types
    }
    assert {name: size.family for name, size in SIZES.items() if size.family} == pools
    assert len({folded(pool) for pool in pools.values()}) == len(set(pools.values()))


@pytest.mark.parametrize(
    ("size", "share"),
    [("NV6ads_A10_v5", "0.166667"), ("NV12ads_A10_v5", "0.333333"), ("NV18ads_A10_v5", "0.5")],
)
def test_a_shared_a10_is_its_share_of_36_vcpus(size, share):
    name = f"Standard_{size}"
    result = read(at("0.454", armSkuName=name, skuName=size, meterName=size))
    (priced,) = result.offers
    assert priced.offer.accelerators == Decimal(share)
    assert abs(priced.offer.accelerators - Decimal(priced.offer.vcpus) / 36) < Decimal("0.000001")
    assert priced.offer.flags == ("fractional_gpu",)


def test_retired_sizes_say_so():
    (priced,) = read(at("3.06", armSkuName="Standard_NC6s_v3", skuName="NC6s v3", meterName="NC6s v3")).offers
    assert priced.offer.flags == ("retired",)


@pytest.mark.parametrize(
    ("spelling", "size"),
    [
        ("standard_nc24ADS_a100_V4", "Standard_NC24ads_A100_v4"),
        ("NC64asT4 v3", "Standard_NC64as_T4_v3"),
        ("ND96isrH200v5", "Standard_ND96isr_H200_v5"),
        ("Standard_ND96asr_A100_v4", "Standard_ND96asr_v4"),
        ("Standard_NC99", None),
        ("", None),
    ],
)
def test_sizes_are_found_by_any_spelling_of_azures(spelling, size):
    assert size_named(spelling) == size
    assert set(ALIASES.values()) <= set(SIZES)


def test_regions_are_the_active_ones_of_the_shipped_facts():
    known = {
        region.id for region in load_facts().regions.values() if region.provider == "azure" and region.active
    }
    assert {region for region in known if not region.endswith("euap")} == set(REGIONS)
    assert list(REGIONS) == sorted(REGIONS)


def test_the_clock_of_validity_is_the_vendors_answer():
    later = datetime.fromisoformat("2026-12-05T00:00:00+00:00")
    reading = parse_region("eastus", [a_row(effectiveStartDate="2026-12-01T00:00:00Z")], Scope(), later)
    assert len(reading.offers) == 1
