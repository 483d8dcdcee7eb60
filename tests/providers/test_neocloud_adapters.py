"""RunPod, Vast and Lambda: what their payloads mean, with prices computed by hand."""

from __future__ import annotations

import json
import tomllib
from collections import Counter
from decimal import Decimal
from importlib import resources

import pytest
from conftest import ADAPTERS, NOW
from replay_cloud import FIXTURES, payload_of

from advisor.domain import Availability, Market
from advisor.errors import PayloadError, Unavailable
from advisor.provider import Answer, Scope, canonical_bytes
from providers import lambda_cloud, runpod, vast

pytestmark = pytest.mark.fast

SECURE, COMMUNITY = runpod.CLOUDS


def offers_of(reading):
    return {priced.offer.id: priced.offer for priced in reading.offers}


def reasons(reading):
    return Counter(rejection.reason for rejection in reading.rejections)


# --- RunPod


def a_gpu_type(**changed):
    item = {
        "id": "NVIDIA H100 80GB HBM3",
        "displayName": "H100 SXM",
        "memoryInGb": 80,
        "secureCloud": True,
        "communityCloud": True,
        "securePrice": Decimal("2.99"),
        "communityPrice": Decimal("2.69"),
        "secureSpotPrice": Decimal("1.75"),
        "communitySpotPrice": Decimal("1.25"),
        "lowestPrice": {
            "minimumBidPrice": None,
            "uninterruptablePrice": Decimal("23.92"),
            "stockStatus": "High",
        },
    }
    return {**item, **changed}


def read_gpu_types(*items, cloud=SECURE, gpu_count=8, scope=Scope(markets=(Market.ON_DEMAND,))):  # noqa: B008
    return runpod.parse_gpu_types({"data": {"gpuTypes": list(items)}}, cloud, gpu_count, scope, NOW)


def the_offer(reading):
    assert reading.rejections == ()
    (priced,) = reading.offers
    return priced.offer


def test_runpods_recorded_answer_is_read_as_eight_times_the_price_per_gpu():
    payload = payload_of("runpod", "typical", "gpu-types.8-community.recorded.json")
    reading = runpod.parse_gpu_types(payload, COMMUNITY, 8, Scope(), NOW)
    offers = offers_of(reading)
    told = {
        "h100_sxm": ("21.52", Availability.AVAILABLE),  # 8 x 2.69, stock High
        "a100_sxm_80gb": ("11.12", Availability.CONSTRAINED),  # 8 x 1.39, stock Low
        "h200": ("28.72", Availability.AVAILABLE),  # 8 x 3.59, stock Medium
        "b200": ("47.84", Availability.UNAVAILABLE),  # 8 x 5.98, no price and no stock
        "a100_sxm_40gb": ("8", Availability.UNAVAILABLE),  # 8 x 1
    }
    for short, (usd, availability) in told.items():
        offer = offers[f"runpod:global:community_8x_{short}:on_demand"]
        assert (offer.usd_per_hour, offer.availability) == (Decimal(usd), availability)
        assert offer.accelerators == 8
    assert len(offers) == 20  # mapped types whose communityCloud is true, counted in the recording
    assert reasons(reading) == {
        "unknown_accelerator": 24,  # 49 types, 25 of them mapped
        "not_sold_this_way": 5,  # A40, H200 NVL, L4, RTX PRO 4500 and MI300X, at a placeholder price of 0.50
        "price_missing": 20,  # the recording did not ask for spot prices
    }


def test_a_runpod_price_per_gpu_is_never_the_price_of_eight():
    assert the_offer(read_gpu_types(a_gpu_type())).usd_per_hour == Decimal("23.92")
    reading = read_gpu_types(a_gpu_type(securePrice=Decimal("0.3737")))
    assert reasons(reading) == {"price_conflict": 1}
    assert "8 x securePrice is $2.9896, the live price for 8 is $23.92" in reading.rejections[0].detail


def test_runpod_stock_stated_for_a_cheaper_offer_says_nothing_of_this_one():
    lowest = {"minimumBidPrice": None, "uninterruptablePrice": Decimal("21.52"), "stockStatus": "High"}
    offer = the_offer(read_gpu_types(a_gpu_type(lowestPrice=lowest)))
    assert offer.availability is Availability.UNKNOWN
    assert "another offer, at $21.52" in offer.availability_basis


@pytest.mark.parametrize(
    ("lowest", "availability"),
    [
        ({"uninterruptablePrice": Decimal("23.92"), "stockStatus": "Medium"}, Availability.AVAILABLE),
        ({"uninterruptablePrice": Decimal("23.92"), "stockStatus": "Low"}, Availability.CONSTRAINED),
        ({"uninterruptablePrice": Decimal("23.92"), "stockStatus": "None"}, Availability.UNAVAILABLE),
        ({"uninterruptablePrice": Decimal("23.92"), "stockStatus": None}, Availability.UNKNOWN),
        ({"uninterruptablePrice": Decimal("23.92"), "stockStatus": "Plenty"}, Availability.UNKNOWN),
        ({"uninterruptablePrice": None, "stockStatus": None}, Availability.UNAVAILABLE),
        ({"uninterruptablePrice": None, "stockStatus": "Low"}, Availability.UNKNOWN),
        ({}, Availability.UNKNOWN),
        (None, Availability.UNKNOWN),
    ],
)
def test_runpod_stock_has_four_answers_not_two(lowest, availability):
    offer = the_offer(read_gpu_types(a_gpu_type(lowestPrice=lowest)))
    assert offer.availability is availability
    assert "8 GPUs, 2026-11-22 12:00Z" in offer.availability_basis


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"secureCloud": False}, "not_sold_this_way"),
        ({"secureCloud": None}, "malformed_item"),
        ({"maxGpuCountSecureCloud": 4}, "not_sold_this_way"),
        ({"memoryInGb": 0}, "memory_mismatch"),
        ({"memoryInGb": 40}, "memory_mismatch"),
        ({"memoryInGb": 81920}, "memory_mismatch"),
        ({"id": "NVIDIA H100 80GB HBM4"}, "unknown_accelerator"),
        ({"id": None}, "malformed_item"),
        ({"securePrice": 0}, "price_missing"),
        ({"securePrice": True}, "price_missing"),
        ({"securePrice": "2.99"}, "price_missing"),
        ({"securePrice": Decimal("NaN")}, "price_missing"),
        ({"securePrice": Decimal("Infinity")}, "price_missing"),
        ({"securePrice": Decimal("1E-30")}, "price_missing"),
        ({"securePrice": Decimal("1E+30")}, "price_missing"),
    ],
)
def test_a_runpod_item_that_cannot_be_relied_on_is_a_rejection(changed, reason):
    reading = read_gpu_types(a_gpu_type(**changed))
    assert reading.offers == ()
    assert reasons(reading) == {reason: 1}


@pytest.mark.parametrize(
    "payload", [None, [], {}, {"data": None}, {"data": {"gpuTypes": {}}}, {"errors": [{}]}]
)
def test_a_runpod_answer_of_another_shape_is_a_payload_error(payload):
    with pytest.raises(PayloadError, match="runpod: gpuTypes"):
        runpod.parse_gpu_types(payload, SECURE, 1, Scope(), NOW)


def test_one_runpod_question_failing_is_a_rejection_and_the_others_stay():
    def fetch(operation, *, gpu_count, secure):
        if gpu_count == 4:
            raise Unavailable("runpod: gpuTypes: HTTP 503 after all retries")
        item = a_gpu_type(lowestPrice=None)
        return Answer({"data": {"gpuTypes": [item]}})

    result = runpod.RunPod(fetch).collect(Scope(markets=(Market.ON_DEMAND,)), NOW)
    assert len(result.offers) == 6  # 1, 2 and 8 GPUs in two clouds
    assert [rejection.subject for rejection in result.rejections] == [
        "gpuTypes 4 x secure",
        "gpuTypes 4 x community",
    ]


# --- Vast


def read_machines(*items, scope=Scope(markets=(Market.ON_DEMAND,))):  # noqa: B008
    return vast.parse_offers(list(items), scope, NOW)


def recorded_machines():
    return payload_of("vast", "typical", "bundles.json")["offers"]


def a_machine(**changed):
    return {**recorded_machines()[0], **changed}


def test_vasts_recorded_answer_is_one_offer_per_country_shape_and_market():
    offers = offers_of(read_machines(*recorded_machines(), scope=Scope()))
    assert len(offers) == 16  # eight shapes by country, on demand and interruptible
    on_demand = offers["vast:US:1x_h100_sxm:on_demand"]
    # four machines: 1.3169, 1.6556, 1.6689, 1.7356; the lower median is the second
    assert on_demand.usd_per_hour == Decimal("1.65555556")
    assert on_demand.price_basis == "median_of_4"
    assert (on_demand.vcpus, on_demand.memory_gib) == (26, 221.33)  # 226,639 MiB
    assert on_demand.availability is Availability.AVAILABLE
    # bids 1.0, 1.3333, 1.3333, 1.7333
    assert offers["vast:US:1x_h100_sxm:spot"].usd_per_hour == Decimal("1.33333333")
    assert offers["vast:RO:2x_h100_nvl:on_demand"].usd_per_hour == Decimal("3.97555556")
    assert offers["vast:RO:2x_h100_nvl:on_demand"].accelerators == 2
    assert offers["vast:RO:2x_h100_nvl:on_demand"].availability is Availability.CONSTRAINED
    assert offers["vast:US:1x_h100_nvl:on_demand"].usd_per_hour == Decimal("2.13555556")


def test_a_vast_price_is_that_of_the_machine_in_evidence():
    reading = read_machines(*recorded_machines())
    for priced in reading.offers:
        item = json.loads(reading.evidence[priced.evidence_digest], parse_float=Decimal)
        assert abs(item["dph_total"] - priced.offer.usd_per_hour) < Decimal("0.00000001")
        assert item["geolocation"].endswith(priced.offer.region)


@pytest.mark.parametrize(
    ("gpu_name", "gpu_ram", "accelerator"),
    [
        ("A100 SXM4", 40960, "a100-sxm-40gb"),
        ("A100 SXM4", 81920, "a100-sxm-80gb"),
        ("A100 PCIE", 81251, "a100-pcie-80gb"),
        ("B200", 183359, "b200-sxm-180gb"),
        ("L40S", 45776, "l40s-48gb"),
        ("H200", 144384, "h200-sxm-141gb"),
        ("RTX 5090", 32607, "rtx-5090-32gb"),
    ],
)
def test_vast_memory_in_mib_tells_which_chip_a_name_means(gpu_name, gpu_ram, accelerator):
    assert the_offer(read_machines(a_machine(gpu_name=gpu_name, gpu_ram=gpu_ram))).accelerator == accelerator


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"gpu_name": "RTX 4090", "gpu_ram": 49140}, "memory_mismatch"),
        ({"gpu_ram": None}, "memory_mismatch"),
        ({"gpu_ram": 80}, "memory_mismatch"),
        ({"gpu_name": None}, "unknown_accelerator"),
        ({"num_gpus": 0}, "malformed_item"),
        ({"num_gpus": Decimal("0.5")}, "malformed_item"),
        ({"num_gpus": True}, "malformed_item"),
        ({"geolocation": None}, "region_unknown"),
        ({"geolocation": "Somewhere"}, "region_unknown"),
        ({"rentable": False}, "not_rentable"),
        ({"dph_total": Decimal(0)}, "price_missing"),
    ],
)
def test_a_vast_machine_that_cannot_be_relied_on_is_a_rejection(changed, reason):
    reading = read_machines(a_machine(**changed))
    assert reading.offers == ()
    assert reasons(reading) == {reason: 1}


def test_a_vast_machine_without_cpu_figures_is_an_offer_that_says_so():
    offer = the_offer(read_machines(a_machine(cpu_cores_effective=None, cpu_ram=None)))
    assert (offer.vcpus, offer.memory_gib) == (None, None)
    assert "vcpu_memory_unknown" in offer.flags


def test_vast_pages_until_nothing_new_comes_whatever_limit_the_server_keeps():
    machines = [a_machine(id=n, dph_total=Decimal(n) / 4) for n in range(1, 11)]
    asked = []

    def fetch(operation, *, from_usd_per_hour, limit):
        asked.append(from_usd_per_hour)
        page = [machine for machine in machines if machine["dph_total"] >= from_usd_per_hour][:4]
        return Answer({"offers": page})

    result = vast.Vast(fetch).collect(Scope(markets=(Market.ON_DEMAND,)), NOW)
    assert [priced.offer.price_basis for priced in result.offers] == ["median_of_10"]
    assert asked == [0.0, 1.0, 1.75, 2.5]
    assert result.rejections == ()


def test_the_next_vast_page_begins_at_the_unrounded_price():
    asked = []

    def fetch(operation, *, from_usd_per_hour, limit):
        asked.append(from_usd_per_hour)
        return Answer({"offers": [a_machine(dph_total=Decimal("1.6555555555555554"))]})

    vast.Vast(fetch).collect(Scope(), NOW)
    assert asked == [0.0, 1.6555555555555554]  # rounded up, it would skip machines at this very price


def test_a_vast_list_that_breaks_off_says_so():
    def fetch(operation, *, from_usd_per_hour, limit):
        if from_usd_per_hour > 0:
            raise Unavailable("vast: bundles: HTTP 503 after all retries")
        return Answer({"offers": recorded_machines()})

    result = vast.Vast(fetch).collect(Scope(), NOW)
    assert result.offers
    assert [rejection.reason for rejection in result.rejections] == ["fetch_failed"]
    assert any("breaks off after the cheapest 12 machines" in unseen.why for unseen in result.unseen)


def test_a_vast_server_that_never_ends_is_left_after_fifty_pages():
    def fetch(operation, *, from_usd_per_hour, limit):
        return Answer(
            {"offers": [a_machine(id=str(from_usd_per_hour), dph_total=Decimal(from_usd_per_hour) + 1)]}
        )

    result = vast.Vast(fetch).collect(Scope(), NOW)
    assert "no end after 50 pages" in result.rejections[0].detail


# --- Lambda


def a_type(cents=129, gpus=1, regions=("us-east-1",), description="A10 (24 GB PCIe)", **changed):
    inner = {
        "gpu_description": description,
        "price_cents_per_hour": cents,
        "specs": {"vcpus": 30, "memory_gib": 200, "gpus": gpus},
    }
    stocked = [{"name": region, "description": "-"} for region in regions]
    return {"instance_type": {**inner, **changed}, "regions_with_capacity_available": stocked}


def read_types(scope=Scope(), **types):  # noqa: B008
    return lambda_cloud.parse_instance_types({"data": types}, scope, NOW)[0]


def test_lambdas_documented_answer_is_every_type_in_every_region_it_names():
    payload = payload_of("lambda", "typical", "instance-types.json")
    reading, regions = lambda_cloud.parse_instance_types(payload, Scope(), NOW)
    assert regions == ("us-east-1", "us-south-1", "us-west-1")
    offers = offers_of(reading)
    assert len(offers) == 12  # four GPU types in three regions
    assert reasons(reading) == {"no_accelerator": 1}
    eight = offers["lambda:us-south-1:gpu_8x_h100_sxm5:on_demand"]
    assert (eight.usd_per_hour, eight.accelerators) == (Decimal("31.92"), 8)
    assert (eight.accelerator, eight.vcpus, eight.memory_gib) == ("h100-sxm-80gb", 208, 1800.0)
    assert eight.availability is Availability.AVAILABLE
    assert offers["lambda:us-east-1:gpu_8x_h100_sxm5:on_demand"].availability is Availability.UNAVAILABLE
    nowhere = [offer.availability for offer in offers.values() if offer.instance_type == "gpu_8x_a100"]
    assert nowhere == [Availability.UNAVAILABLE] * 3


def test_lambda_cents_are_not_dollars():
    assert the_offer(read_types(gpu_1x_a10=a_type(cents=129))).usd_per_hour == Decimal("1.29")
    assert the_offer(read_types(gpu_1x_a10=a_type(cents=Decimal("129.5")))).usd_per_hour == Decimal("1.295")


@pytest.mark.parametrize(
    ("shape", "item", "reason"),
    [
        ("gpu_1x_a10", a_type(cents=0), "price_missing"),
        ("gpu_1x_a10", a_type(gpus=8), "malformed_item"),
        ("gpu_1x_a10", a_type(gpus=None), "malformed_item"),
        ("gpu_1x_a10", a_type(gpus=0), "no_accelerator"),
        ("gpu_1x_a100", a_type(description="A100 (80 GB PCIe)"), "memory_mismatch"),
        ("gpu_1x_b300_sxm6", a_type(), "unknown_accelerator"),
        ("=cmd()", a_type(), "unknown_accelerator"),
        ("gpu_1x_a10", a_type(regions=()), "region_unknown"),
        ("gpu_1x_a10", a_type(regions=("us-east-1\x1b[31m",)), "malformed_item"),
        ("gpu_1x_a10", a_type() | {"regions_with_capacity_available": None}, "malformed_item"),
        ("gpu_1x_a10", {}, "malformed_item"),
        ("gpu_1x_a10", None, "malformed_item"),
    ],
)
def test_a_lambda_type_that_cannot_be_relied_on_is_a_rejection(shape, item, reason):
    reading = read_types(**{shape: item})
    assert reading.offers == ()
    assert reasons(reading) == {reason: 1}
    assert "\x1b" not in repr(reading)


def test_lambda_regions_out_of_scope_are_left_out():
    reading = read_types(Scope(regions=("eu-*",)), gpu_1x_a10=a_type(regions=("us-east-1", "eu-1")))
    assert [priced.offer.region for priced in reading.offers] == ["eu-1"]


@pytest.mark.parametrize("payload", [None, {}, {"data": [1]}, {"data": None}, {"error": {"code": "x"}}])
def test_a_lambda_answer_of_another_shape_is_a_payload_error(payload):
    with pytest.raises(PayloadError, match="lambda: instance-types"):
        lambda_cloud.parse_instance_types(payload, Scope(), NOW)


# --- what all three share


def test_every_alias_leads_to_an_accelerator_of_the_catalog():
    tables = tomllib.loads(resources.files("catalogs").joinpath("accelerators.toml").read_text())
    known = {accelerator["id"] for accelerator in tables["accelerator"]}
    targets = {accelerator for accelerator, _ in runpod.ALIASES.values()} | set(lambda_cloud.ALIASES.values())
    targets |= {accelerator for chips in vast.ALIASES.values() for accelerator in chips}
    assert targets - known == set()


def test_two_spellings_never_share_an_instance_type():
    shorts = [short for _, short in runpod.ALIASES.values()]
    assert len(shorts) == len(set(shorts))


def test_the_recorded_files_are_the_vendors_own_answers():
    assert (
        len(payload_of("runpod", "typical", "gpu-types.8-community.recorded.json")["data"]["gpuTypes"]) == 49
    )
    assert len(recorded_machines()) == 12
    assert canonical_bytes(recorded_machines()[0]).startswith(b'{"ask_contract_id":44075905,')
    assert set(ADAPTERS) == {path.name for path in FIXTURES.iterdir()}
