"""Mutated answers of Azure give a row or a rejection: never a crash, never a value Azure did not state."""

from __future__ import annotations

import json
from decimal import Decimal

from conftest import NOW
from hypothesis import given
from hypothesis import strategies as st
from replay_cloud import FIXTURES, payload_of
from test_provider_fuzz import MUTATIONS, SCALARS, fuzzed, mutated, rounded

from advisor.domain import Market
from advisor.errors import PayloadError, ProviderError
from advisor.provider import Answer, Scope, canonical_bytes, collected
from providers.azure import Azure
from providers.azure.account import parse_skus, parse_usages, with_stock
from providers.azure.retail import parse_region
from providers.azure.sizes import SIZES, size_named

REGION = "australiacentral"
PAGES = [payload_of("azure", "two-pages", f"page-{number}.json") for number in (1, 2)]
ROWS = [*PAGES[0]["Items"], *PAGES[1]["Items"][1:]]
ACCOUNT = FIXTURES.parent / "azure_account"
SKUS = [
    {**sku, "capabilities": sku["capabilities"][:3]}
    for sku in json.loads((ACCOUNT / "resource_skus.json").read_text())["value"][:4]
]
USAGES = json.loads((ACCOUNT / "usages.json").read_text())["value"]


@fuzzed
@given(MUTATIONS)
def test_rows_never_crash_and_never_invent(mutations):
    rows = mutated(ROWS, mutations)
    result = collected("azure", [parse_region(REGION, rows, Scope(), NOW)], now=NOW)
    stated = {canonical_bytes(row) for row in rows}
    for priced in result.offers:
        offer, content = priced.offer, result.evidence[priced.evidence_digest]
        row = json.loads(content, parse_float=Decimal)
        assert content in stated
        assert not isinstance(row["retailPrice"], bool | str)
        assert offer.usd_per_hour == rounded(row["retailPrice"]) > 0
        assert row["armRegionName"].casefold() == offer.region == REGION
        assert (row["currencyCode"], row["type"], row["unitOfMeasure"]) == ("USD", "Consumption", "1 Hour")
        names = [name for name in (row.get("skuName"), row.get("meterName")) if isinstance(name, str)]
        assert any(name.casefold().endswith(" spot") for name in names) == (offer.market is Market.SPOT)
        named = [row["armSkuName"]] if (row.get("armSkuName") or "").strip() else names
        assert offer.instance_type in {size_named(name.removesuffix(" Spot")) for name in named}
        assert SIZES[offer.instance_type].accelerator == offer.accelerator
    for row in rows:
        alone = parse_region(REGION, [row], Scope(), NOW)
        assert len(alone.offers) + len(alone.rejections) == 1


@fuzzed
@given(st.integers(0, 1), MUTATIONS)
def test_pages_never_crash_the_collection(which, mutations):
    pages = list(PAGES)
    pages[which] = mutated(pages[which], mutations)

    def fetch(operation, **args):
        if operation != "retail_prices":
            return Answer(SKUS if operation == "resource_skus" else USAGES)
        return Answer(pages[0 if args["link"] is None else 1])

    try:
        result = Azure(fetch).collect(Scope(regions=(REGION,)), NOW)
    except PayloadError:
        return
    assert {priced.offer.region for priced in result.offers} <= {REGION}


@fuzzed
@given(MUTATIONS)
def test_skus_never_crash_and_never_change_a_price(mutations):
    skus = mutated(SKUS, mutations)
    stock, reading = parse_skus(skus, REGION, NOW)
    prices = parse_region(REGION, ROWS, Scope(), NOW)
    stocked = with_stock(prices, stock, REGION, NOW)
    before = {priced.offer.id: priced.offer.usd_per_hour for priced in prices.offers}
    for priced in stocked.offers:
        assert before[priced.offer.id] == priced.offer.usd_per_hour
        assert priced.evidence_digest in stocked.evidence
    gone = {rejection.subject for rejection in stocked.rejections if rejection not in prices.rejections}
    assert gone == {size for size, found in stock.items() if found.mismatch} & {
        priced.offer.instance_type for priced in prices.offers
    }
    assert len(stock) + len(reading.rejections) <= len(skus)


@fuzzed
@given(MUTATIONS)
def test_usages_never_crash_and_never_invent_a_limit(mutations):
    usages = mutated(USAGES, mutations)
    limits, _ = parse_usages(usages, REGION, ["standardDSv3Family"])
    stated = [
        (usage["limit"], usage["currentValue"])
        for usage in usages
        if isinstance(usage, dict) and type(usage.get("limit")) is type(usage.get("currentValue")) is int
    ]
    for limit in limits:
        assert (limit.limit, limit.used) in stated
        assert limit.limit >= 0


def test_the_fuzz_starts_from_answers_that_are_offers():
    result = collected("azure", [parse_region(REGION, ROWS, Scope(), NOW)], now=NOW)
    assert len(result.offers) == 4
    assert result.rejections == ()
    assert len(parse_skus(SKUS, REGION, NOW)[0]) == 3
    assert len(parse_usages(USAGES, REGION)[0]) == 5


def test_no_bare_value_passes_for_an_answer():
    for payload in SCALARS:
        for operation in ("retail_prices", "resource_skus", "usages"):
            answers = {"retail_prices": PAGES[1], "resource_skus": SKUS, "usages": USAGES, operation: payload}

            def fetch(asked, answers=answers, **_):
                return Answer(answers[asked])

            try:
                result = Azure(fetch).collect(Scope(regions=(REGION,)), NOW)
            except ProviderError:
                continue
            assert operation != "retail_prices" or not result.offers
