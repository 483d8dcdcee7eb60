"""Mutated payloads give a row or a rejection: never a crash, never a value the vendor did not state.

ADVISOR_FUZZ_EXAMPLES=10000 runs it at length, with other examples each time.
"""

from __future__ import annotations

import copy
import json
import os
from decimal import ROUND_HALF_UP, Decimal

import pytest
from conftest import NOW
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from replay_cloud import payload_of

from advisor.domain import LISTED_MARKETS, Availability, Market
from advisor.errors import PayloadError
from advisor.provider import Answer, Scope, canonical_bytes
from providers import lambda_cloud, runpod, vast

EXAMPLES = int(os.environ.get("ADVISOR_FUZZ_EXAMPLES", "300"))
fuzzed = settings(
    max_examples=EXAMPLES,
    deadline=None,
    database=None,
    derandomize="ADVISOR_FUZZ_EXAMPLES" not in os.environ,
    suppress_health_check=list(HealthCheck),
)

SCALARS = [
    None,
    True,
    False,
    0,
    -1,
    1,
    8,
    10**30,
    Decimal("NaN"),
    Decimal("-Infinity"),
    Decimal("0.5"),
    Decimal("2.99"),
    Decimal("1E-12"),
    Decimal("1E+400"),
    Decimal("-0.0"),
    "",
    " ",
    "8",
    "NaN",
    "High",
    "=1+1",
    "\x1b[31m\x00",
    "\ud800",
    "x" * 300,
    "NVIDIA L4",
    "L40S",
    "us-east-1",
    ", US",
    [],
    {},
    [None],
    {"name": None},
]
JUNK = st.sampled_from(SCALARS) | st.integers() | st.text(max_size=8) | st.decimals(allow_nan=True, places=3)
MUTATIONS = st.lists(
    st.tuples(st.integers(0, 10**6), st.sampled_from(["replace", "delete", "repeat", "rename"]), JUNK),
    min_size=1,
    max_size=5,
)


def mutated(payload, mutations):
    """The payload with a few places replaced, deleted, repeated or renamed."""
    payload = copy.deepcopy(payload)
    for index, action, junk in mutations:
        places = list(places_of(payload))
        if not places:
            return payload
        container, key = places[index % len(places)]
        if action == "delete":
            del container[key]
        elif action == "repeat" and isinstance(container, list):
            container.insert(key, copy.deepcopy(container[key]))
        elif action == "rename" and isinstance(container, dict):
            container[str(junk)] = container.pop(key)
        else:
            container[key] = copy.deepcopy(junk)
    return payload


def places_of(node):
    items = (
        list(node.items())
        if isinstance(node, dict)
        else list(enumerate(node))
        if isinstance(node, list)
        else []
    )
    for key, child in items:
        yield node, key
        yield from places_of(child)


def rounded(amount):
    return Decimal(amount).quantize(Decimal("0.00000001"), rounding=ROUND_HALF_UP)


def collected_or_none(adapter, answer):
    """What the adapter makes of one and the same answer to every question, None for a payload error."""
    try:
        return adapter(lambda operation, **_: Answer(answer)).collect(Scope(), NOW)
    except PayloadError:
        return None


def evidence_items(result):
    for priced in result.offers:
        content = result.evidence[priced.evidence_digest]
        yield priced.offer, json.loads(content, parse_float=Decimal), content


RUNPOD = payload_of("runpod", "typical", "gpu-types.1-secure.documented.json")
VAST = {"offers": payload_of("vast", "typical", "bundles.json")["offers"][:3]}
LAMBDA = payload_of("lambda", "typical", "instance-types.json")


@fuzzed
@given(MUTATIONS)
def test_runpod_never_crashes_and_never_invents(mutations):
    payload = mutated(RUNPOD, mutations)
    result = collected_or_none(runpod.RunPod, payload)
    if result is None:
        return
    items = payload["data"]["gpuTypes"]
    stated = {canonical_bytes(item) for item in items}
    for offer, item, content in evidence_items(result):
        cloud = next(cloud for cloud in runpod.CLOUDS if offer.instance_type.startswith(cloud.name))
        assert content in stated
        assert item[cloud.sold] is True
        assert runpod.ALIASES[item["id"]][0] == offer.accelerator
        per_gpu = item[cloud.price_fields[offer.market]]
        assert not isinstance(per_gpu, bool | str)
        assert offer.usd_per_hour == rounded(per_gpu * int(offer.accelerators)) > 0
    for item in items:
        alone = runpod.parse_gpu_types({"data": {"gpuTypes": [item]}}, runpod.CLOUDS[0], 1, Scope(), NOW)
        assert alone.offers or alone.rejections


@fuzzed
@given(MUTATIONS)
def test_vast_never_crashes_and_never_invents(mutations):
    payload = mutated(VAST, mutations)
    result = collected_or_none(vast.Vast, payload)
    if result is None:
        return
    items = payload["offers"]
    stated = {canonical_bytes(item) for item in items}
    for offer, item, content in evidence_items(result):
        assert content in stated
        price = item["dph_total" if offer.market is Market.ON_DEMAND else "min_bid"]
        assert not isinstance(price, bool | str)
        assert offer.usd_per_hour == rounded(price) > 0
        assert offer.accelerators == item["num_gpus"]
        assert offer.accelerator in vast.ALIASES[item["gpu_name"]]
        assert item["geolocation"].endswith(offer.region)
        assert item["rentable"] is True
        assert offer.vcpus is None or offer.vcpus <= item["cpu_cores_effective"]
    reading = vast.parse_offers(items, Scope(), NOW)
    for market in LISTED_MARKETS:
        counted = sum(
            int(priced.offer.price_basis.rpartition("_")[2])
            for priced in reading.offers
            if priced.offer.market is market
        )
        rejected = sum(rejection.market in (None, market) for rejection in reading.rejections)
        assert counted + rejected == len(items)


@fuzzed
@given(MUTATIONS)
def test_lambda_never_crashes_and_never_invents(mutations):
    payload = mutated(LAMBDA, mutations)
    result = collected_or_none(lambda_cloud.Lambda, payload)
    if result is None:
        return
    data = payload["data"] or {}
    for offer, evidence, _ in evidence_items(result):
        item = evidence[offer.instance_type]
        assert canonical_bytes(data[offer.instance_type]) == canonical_bytes(item)
        cents = item["instance_type"]["price_cents_per_hour"]
        assert not isinstance(cents, bool | str)
        assert offer.usd_per_hour == rounded(Decimal(cents) / 100) > 0
        assert offer.accelerators == item["instance_type"]["specs"]["gpus"]
        stocked = {region["name"] for region in item["regions_with_capacity_available"]}
        assert (offer.availability is Availability.AVAILABLE) == (offer.region in stocked)
    reading, _ = lambda_cloud.parse_instance_types(payload, Scope(), NOW)
    shapes = {priced.offer.instance_type for priced in reading.offers}
    assert len(shapes) + len(reading.rejections) == len(data)


def test_the_fuzz_reaches_offers_and_rejections():
    """The unmutated payloads give both, so that the properties above are not empty."""
    for adapter, payload in ((runpod.RunPod, RUNPOD), (vast.Vast, VAST), (lambda_cloud.Lambda, LAMBDA)):
        assert collected_or_none(adapter, payload).offers
        assert collected_or_none(adapter, mutated(payload, [(6, "replace", None)])) is not None


@pytest.mark.parametrize("payload", SCALARS)
def test_no_bare_value_passes_for_an_answer(payload):
    for adapter in (runpod.RunPod, vast.Vast, lambda_cloud.Lambda):
        assert collected_or_none(adapter, payload) is None
