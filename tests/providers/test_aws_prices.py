"""AWS list prices: which of the many rows of one instance type is the on-demand Linux price."""

from __future__ import annotations

import json
import tomllib
from decimal import Decimal
from importlib import resources

import pytest
from aws_builders import a_line, a_product, a_type, offers_of, read_products, read_rows, reasons, shapes_of
from conftest import NOW
from replay_cloud import payload_of

from advisor.domain import Availability
from advisor.errors import PayloadError
from advisor.provider import collected
from providers.aws.hardware import ALIASES, FAMILIES

pytestmark = pytest.mark.fast

ZERO_BLOCK = {"marketoption": "CapacityBlock", "operation": "RunInstances:CB"}


def test_the_recorded_list_of_17_rows_holds_two_on_demand_linux_prices_in_us_east_1():
    products = payload_of("aws", "typical", "products.us-east-1.json")["PriceList"]
    offers = offers_of(read_products(*products))
    assert {offer.id: offer.usd_per_hour for offer in offers.values()} == {
        "aws:us-east-1:p4d.24xlarge:on_demand": Decimal("21.957642"),
        "aws:us-east-1:p5.48xlarge:on_demand": Decimal("55.04"),
    }


def test_the_price_is_that_of_the_whole_instance_never_of_one_gpu():  # W3, W4
    offer = offers_of(read_products(a_product()))["aws:us-east-1:p5.48xlarge:on_demand"]
    assert offer.usd_per_hour == Decimal("55.04")
    assert (offer.accelerator, offer.accelerators) == ("h100-sxm-80gb", 8)
    assert (offer.vcpus, offer.memory_gib) == (192, 2048.0)
    assert offer.price_basis == "list"


@pytest.mark.parametrize(
    "other",
    [
        ZERO_BLOCK,  # W25
        {"operatingSystem": "Windows", "operation": "RunInstances:0002"},
        {
            "operatingSystem": "Windows",
            "licenseModel": "Bring your own license",
            "operation": "RunInstances:0800",
        },
        {"preInstalledSw": "SQL Std", "operation": "RunInstances:0004"},
        {"operatingSystem": "RHEL", "operation": "RunInstances:0010"},
        {"capacitystatus": "UnusedCapacityReservation"},
        {"capacitystatus": "AllocatedCapacityReservation"},
        {"tenancy": "Dedicated"},
        {"operation": "RunInstances:CB"},
        {"marketoption": None},
    ],
)
@pytest.mark.parametrize("first", [True, False])
def test_another_product_of_the_same_type_never_shadows_the_on_demand_row(other, first):  # W2, W8, W25
    price = "0.0000000000" if other is ZERO_BLOCK else "12.3400000000"
    rows = [a_product(price, **other), a_product()]
    reading = read_products(*(rows if first else reversed(rows)))
    assert [offer.usd_per_hour for offer in offers_of(reading).values()] == [Decimal("55.04")]
    assert reading.rejections == ()


@pytest.mark.parametrize(
    "usd", ["0.0000000000", "0", "-1.0", "NaN", "Infinity", "", "1e3", "55,04", None, 55.04]
)
def test_a_price_that_is_no_positive_number_is_no_offer(usd):  # W2
    reading = read_products(a_product(usd))
    assert reading.offers == ()
    assert reasons(reading) == ["price_missing"]


def test_two_prices_for_one_sku_are_a_conflict_not_the_first():  # W8
    reading = read_products(a_product("0.1780000000"), a_product("0.0860000000"))
    result = collected("aws", [reading], now=NOW)
    assert result.offers == ()
    assert [one.reason for one in result.rejections] == ["price_conflict"]


@pytest.mark.parametrize(
    ("usd", "description"),
    [
        ("0.5504000000", "$55.04 per On Demand Linux p5.48xlarge Instance Hour"),  # W1: cents for dollars
        ("6.8800000000", "$55.04 per On Demand Linux p5.48xlarge Instance Hour"),  # W3: per GPU
        ("55.0400000000", "$55.04 per On Demand Linux p5.4xlarge Instance Hour"),  # W10: another type
    ],
)
def test_a_price_its_own_description_contradicts_is_a_conflict(usd, description):
    assert reasons(read_products(a_product(usd, description=description))) == ["price_conflict"]


@pytest.mark.parametrize(("usd", "taken"), [("54.5000000000", 1), ("54.4900000000", 0), ("55.6000000000", 0)])
def test_a_price_agrees_with_its_description_within_one_per_cent(usd, taken):
    """$55.04 is 0.99 % above $54.50, 1.01 % above $54.49 and 1.01 % below $55.60."""
    words = "$55.04 per On Demand Linux p5.48xlarge Instance Hour"
    assert len(read_products(a_product(usd, description=words)).offers) == taken


def test_a_price_that_agrees_with_its_description_is_taken():
    words = "$55.04 per On Demand Linux p5.48xlarge Instance Hour"
    assert len(read_products(a_product(description=words)).offers) == 1


def test_a_price_not_per_hour_or_not_in_dollars_is_rejected():  # W23, W24
    assert reasons(read_products(a_product(unit="Quantity"))) == ["malformed_item"]
    assert reasons(read_products(a_product("289.0", currency="CNY"))) == ["foreign_currency"]


def test_the_free_tier_row_without_an_instance_type_is_no_offer():
    reading = read_products(a_product(instanceType=None))
    assert reading.offers == ()
    assert reasons(reading) == ["malformed_item"]


@pytest.mark.parametrize(
    "usagetype", ["BoxUsage:p5.48xlarge", "EU-BoxUsage:p5.48xlarge", "USW2-BoxUsage:p5.48xlarge"]
)
def test_the_region_is_read_off_its_code_never_off_the_usage_types_prefix(usagetype):
    reading = read_products(a_product(usagetype=usagetype, regionCode="eu-west-1"), region="eu-west-1")
    assert list(offers_of(reading)) == ["aws:eu-west-1:p5.48xlarge:on_demand"]


def test_a_row_of_another_region_is_rejected():
    assert reasons(read_products(a_product(regionCode="eu-west-1"))) == ["region_unknown"]
    assert reasons(read_products(a_product(regionCode=None))) == ["region_unknown"]


def test_a_local_zones_price_stands_in_its_zone_and_says_so():
    row = a_line(**{"Region Code": "us-east-1-atl-1", "Location Type": "AWS Local Zone"})
    offers = offers_of(read_rows(row, region="us-east-1-atl-1"))
    assert list(offers) == ["aws:us-east-1/us-east-1-atl-1:p5.48xlarge:on_demand"]
    assert next(iter(offers.values())).flags == ("local_zone",)


def test_a_type_offered_without_an_on_demand_price_is_said_so_in_that_region():  # W22
    offered = {"p5e.48xlarge": frozenset({"use1-az2"}), "p5.48xlarge": frozenset({"use1-az1"})}
    types = [a_type(), a_type("p5e.48xlarge", "H200", 8, 144384)]
    reading = read_products(a_product(), types=types, offered=offered)
    assert [(one.subject, one.reason) for one in reading.rejections] == [("p5e.48xlarge", "price_missing")]
    assert "use1-az2" in reading.rejections[0].detail


def test_a_type_sold_only_in_blocks_is_told_apart_from_a_missing_price():
    types = [a_type(SupportedUsageClasses=["capacity-block"])]
    reading = read_products(types=types, offered={"p5.48xlarge": frozenset({"use1-az1"})})
    assert reasons(reading) == ["not_sold_this_way"]


def test_availability_is_what_the_offerings_say_and_unknown_where_they_were_not_seen():
    def offer(offered):
        return next(iter(offers_of(read_products(a_product(), types=[a_type()], offered=offered)).values()))

    assert offer({"p5.48xlarge": frozenset({"use1-az1"})}).availability is Availability.AVAILABLE
    nowhere = offer({})
    assert (nowhere.availability, nowhere.flags) == (Availability.UNAVAILABLE, ("not_offered",))
    unseen = offer(None)
    assert (unseen.availability, unseen.availability_basis) == (Availability.UNKNOWN, "not seen: not asked")


def test_evidence_is_the_vendors_own_element():
    product = a_product(note="kept as received")
    reading = read_products(product)
    assert json.loads(reading.evidence[reading.offers[0].evidence_digest]) == product


@pytest.mark.parametrize(
    "element", ["", "{", "[]", '"x"', '{"product": []}', '{"product": {"attributes": 1}}']
)
def test_an_element_that_is_no_product_is_a_rejection(element):
    assert reasons(read_products(element)) == ["malformed_item"]


@pytest.mark.parametrize("payload", [None, [], {}, {"PriceList": {}}])
def test_an_answer_of_another_shape_is_a_payload_error(payload):
    from advisor.provider import Ledger
    from providers.aws.prices import ListReader

    reader = ListReader(Ledger("aws"), "us-east-1", {}, frozenset(), None, "", NOW)
    with pytest.raises(PayloadError, match="no PriceList"):
        reader.read_products(payload)
    with pytest.raises(PayloadError, match="no rows"):
        reader.read_rows(payload)


# --- rows of the public file


def test_the_public_file_gives_the_same_offer_as_the_api():
    (by_file,) = read_rows(a_line()).offers
    (by_api,) = read_products(a_product()).offers
    assert by_file.offer == by_api.offer


def test_a_reserved_term_is_never_read_as_an_hourly_price():  # W23
    assert read_rows(a_line(TermType="Reserved", PricePerUnit="0.0000000000")).offers == ()


def test_blank_pre_installed_software_means_none():
    assert len(read_rows(a_line(**{"Pre Installed S/W": ""})).offers) == 1


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"Instance Type": "p99.48xlarge"}, "unknown_accelerator"),
        ({"Instance Type": "g4ad.xlarge", "GPU": "1"}, "unknown_accelerator"),
        ({"GPU": ""}, "malformed_item"),  # W14
        ({"GPU": "0"}, "malformed_item"),
        ({"GPU": "eight"}, "malformed_item"),
        ({"GPU Memory": "80 MB"}, "memory_mismatch"),
        ({"GPU Memory": "320 GB HBM2"}, "memory_mismatch"),  # that of 8 x 40 GB
    ],
)
def test_a_row_whose_chip_is_not_certain_is_rejected(changed, reason):
    reading = read_rows(a_line(**changed))
    assert reading.offers == ()
    assert reasons(reading) == [reason]


def test_a_fractional_gpu_in_the_file_is_a_fraction():  # W17
    row = a_line(**{"Instance Type": "g6f.large", "GPU": "0.125", "GPU Memory": "3 GB", "vCPU": "2"})
    (priced,) = read_rows(row).offers
    assert (priced.offer.accelerator, priced.offer.accelerators) == ("l4-24gb", Decimal("0.125"))
    assert "fractional_gpu" in priced.offer.flags


# --- hardware


def recorded_shapes():
    """The recorded shapes that the typical scenario carries, through the API's own parser."""
    with (resources.files("catalogs") / "instance_types.csv").open() as stream:
        header, *rows = (line.strip().split(",") for line in stream)
    return [dict(zip(header, row, strict=False)) for row in rows if row[0] == "aws"]


@pytest.mark.parametrize(
    ("chip", "mib", "accelerator"),
    [
        ("T4", 16384, "t4-16gb"),
        ("L4", 22888, "l4-24gb"),
        ("A10G", 22888, "a10g-24gb"),
        ("L40S", 45776, "l40s-48gb"),
        ("V100", 16384, "v100-sxm-16gb"),
        ("V100", 32768, "v100-sxm-32gb"),
        ("A100", 40960, "a100-sxm-40gb"),  # p4d and p4de are both "A100"
        ("A100", 81920, "a100-sxm-80gb"),
        ("H200", 144384, "h200-sxm-141gb"),
        ("B200", 183359, "b200-sxm-180gb"),
        ("B300", 275040, "b300-sxm-288gb"),
        ("RTX PRO Server 6000", 98304, "rtx-pro-6000-96gb"),
    ],
)
def test_mib_as_reported_and_nominal_gb_are_one_and_the_same_chip(chip, mib, accelerator):  # W26
    shapes, _, rejections = shapes_of(a_type(chip=chip, mib=mib))
    assert shapes["p5.48xlarge"].accelerator == accelerator
    assert rejections == ()


@pytest.mark.parametrize(
    ("partition", "logical", "mib", "count"),
    [
        ("0.125", 1, 2861, "0.125"),
        ("0.25", 1, 5722, "0.25"),
        ("0.5", 1, 11444, "0.5"),
        ("0.5", 2, 11444, "1"),
    ],
)
def test_a_count_of_zero_with_a_partition_is_a_fraction_not_nothing(
    partition, logical, mib, count
):  # W14, W17
    gpu = {"Name": "L4", "Count": 0, "LogicalGpuCount": logical, "MemoryInfo": {"SizeInMiB": mib}}
    item = a_type("g6f.large", GpuInfo={"Gpus": [{**gpu, "GpuPartitionSize": Decimal(partition)}]})
    shapes, _, _ = shapes_of(item)
    assert shapes["g6f.large"].accelerators == Decimal(count)


@pytest.mark.parametrize(
    ("item", "reason"),
    [
        (a_type(chip="X999"), "unknown_accelerator"),
        (a_type(chip=None), "unknown_accelerator"),
        (a_type(chip="H100", mib=22888), "memory_mismatch"),
        (a_type(mib=0), "memory_mismatch"),  # W14
        (a_type(count=0), "malformed_item"),
        (a_type(count=None), "malformed_item"),
        (a_type(GpuInfo={}), "malformed_item"),
        (a_type(GpuInfo={"Gpus": []}), "malformed_item"),
        ({}, "malformed_item"),
        (None, "malformed_item"),
    ],
)
def test_hardware_that_cannot_be_identified_is_a_rejection(item, reason):
    shapes, _, rejections = shapes_of(item)
    assert shapes == {}
    assert [one.reason for one in rejections] == [reason]


def test_a_type_without_an_accelerator_is_neither_a_shape_nor_a_rejection():
    item = a_type("m5.large")
    del item["GpuInfo"]
    shapes, told, rejections = shapes_of(item)
    assert (shapes, told, rejections) == ({}, {"m5.large"}, ())


def test_trainium_2_is_identified_though_ec2_misstates_its_memory():
    devices = {"NeuronDevices": [{"Name": "Trainium2", "Count": 16, "MemoryInfo": {"SizeInMiB": 524288}}]}
    shapes, _, rejections = shapes_of(a_type("trn2.48xlarge", GpuInfo=None, NeuronInfo=devices))
    assert (shapes["trn2.48xlarge"].accelerator, rejections) == ("trainium2-96gb", ())


def test_every_family_and_alias_leads_to_an_accelerator_of_the_catalog():
    tables = tomllib.loads(resources.files("catalogs").joinpath("accelerators.toml").read_text())
    known = {accelerator["id"] for accelerator in tables["accelerator"]}
    targets = set(FAMILIES.values()) | {one for chips in ALIASES.values() for one in chips}
    assert targets - known == set()


def test_the_family_table_agrees_with_the_hardware_ec2_describes():
    stated = {(row["instance_type"].partition(".")[0], row["accelerator"]) for row in recorded_shapes()}
    assert {family: chip for family, chip in stated if family in FAMILIES} == {
        family: FAMILIES[family] for family, _ in stated
    }
