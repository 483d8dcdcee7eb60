"""Mutated AWS payloads give a row or a rejection: never a crash, never a value the vendor did not state.

ADVISOR_FUZZ_EXAMPLES=10000 runs it at length, with other examples each time.
"""

from __future__ import annotations

import json
from decimal import Decimal

from aws_builders import a_file, a_line, a_product, a_spot_row, a_type, read_rows
from conftest import NOW
from hypothesis import given
from hypothesis import strategies as st
from replay_cloud import payload_of
from test_provider_fuzz import MUTATIONS, fuzzed, mutated, rounded

from advisor.domain import Market
from advisor.errors import PayloadError, ProviderError
from advisor.provider import Answer, Scope, canonical_bytes
from providers.aws import Aws
from providers.aws.bulk import matching_rows
from providers.aws.hardware import ALIASES

REGION = "us-east-1"
G6F = {"Name": "L4", "Count": 0, "LogicalGpuCount": 1, "GpuPartitionSize": Decimal("0.125")}
WORLD = {
    "describe_regions": {"Regions": [{"RegionName": REGION, "OptInStatus": "opted-in"}]},
    "describe_instance_types": {
        "InstanceTypes": [
            a_type(),
            a_type("g6f.large", GpuInfo={"Gpus": [{**G6F, "MemoryInfo": {"SizeInMiB": 2861}}]}),
        ]
    },
    "describe_instance_type_offerings": {
        "InstanceTypeOfferings": [{"InstanceType": "p5.48xlarge", "Location": "use1-az1"}]
    },
    "get_products": {"PriceList": [a_product(), a_product("0.2020", instanceType="g6f.large")]},
    "describe_spot_price_history": {"SpotPriceHistory": [a_spot_row(), a_spot_row(InstanceType="g6f.large")]},
    "list_service_quotas": {"Quotas": payload_of("aws", "typical", "quotas.documented.json")["Quotas"]},
    "list_aws_default_service_quotas": {"Quotas": []},
    "get_metric_data": {"MetricDataResults": [{"Id": "q417A185B", "Values": [Decimal(192)]}]},
    "spot_advisor": {
        "ranges": [{"index": 0, "label": "<5%"}],
        "spot_advisor": {REGION: {"Linux": {"p5.48xlarge": {"s": 52, "r": 0}}}},
    },
}


def as_text(item):
    """An element of the price list as the API sends it: JSON in a string."""
    try:
        return canonical_bytes(item).decode()
    except RecursionError:
        return "{"


def collect(world):
    """What the adapter makes of it, None where it raises one of our own errors."""

    def fetch(operation, **_):
        payload = world.get(operation)
        if (
            operation == "get_products"
            and isinstance(payload, dict)
            and isinstance(payload.get("PriceList"), list)
        ):
            payload = {"PriceList": [as_text(item) for item in payload["PriceList"]]}
        return Answer(payload)

    try:
        return Aws(fetch).collect(Scope(), NOW)
    except ProviderError:
        return None


def stated_prices(world):
    """Every text the vendor gave as a price, by market."""
    found = {Market.ON_DEMAND: set(), Market.SPOT: set()}

    def walk(node, key=None):
        if isinstance(node, dict):
            for inner, value in node.items():
                walk(value, inner)
        elif isinstance(node, list):
            for value in node:
                walk(value, key)
        elif isinstance(node, str) and key == "USD":
            found[Market.ON_DEMAND].add(node)
        elif isinstance(node, str) and key == "SpotPrice":
            found[Market.SPOT].add(node)

    walk(world.get("get_products"))
    walk(world.get("describe_spot_price_history"))
    return {market: {rounded(text) for text in texts if is_number(text)} for market, texts in found.items()}


def is_number(text):
    try:
        return Decimal(text).is_finite() and abs(Decimal(text)) < 10**9
    except ArithmeticError:
        return False


@fuzzed
@given(MUTATIONS)
def test_the_signed_api_never_crashes_the_adapter_and_never_makes_it_invent(mutations):
    world = mutated(WORLD, mutations)
    result = collect(world)
    if result is None:
        return
    stated = stated_prices(world)
    chips = {chip for some in ALIASES.values() for chip in some}
    for priced in result.offers:
        offer = priced.offer
        assert offer.usd_per_hour in stated[offer.market]
        assert offer.accelerator in chips
        json.loads(result.evidence[priced.evidence_digest])
    for quota in result.quotas:
        assert quota.limit >= 0
        assert quota.used >= 0


ROWS = [
    a_line(),
    a_line(**{"Instance Type": "g6.xlarge", "GPU": "1", "GPU Memory": "24 GB", "PricePerUnit": "0.8048"}),
]


@fuzzed
@given(MUTATIONS)
def test_rows_of_the_public_file_are_an_offer_a_rejection_or_another_product(mutations):
    rows = mutated(ROWS, mutations)
    reading = read_rows(*rows)
    for priced in reading.offers:
        row = json.loads(reading.evidence[priced.evidence_digest])
        assert priced.offer.usd_per_hour == rounded(row["PricePerUnit"]) > 0
        assert (row["TermType"], row["Operating System"], row["MarketOption"]) == (
            "OnDemand",
            "Linux",
            "OnDemand",
        )
        assert row["Currency"] == "USD"
        assert priced.offer.accelerators == Decimal(row["GPU"])
        assert priced.offer.instance_type == row["Instance Type"]


@fuzzed
@given(
    st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), max_size=4),
    st.integers(0, 200),
    st.integers(1, 5000),
)
def test_a_damaged_file_is_whole_rows_or_a_payload_error(bytes_changed, cut, size):
    content = bytearray(a_file(*ROWS, *[a_line(TermType="Reserved")] * 3))
    for place, value in bytes_changed:
        content[place % len(content)] = value
    content = bytes(content[: len(content) - cut])
    chunks = [content[start : start + size] for start in range(0, len(content), size)]
    try:
        rows = list(matching_rows("aws: test", chunks, 10**9))
    except PayloadError:
        return
    assert cut == 0 or content.endswith(b"\n")
    assert len(rows) <= 2
    read_rows(*rows)


def test_the_fuzz_reaches_offers():
    result = collect(WORLD)
    assert len(result.offers) == 4
    assert result.quotas
    assert len(read_rows(*ROWS).offers) == 2
