"""The contract's own parts: scope, evidence, conflicts, clocks, and discovery through entry points."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from importlib import metadata
from importlib.metadata import EntryPoint

import pytest
from conftest import ADAPTERS

from advisor.domain import Availability, Market, Offer
from advisor.errors import ProviderError, UnknownName
from advisor.provider import (
    ENTRY_POINT_GROUP,
    Answer,
    Ledger,
    Rejection,
    Scope,
    canonical_bytes,
    collected,
    load_provider,
    registered,
)

pytestmark = pytest.mark.fast

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


def an_offer(usd_per_hour="2.10", instance_type="8x", region="r1"):
    return Offer(
        provider="acme",
        region=region,
        zone=None,
        instance_type=instance_type,
        market=Market.ON_DEMAND,
        usd_per_hour=Decimal(usd_per_hour),
        accelerator="l4-24gb",
        accelerators=Decimal(1),
        vcpus=None,
        memory_gib=None,
        availability=Availability.UNKNOWN,
        availability_basis="nobody",
        price_basis="list",
        collected_at=NOW,
        source="acme",
        licence=None,
        interruption=None,
    )


def a_reading(*offers):
    ledger = Ledger("acme")
    for number, offer in enumerate(offers):
        ledger.offer(offer, {"row": number})
    return ledger.reading()


# --- scope


@pytest.mark.parametrize(
    ("patterns", "region", "covered"),
    [
        ((), "eu-west-1", True),
        (("us-*",), "us-east-1", True),
        (("us-*",), "eu-west-1", False),
        (("acme:us-*",), "us-east-1", True),
        (("other:us-*",), "us-east-1", False),
        (("other:us-*", "eu-*"), "eu-west-1", True),
        (("us-*",), "global", True),
    ],
)
def test_a_region_is_in_scope_by_pattern_bare_or_with_its_provider(patterns, region, covered):
    assert Scope(regions=patterns).covers_region("acme", region) is covered


# --- evidence


def test_evidence_does_not_depend_on_the_order_of_keys_and_keeps_the_digits():
    one = canonical_bytes({"b": [1, None, True], "a": Decimal("1.30"), "ü": 'x"'})
    assert one == canonical_bytes({"ü": 'x"', "a": Decimal("1.30"), "b": [1, None, True]})
    assert one == b'{"a":1.30,"b":[1,null,true],"\\u00fc":"x\\""}'


@pytest.mark.parametrize("number", [Decimal("NaN"), Decimal("-Infinity"), Decimal("sNaN"), float("inf")])
def test_evidence_is_sound_json_even_of_numbers_that_are_none(number):
    assert json.loads(canonical_bytes({"price": number}), parse_constant=pytest.fail) == {
        "price": str(number)
    }


def test_an_item_nested_without_end_is_a_rejection():
    item = []
    for _ in range(5000):
        item = [item]
    ledger = Ledger("acme")
    ledger.offer(an_offer(), item)
    assert [rejection.reason for rejection in ledger.reading().rejections] == ["malformed_item"]


def test_a_rejection_has_a_reason_that_can_be_counted():
    with pytest.raises(ValueError, match="not a rejection reason"):
        Rejection("acme", None, None, "x", "because", "")


# --- conflicts


def test_two_prices_for_one_offer_are_a_conflict_in_any_order():
    for offers in ([an_offer("0.178"), an_offer("0.086")], [an_offer("0.086"), an_offer("0.178")]):
        result = collected("acme", [a_reading(*offers, an_offer(region="r2"))], now=NOW)
        assert [priced.offer.region for priced in result.offers] == ["r2"]
        assert [(rejection.reason, rejection.detail) for rejection in result.rejections] == [
            ("price_conflict", "stated: $0.086, $0.178 an hour")
        ]
        assert len(result.evidence) == 1


def test_one_offer_stated_twice_at_one_price_counts_once():
    assert len(collected("acme", [a_reading(an_offer(), an_offer())], now=NOW).offers) == 1


# --- clocks


@pytest.mark.parametrize(
    ("received", "vendor", "stamp"),
    [
        (None, None, timedelta(0)),
        (None, timedelta(minutes=-4), timedelta(0)),
        (None, timedelta(minutes=-6), timedelta(minutes=-6)),
        (None, timedelta(days=2), timedelta(0)),
        (timedelta(hours=-1), None, timedelta(hours=-1)),
        (timedelta(hours=1), None, timedelta(0)),
        (timedelta(hours=-1), timedelta(hours=-3), timedelta(hours=-3)),
    ],
)
def test_a_row_is_never_stamped_later_than_either_clock_allows(received, vendor, stamp):
    answer = Answer(
        {},
        received_at=None if received is None else NOW + received,
        vendor_time=None if vendor is None else NOW + vendor,
    )
    assert answer.said_at(NOW) == NOW + stamp


def test_a_clock_ahead_is_remarked_too():
    assert "2026-11-24" in (Answer({}, vendor_time=NOW + timedelta(days=2)).clock_warning(NOW) or "")
    assert Answer({}, vendor_time=NOW + timedelta(minutes=5)).clock_warning(NOW) is None


# --- discovery


class Acme:
    """A third party's adapter."""

    name = "acme"
    permissions = "none"
    from_env = collect = staticmethod(lambda *_: None)


class Incomplete:
    name = "incomplete"
    permissions = "none"


def points(**targets):
    return [EntryPoint(name, value, ENTRY_POINT_GROUP) for name, value in targets.items()]


HERE = "test_provider_registry"


def test_a_third_party_registers_like_the_built_in_ones():
    entry_points = points(zeta="no.such:Thing", acme=f"{HERE}:Acme")
    assert registered(entry_points) == ("acme", "zeta")
    assert load_provider("acme", entry_points).name == "acme"


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("no.such.module:Thing", "cannot be loaded from no.such.module:Thing: ModuleNotFoundError"),
        (f"{HERE}:Nothing", "AttributeError"),
        (f"{HERE}:Incomplete", "has no from_env, collect"),
        (f"{HERE}:Acme", "calls itself 'acme'"),
        (f"{HERE}:1/0", "cannot be loaded"),
    ],
)
def test_a_broken_registration_is_that_providers_error(target, message):
    with pytest.raises(ProviderError, match=message):
        load_provider("broken", points(broken=target))


def test_two_adapters_of_one_name_are_refused_and_both_named():
    twice = points(acme=f"{HERE}:Acme") + points(acme="other:Acme")
    with pytest.raises(ProviderError, match=rf"twice: other:Acme and {HERE}:Acme"):
        load_provider("acme", twice)
    assert load_provider("acme", points(acme=f"{HERE}:Acme") * 2)


def test_an_unknown_provider_is_answered_with_the_nearest():
    with pytest.raises(UnknownName, match="did you mean acme"):
        load_provider("acne", points(acme=f"{HERE}:Acme"))


def test_every_adapter_of_this_repository_is_registered_under_its_name():
    found = {point.name: point.value for point in metadata.entry_points(group=ENTRY_POINT_GROUP)}
    assert (
        found.items()
        >= {name: f"{adapter.__module__}:{adapter.__name__}" for name, adapter in ADAPTERS.items()}.items()
    )


def test_looking_at_adapters_imports_no_http_library():
    code = (
        "import sys, providers.runpod as r, providers.vast as v, providers.lambda_cloud as l;"
        "import advisor.provider as p;"
        "p.registered(); e={'LAMBDA_API_KEY':'k'*20};"
        "[c.from_env(e) for c in (r.RunPod, v.Vast, l.Lambda)];"
        "bad={'requests','requests_cache','urllib3','duckdb','numpy','pydantic'} & set(sys.modules);"
        "sys.stderr.write(','.join(sorted(bad)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
