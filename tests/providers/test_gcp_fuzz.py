"""Mutated Google Cloud payloads give a row or a rejection: never a crash, never a value Google did not state.

ADVISOR_FUZZ_EXAMPLES=10000 runs it at length, with other examples each time.
"""

from __future__ import annotations

import json
import re
from decimal import ROUND_HALF_UP, Decimal

from conftest import NOW
from gcp_cloud import typical, typical_skus
from hypothesis import given
from test_provider_fuzz import MUTATIONS, SCALARS, fuzzed, mutated

from advisor.domain import Market
from advisor.errors import MissingCredentials, PayloadError
from advisor.provider import Answer, Scope, canonical_bytes
from providers.gcp import GoogleCloud

FEW = re.compile("A100 GPU|B200|T4|A2 Instance|N1 Predefined|Local Storage|Calendar")
SKUS = [sku for sku in typical_skus() if FEW.search(sku["description"])]
HERE = Scope(regions=("us-central1",))
COMPUTE = {
    operation: typical(file)
    for operation, file in (
        ("machineTypes", "machine-types.json"),
        ("acceleratorTypes", "accelerator-types.json"),
        ("regions", "regions.json"),
        ("project", "project.json"),
        ("quotaInfos", "quota-infos.json"),
    )
}


def collected_from(skus, compute):
    """What the adapter makes of these answers, None where it refuses the catalogue as a whole."""

    def fetch(operation, page_token=""):
        if operation == "skus":
            return Answer({"skus": skus} if isinstance(skus, list) else skus)
        if operation not in compute:
            raise MissingCredentials("gcp: none")
        return Answer(compute[operation])

    try:
        return GoogleCloud(fetch).collect(HERE, NOW)
    except PayloadError:
        return None


def stated_price(sku):
    """The one positive price of a SKU, read the plain way."""
    tiers = sku["pricingInfo"][0]["pricingExpression"]["tieredRates"]
    prices = {
        int(tier["unitPrice"].get("units", "0")) + Decimal(tier["unitPrice"].get("nanos", 0)) / 10**9
        for tier in tiers
    }
    (price,) = {price for price in prices if price > 0}
    return price


def check(result, skus):
    stated = {canonical_bytes(sku) for sku in skus}
    for priced in result.offers:
        offer = priced.offer
        evidence = json.loads(result.evidence[priced.evidence_digest], parse_float=Decimal)
        total = Decimal(0)
        for part in evidence["parts"]:
            sku = part["sku"]
            assert canonical_bytes(sku) in stated
            assert offer.region in sku["serviceRegions"]
            assert (
                re.search("spot|preemptible", sku["description"], re.I) is None or offer.market is Market.SPOT
            )
            assert not re.search("Reserved|Calendar|DWS|Commitment|Sole|Custom", sku["description"])
            assert sku["category"]["usageType"] in ("OnDemand", "Preemptible")
            total += Decimal(part["quantity"]) * stated_price(sku) / part["per_hours"]
        assert offer.usd_per_hour == total.quantize(Decimal("1E-8"), rounding=ROUND_HALF_UP) > 0
        assert Decimal(evidence["parts"][0]["quantity"]) == offer.accelerators
    assert all(limit.limit >= 0 and limit.used >= 0 for limit in result.quotas)


@fuzzed
@given(MUTATIONS)
def test_a_mutated_catalogue_never_crashes_and_never_invents(mutations):
    skus = mutated(SKUS, mutations)
    result = collected_from(skus, {})
    if result is not None:
        check(result, skus)


@fuzzed
@given(MUTATIONS)
def test_mutated_compute_and_quota_answers_never_crash_and_never_invent(mutations):
    result = collected_from(SKUS, mutated(COMPUTE, mutations))
    assert result is not None
    check(result, SKUS)
    told = [priced.offer.id for priced in result.offers]
    told += [rejection.subject for rejection in result.rejections]  # two zones that disagree are a conflict
    assert any("a2-highgpu-1g" in name for name in told)


def test_the_fuzz_reaches_offers_and_rejections():
    result = collected_from(SKUS, COMPUTE)
    assert len(result.offers) > 10
    assert len(result.quotas) == 8
    assert result.rejections


def test_no_bare_value_passes_for_a_page():
    for value in SCALARS:
        result = collected_from({"skus": value} if not isinstance(value, list) else value, {})
        assert result is None or result.offers == ()
