"""Google Cloud: which SKUs a machine is billed by. Every expected price is worked out by hand beside it."""

from __future__ import annotations

import csv
from collections import Counter
from decimal import Decimal
from importlib import resources

import pytest
from conftest import NOW
from gcp_cloud import a_sku, typical, typical_skus
from hypothesis import given, settings
from hypothesis import strategies as st

from advisor.domain import Availability, Market
from advisor.provider import Ledger, Scope
from providers.gcp import compose, machines, shapes, skus

pytestmark = pytest.mark.fast

ON_DEMAND, SPOT = Market.ON_DEMAND, Market.SPOT
H100 = "Nvidia H100 80GB GPU running in Americas"


def read(items, *names, listed=None, scope=Scope()):  # noqa: B008
    """Offers by (type, region, market) and the ledger, of the named shapes or of all."""
    ledger = Ledger("gcp")
    book = skus.price_book(ledger, items)
    places = (
        compose.documented_places(book, "not asked")
        if listed is None
        else compose.listed_places(book, listed, NOW)
    )
    for place in places:
        if not names or place.shape.name in names:
            compose.compose(ledger, place, book, scope, NOW)
    reading = ledger.reading()
    offers = {
        (priced.offer.instance_type, priced.offer.region, priced.offer.market): priced.offer
        for priced in reading.offers
    }
    return offers, reading


def usd(items, name, market=ON_DEMAND, region="us-central1"):
    return read(items, name)[0][name, region, market].usd_per_hour


def reasons(reading):
    return Counter(rejection.reason for rejection in reading.rejections)


A3 = [
    a_sku(H100, "9.796551"),
    a_sku("A3 Instance Core running in Americas", "0.03"),
    a_sku("A3 Instance Ram running in Americas", "0.002"),
    a_sku("SSD backed Local Storage", "0.08"),
]
A3_8G = Decimal("89.01394225")
"""8 x 9.796551 = 78.372408; 208 x 0.03 = 6.24; 1872 x 0.002 = 3.744; 6000 x 0.08 / 730 = 0.65753425."""


# --- known prices


def test_a2_highgpu_1g_is_gpu_and_twelve_cores_and_eighty_five_gib():
    # 2.933908 + 12 x 0.031611 + 85 x 0.004237 = 2.933908 + 0.379332 + 0.360145
    assert usd(typical_skus(), "a2-highgpu-1g") == Decimal("3.673385")


def test_a3_megagpu_8g_is_its_published_price_and_its_local_ssd():
    # 8 x 10.344276 = 82.754208; 208 x 0.026924 = 5.600192; 1872 x 0.002344 = 4.387968: together 92.742368
    # and 16 x 375 GiB x 0.08 a month / 730 hours = 0.657534246..., 0.7 % more (W18)
    assert usd(typical_skus(), "a3-megagpu-8g") == Decimal("93.39990225")


def test_n1_with_a_t4_is_host_and_gpu_under_the_name_the_catalog_ships():
    # 0.35 + 8 x 0.031611 + 30 x 0.004237 = 0.35 + 0.252888 + 0.12711: the price shipped for 2026-04-15
    offer = read(typical_skus())[0]["n1-standard-8+1xt4", "us-central1", ON_DEMAND]
    assert (offer.usd_per_hour, offer.flags) == (Decimal("0.729998"), ("composed_n1_plus_gpu",))
    assert (offer.accelerator, offer.vcpus, offer.memory_gib) == ("t4-16gb", 8, 30.0)


def test_a_quarter_of_a_card_is_a_quarter_of_its_price():
    # 2 / 4 + 12 x 0.03 + 45 x 0.006 = 0.5 + 0.36 + 0.27
    offer = read(typical_skus())[0]["g4-standard-12", "us-central1", ON_DEMAND]
    assert (offer.usd_per_hour, offer.accelerators) == (Decimal("1.13"), Decimal("0.25"))
    assert offer.flags == ("fractional_gpu",)


def test_units_and_nanos_are_one_exact_figure():
    slice_sku = a_sku("A4 Nvidia B200 (1 gpu slice) running in Americas", "16.110000001")
    assert usd([slice_sku], "a4-highgpu-8g") == Decimal("128.88000001")  # 8 x 16.110000001, to eight places


# --- the wall of wrong prices


def test_w5_the_b200_sku_is_the_whole_machine_and_nothing_is_added():
    slice_sku = a_sku("A4 Nvidia B200 (1 gpu slice) running in Americas", "16.11")
    assert usd([slice_sku], "a4-highgpu-8g") == Decimal("128.88")
    with_parts = [slice_sku, a_sku("A4 Instance Core running in Americas", "0.03"), *A3]
    assert usd(with_parts, "a4-highgpu-8g") == Decimal("128.88")


def test_w6_a_sku_described_as_spot_is_spot_however_it_is_tagged():
    plain = a_sku("A4 Nvidia B200 (1 gpu slice) running in Americas", "16.11")
    spot = a_sku("Spot Preemptible A4 Nvidia B200 (1 gpu slice) running in Americas", "4.9542")
    assert spot["category"]["usageType"] == "OnDemand"
    assert usd([plain, spot], "a4-highgpu-8g") == Decimal("128.88")
    assert usd([plain, spot], "a4-highgpu-8g", SPOT) == Decimal("39.6336")  # 8 x 4.9542


@pytest.mark.parametrize(
    "wording",
    [
        "Nvidia H100 80GB GPU attached to Spot Preemptible VMs running in Americas",
        "Nvidia H100 80GB GPU attached to preemptible VMs running in Americas",
        "Spot Preemptible Nvidia H100 80GB GPU running in Americas",
        "Preemptible Nvidia H100 80GB GPU running in Americas",
    ],
)
def test_spot_is_read_in_every_way_it_is_written(wording):
    items = [
        a_sku(wording, "2.25"),
        a_sku("Spot Preemptible A3 Instance Core running in Americas", "0.01"),
        a_sku("Spot Preemptible A3 Instance Ram running in Americas", "0.001"),
        a_sku("SSD backed Local Storage attached to Spot Preemptible VMs in Iowa", "0.04"),
    ]
    offers, _ = read(items, "a3-highgpu-8g")
    # 18 + 2.08 + 1.872 + 6000 x 0.04 / 730 = 21.952 + 0.32876712
    assert {key[2]: offer.usd_per_hour for key, offer in offers.items()} == {SPOT: Decimal("22.28076712")}


@pytest.mark.parametrize(
    ("name", "market"),
    [
        ("a3-highgpu-1g", ON_DEMAND),
        ("a3-highgpu-2g", ON_DEMAND),
        ("a3-highgpu-4g", ON_DEMAND),
        ("a3-highgpu-4g-nolssd", ON_DEMAND),
        ("a3-ultragpu-8g", ON_DEMAND),
        ("a4-highgpu-8g", ON_DEMAND),
        ("a4x-highgpu-4g", ON_DEMAND),
        ("a4x-highgpu-4g", SPOT),
    ],
)
def test_w7_a_shape_sold_only_by_reservation_or_as_spot_is_not_sold_on_demand(name, market):
    assert not shapes.sold(name, market)


def test_w7_its_price_stays_in_sight_flagged_and_unavailable():
    offers, _ = read(typical_skus())
    small = offers["a3-highgpu-1g", "us-central1", ON_DEMAND]
    assert small.flags == ("not_sold_this_way",)
    assert small.availability is Availability.UNAVAILABLE
    assert "flex-start" in small.availability_basis
    assert offers["a3-highgpu-1g", "us-central1", SPOT].flags == ()
    assert offers["a3-highgpu-8g", "us-central1", ON_DEMAND].flags == ()


def test_w8_two_prices_for_one_part_are_a_conflict_that_names_both_skus():
    twice = [*A3, a_sku(H100, "4.2", skuId="OTHER")]
    offers, reading = read(twice, "a3-highgpu-8g", scope=Scope(markets=(ON_DEMAND,)))
    assert offers == {}
    (rejection,) = reading.rejections
    assert rejection.reason == "price_conflict"
    assert "GPU: 2 SKUs" in rejection.detail
    assert "$4.2, $9.796551" in rejection.detail
    assert "OTHER" in rejection.detail


def test_two_skus_that_agree_on_the_price_are_no_conflict():
    assert usd([*A3, {**A3[0], "skuId": "AGAIN"}], "a3-highgpu-8g") == A3_8G


@pytest.mark.parametrize("missing", range(4))
def test_w13_a_missing_part_is_named_for_the_shape_the_region_and_the_market(missing):
    named = ["GPU", "vCPU", "memory", "local SSD"][missing]
    elsewhere = {**A3[missing], "serviceRegions": ["europe-west4"]}
    spot_gpu = a_sku("Nvidia H100 80GB GPU attached to Spot Preemptible VMs running in Americas", "2.25")
    items = [*A3[:missing], elsewhere, *A3[missing + 1 :], spot_gpu]
    offers, reading = read(items, "a3-highgpu-8g", scope=Scope(regions=("us-*",), markets=(ON_DEMAND,)))
    assert offers == {}
    (rejection,) = reading.rejections
    assert (rejection.region, rejection.market, rejection.subject) == (
        "us-central1",
        ON_DEMAND,
        "a3-highgpu-8g",
    )
    assert (rejection.reason, rejection.detail) == (
        "price_missing",
        f"{named}: no on_demand SKU covers the region",
    )


def test_w13_the_other_region_stays():
    both = [{**sku, "serviceRegions": ["us-central1", "us-east4"]} for sku in A3[:3]]
    offers, reading = read([*both, A3[3]], "a3-highgpu-8g", scope=Scope(markets=(ON_DEMAND,)))
    assert [key[1] for key in offers] == ["us-central1"]
    assert [rejection.region for rejection in reading.rejections] == ["us-east4"]


def test_w18_local_ssd_that_comes_with_the_machine_is_billed_with_it_and_not_with_others():
    items = typical_skus()
    # 4 + 12 x 0.031611 + 170 x 0.004237 + 375 x 0.08 / 730 = 4 + 0.379332 + 0.72029 + 0.04109589
    assert usd(items, "a2-ultragpu-1g") == Decimal("5.14071789")
    dearer = [sku for sku in items if "Local Storage" not in sku["description"]]
    dearer.append(a_sku("SSD backed Local Storage", "8"))
    assert usd(dearer, "a2-ultragpu-1g") == Decimal("9.20921104")  # 375 x 8 / 730 = 4.10958904
    assert usd(dearer, "a2-highgpu-1g") == Decimal("3.673385")


def test_a_series_own_local_ssd_stands_above_the_general_one():
    own = a_sku("A3 Instance Local SSD running in Americas", "0.16")
    # 0.65753425 more than with the general 0.08
    assert usd([*A3, own], "a3-highgpu-8g") == Decimal("89.67147649")


@pytest.mark.parametrize(
    "other_way",
    [
        "Reserved Nvidia H100 80GB GPU in Americas in Calendar Mode",
        "Reserved Nvidia H100 80GB GPU in Americas",
        "Nvidia H100 80GB GPU attached to DWS Defined Duration VMs running in Americas",
        "DWS Calendar Mode Nvidia H100 80GB GPU in Americas",
        "Commitment v1: Nvidia H100 80GB GPU in Americas for 1 Year",
        "Sole Tenancy Premium for A3 Sole Tenancy Instance Core running in Americas",
        "A3 Custom Instance Core running in Americas",
        "Upgrade Premium for A3 Instance Core running in Americas",
        "Flex-start Nvidia H100 80GB GPU running in Americas",
    ],
)
def test_a_sku_for_another_way_of_buying_changes_nothing(other_way):
    offers, reading = read(
        [a_sku(other_way, "0.01"), *A3], "a3-highgpu-8g", scope=Scope(markets=(ON_DEMAND,))
    )
    assert offers["a3-highgpu-8g", "us-central1", ON_DEMAND].usd_per_hour == A3_8G
    assert reading.rejections == ()


@pytest.mark.parametrize("usage_type", ["Commit1Yr", "Commit3Yr", "Commit", "CmtCudPremium", None, 7])
def test_a_sku_tagged_as_a_commitment_is_left_out(usage_type):
    tagged = a_sku(H100, "4.1", category={"resourceGroup": "GPU", "usageType": usage_type})
    assert usd([tagged, *A3], "a3-highgpu-8g") == A3_8G


def test_regions_are_those_listed_never_those_described():
    asian = [{**sku, "serviceRegions": ["asia-southeast1"]} for sku in A3]  # all say "running in Americas"
    assert {key[1] for key in read(asian)[0]} == {"asia-southeast1"}


@given(st.permutations(range(len(typical_skus()))))
@settings(max_examples=15, deadline=None, derandomize=True)
def test_the_order_of_the_skus_changes_no_price_and_no_rejection(order):
    items = typical_skus()
    first, reading = read(items)
    again, shuffled = read([items[index] for index in order])
    assert first == again
    assert set(reading.rejections) == set(shuffled.rejections)


# --- SKUs that cannot be relied on


def priced(**unit_price):
    return [{"pricingExpression": {"usageUnit": "h", "tieredRates": [{"unitPrice": unit_price}]}}]


USD = {"currencyCode": "USD"}


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"pricingInfo": priced(**USD, units="0", nanos=0)}, "price_missing"),
        ({"pricingInfo": priced(**USD, units="-2", nanos=0)}, "price_missing"),
        ({"pricingInfo": priced(**USD, units="2", nanos=-5)}, "price_missing"),
        ({"pricingInfo": priced(**USD, units="2", nanos=10**9)}, "price_missing"),
        ({"pricingInfo": priced(**USD, units="2", nanos=True)}, "price_missing"),
        ({"pricingInfo": priced(**USD, units=Decimal("2.5"), nanos=0)}, "price_missing"),
        ({"pricingInfo": priced(currencyCode="EUR", units="2", nanos=0)}, "malformed_item"),
        ({"pricingInfo": priced(units="2", nanos=0)}, "malformed_item"),
        ({"pricingInfo": []}, "price_missing"),
        ({"pricingInfo": None}, "price_missing"),
        ({"pricingInfo": priced(**USD, units="2") * 2}, "malformed_item"),
        ({"pricingInfo": [{"pricingExpression": {"usageUnit": "mo", "tieredRates": []}}]}, "malformed_item"),
        ({"pricingInfo": [{"pricingExpression": {"usageUnit": "h", "tieredRates": None}}]}, "price_missing"),
        ({"skuId": None}, "malformed_item"),
        ({"serviceRegions": "us-central1"}, "region_unknown"),
        ({"description": None}, "malformed_item"),
        ({"description": "Nvidia H900 GPU running in Americas"}, "unknown_accelerator"),
    ],
)
def test_a_gpu_sku_that_cannot_be_relied_on_is_a_rejection(changed, reason):
    offers, reading = read([{**A3[0], **changed}, *A3[1:]])
    assert offers == {}
    assert reasons(reading) == {reason: 1}


def tiered(*usd_per_unit):
    rates = [{"startUsageAmount": n, "unitPrice": {**USD, "units": u}} for n, u in enumerate(usd_per_unit)]
    return [{"pricingExpression": {"usageUnit": "h", "tieredRates": rates}}]


def test_a_free_first_tier_is_no_price_and_two_paid_tiers_are_two():
    free = [a_sku("A4 Nvidia B200 (1 gpu slice) running in Americas", pricingInfo=tiered("0", "16"))]
    assert usd(free, "a4-highgpu-8g") == 128
    two = [a_sku("A4 Nvidia B200 (1 gpu slice) running in Americas", pricingInfo=tiered("16", "12"))]
    assert reasons(read(two)[1]) == {"price_conflict": 1}


# --- shapes


def test_every_documented_shape_has_a_known_accelerator_and_a_bill():
    assert len(shapes.BY_NAME) == len(shapes.DOCUMENTED)
    for shape in shapes.DOCUMENTED:
        assert shapes.ALIASES[shape.accelerator_type]
        parts = shapes.parts_of(shape)
        assert parts is not None
        assert parts[0].name == "GPU"


@pytest.mark.parametrize("name", ["a5-highgpu-8g", "n2-standard-8", "a4-highgpu-8g"])
def test_a_series_whose_bill_nobody_documented_has_no_price(name):
    chip = "nvidia-b200" if name != "a4-highgpu-8g" else "nvidia-l4"
    assert shapes.parts_of(shapes.Shape(name, 8, Decimal(8), chip, Decimal(1), 0)) is None


def test_documented_shapes_agree_with_the_shipped_instance_types():
    rows = csv.DictReader(resources.files("catalogs").joinpath("instance_types.csv").read_text().splitlines())
    shipped = [row for row in rows if row["provider"] == "gcp"]
    assert len(shipped) > 20
    for row in shipped:
        shape = shapes.BY_NAME[row["instance_type"]]
        accelerator = shapes.ALIASES[shape.accelerator_type][0]
        stated = (
            row["accelerator"],
            Decimal(row["accelerators"]),
            int(row["vcpus"]),
            Decimal(row["memory_gib"]),
        )
        assert stated == (accelerator, shape.accelerators, shape.vcpus, shape.memory_gib)


def machine(name="a3-highgpu-8g", chip="nvidia-h100-80gb", count=8, **changed):
    item = {
        "name": name,
        "guestCpus": 208,
        "memoryMb": 1916928,
        "accelerators": [{"guestAcceleratorType": chip, "guestAcceleratorCount": count}],
        "bundledLocalSsds": {"partitionCount": 16},
    }
    return {**item, **changed}


def listed(*items, zone="us-central1-c", attachable=()):
    ledger = Ledger("gcp")
    attached = {"items": {f"zones/{zone}": {"acceleratorTypes": list(attachable)}}}
    found = machines.listing(ledger, {"items": {f"zones/{zone}": {"machineTypes": list(items)}}}, attached)
    return found, ledger.reading()


@pytest.mark.parametrize(
    ("item", "reason"),
    [
        (machine(chip="nvidia-x999"), "unknown_accelerator"),
        (machine(count=4), "other"),
        (machine(chip="nvidia-l4"), "other"),
        (machine(count=0), "malformed_item"),
        (machine(guestCpus=None), "malformed_item"),
        (machine(memoryMb="lots"), "malformed_item"),
        (machine(name=None), "malformed_item"),
        (machine(accelerators=["nvidia"]), "malformed_item"),
    ],
)
def test_a_listed_machine_that_is_not_what_it_should_be_is_a_rejection(item, reason):
    found, reading = listed(item)
    assert found.zones == {}
    assert reasons(reading) == {reason: 1}


def test_a_listed_machine_is_billed_by_what_the_list_says_of_it():
    found, _ = listed(machine(name="a3-highgpu-8g-nolssd", bundledLocalSsds=None))
    offer = read(A3, listed=found)[0]["a3-highgpu-8g-nolssd", "us-central1", ON_DEMAND]
    assert offer.usd_per_hour == Decimal("88.356408")  # 78.372408 + 6.24 + 3.744, no SSD
    assert offer.availability is Availability.AVAILABLE
    assert "us-central1-c" in offer.availability_basis


def test_gpus_are_attached_to_n1_only_as_far_as_the_zone_can():
    host = {"name": "n1-standard-16", "guestCpus": 16, "memoryMb": 61440}
    two, _ = listed(host, attachable=[{"name": "nvidia-tesla-t4", "maximumCardsPerInstance": 2}])
    one, _ = listed(host, attachable=[{"name": "nvidia-tesla-t4", "maximumCardsPerInstance": 1}])
    assert [shape.name for _, shape in two.zones] == ["n1-standard-16+2xt4"]
    assert one.zones == {}


def test_a_priced_shape_that_is_not_listed_is_not_offered_unless_the_list_has_gaps():
    whole, _ = listed(machine())
    offers, _ = read(A3, listed=whole)
    edge = offers["a3-edgegpu-8g", "us-central1", ON_DEMAND]
    assert (edge.availability, edge.flags) == (Availability.UNAVAILABLE, ("not_offered",))
    whole.unreachable.add("us-central1")
    edge = read(A3, listed=whole)[0]["a3-edgegpu-8g", "us-central1", ON_DEMAND]
    assert (edge.availability, edge.flags) == (Availability.UNKNOWN, ())


def test_a_shape_deprecated_in_every_zone_is_retired():
    found, _ = listed(machine(deprecated={"state": "DEPRECATED"}))
    offer = read(A3, listed=found)[0]["a3-highgpu-8g", "us-central1", ON_DEMAND]
    assert (offer.availability, offer.flags) == (Availability.UNAVAILABLE, ("retired",))


def test_the_typical_list_gives_each_shape_its_zones():
    ledger = Ledger("gcp")
    found = machines.listing(ledger, typical("machine-types.json"), typical("accelerator-types.json"))
    zones = {(region, shape.name): names for (region, shape), names in found.zones.items()}
    assert zones["us-central1", "a2-highgpu-1g"] == ["us-central1-a", "us-central1-c", "us-central1-f"]
    assert zones["us-central1", "n1-standard-8+1xt4"] == ["us-central1-a"]  # f can attach P100 only
    assert ledger.reading().rejections == ()
