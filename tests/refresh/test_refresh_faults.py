"""No fault of any vendor, alone or with others, takes a row from the catalog without a stated reason.

Every adapter's genuine client is asked once per fault, over the loopback address; what it made of each is
then mixed freely, week after week.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from loopback_clouds import SERVED, environ, loopback_clouds
from refresh_builders import a_snapshot

from advisor.catalog.facts import load_facts
from advisor.catalog.held import Kind
from advisor.errors import ProviderError
from advisor.provider import Collected, Scope, load_provider
from advisor.refresh.refresh import gate_of, refresh

if TYPE_CHECKING:
    from collections.abc import Callable

NOW = datetime.now(UTC).replace(microsecond=0)
PRICES = (
    b"retailPrice|unitPrice|USD|pricePerUnit|pricingInfo|tieredRates|price_cents_per_hour|securePrice|communityPrice|"
    b"uninterruptablePrice|minimumBidPrice|secureSpotPrice|communitySpotPrice|lowestPrice|dph_total|min_bid|spotPrice|price"
)


def halved(content: bytes) -> bytes:
    """Every list of objects cut to its first half, as a page that was lost would leave it."""
    try:
        return json.dumps(_halved(json.loads(content))).encode()
    except ValueError:
        return content


def _halved(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _halved(inner) for key, inner in value.items()}
    if isinstance(value, list):
        kept = value[: (len(value) + 1) // 2] if all(isinstance(one, dict) for one in value) else value
        return [_halved(inner) for inner in kept]
    return value


FAULTS: dict[str, Callable[[bytes], bytes]] = {
    "none": lambda content: content,
    "a renamed price field": lambda content: re.sub(rb"\b(" + PRICES + rb")\b", rb"\1New", content),
    "a captive portal": lambda content: b"<html><body>Please sign in</body></html>",
    "an empty object": lambda content: b"<Response/>" if content.lstrip().startswith(b"<") else b"{}",
    "an empty list": lambda content: b"<Response/>" if content.lstrip().startswith(b"<") else b"[]",
    "every figure zero": lambda content: re.sub(rb"(?<=[\"\s:>])\d+(\.\d+)?(?=[\"\s,}<])", b"0", content),
    "half of every list": halved,
    "cut off": lambda content: content[: len(content) // 2],
}


@dataclass(frozen=True)
class Canned:
    """An adapter that says again what the genuine one made of a fault."""

    name: str
    said: Collected | ProviderError
    permissions = ""

    @classmethod
    def from_env(cls, environ: object) -> Canned:
        raise NotImplementedError

    def collect(self, scope: Scope, now: datetime) -> Collected:
        if isinstance(self.said, ProviderError):
            raise self.said
        offers = tuple(replace(p, offer=replace(p.offer, collected_at=now)) for p in self.said.offers)
        return replace(self.said, offers=offers, clock_ahead=None)


@pytest.fixture(scope="module")
def answers(tmp_path_factory):
    """What each adapter makes of each fault."""
    made: dict[tuple[str, str], Collected | ProviderError] = {}
    with loopback_clouds() as clouds:
        for fault, spoil in FAULTS.items():
            clouds.said = lambda provider, content, spoil=spoil: spoil(content)
            for provider in SERVED:
                clouds.rewind()
                environment = environ(clouds, tmp_path_factory.mktemp("home"))
                adapter = load_provider(provider).from_env(environment)
                try:
                    made[provider, fault] = adapter.collect(Scope(), NOW)
                except ProviderError as error:
                    made[provider, fault] = error
    return made


def refreshed(answers, faults, previous, held, now, gate):
    clouds = {name: Canned(name, answers[name, fault]) for name, fault in faults.items()}
    return refresh(clouds, Scope(), a_snapshot(*previous, held=held), now, gate=gate)


def ids(offers):
    return {offer.id for offer in offers if "superseded" not in offer.flags}


@pytest.fixture(scope="module")
def good(answers):
    """The gate, and a catalog in which every adapter's typical answer was published."""
    gate = gate_of(load_facts())
    clouds = {name: Canned(name, answers[name, "none"]) for name in SERVED}
    first = refresh(clouds, Scope(), None, NOW, gate=gate, accept={"all"})
    assert first.exit_code(strict=False) == 0
    assert len(first.offers) > 50
    return gate, first.offers


def test_a_clean_refresh_holds_nothing_and_ends_well(answers, good):
    gate, published = good
    clean = dict.fromkeys(SERVED, "none")
    offers, held = published, ()
    for week in range(1, 4):
        result = refreshed(answers, clean, offers, held, NOW + timedelta(days=7 * week), gate)
        assert (result.missing(strict=False), result.verdict.held) == ((), ())
        assert result.exit_code(strict=False) == 0
        assert ids(result.offers) == ids(published)
        offers, held = result.offers, result.held


@pytest.mark.parametrize("fault", [fault for fault in FAULTS if fault != "none"])
@pytest.mark.parametrize("provider", SERVED)
def test_no_fault_of_one_vendor_loses_a_row_or_goes_unsaid(answers, good, provider, fault):
    gate, published = good
    told = answers[provider, fault]
    came = {p.offer.id for p in told.offers} if isinstance(told, Collected) else set()
    others = dict.fromkeys(SERVED, "none") | {provider: fault}
    now = NOW + timedelta(days=7)
    result = refreshed(answers, others, published, (), now, gate)
    assert ids(result.offers) >= ids(published)
    old = {offer.id for offer in result.offers if offer.collected_at < now}
    assert old >= {p.offer.id for p in answers[provider, "none"].offers} & ids(published) - came
    unlisted = {one.offer_id for one in result.held if one.kind is Kind.UNLISTED}
    if old - unlisted:
        assert result.exit_code(strict=False) == 5
        assert any(
            words.startswith(provider) or "gate" in words or "rows stay" in words or "row stays" in words
            for words in result.missing(strict=False)
        )


weeks = st.lists(st.fixed_dictionaries({name: st.sampled_from(list(FAULTS)) for name in SERVED}), max_size=4)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(weeks=weeks)
def test_no_mixture_of_faults_in_any_weeks_loses_a_row_without_a_stated_reason(answers, good, weeks):
    gate, offers = good
    held = ()
    for number, faults in enumerate(weeks, start=1):
        now = NOW + timedelta(days=7 * number)
        result = refreshed(answers, faults, offers, held, now, gate)
        reasons = {one.offer.id: one.why for one in result.withdrawn}
        assert ids(offers) - ids(result.offers) == reasons.keys()
        assert all(reasons.values())
        before = {offer.id: offer for offer in offers}
        brought = {
            p.offer.id
            for name, fault in faults.items()
            if isinstance(told := answers[name, fault], Collected)
            for p in told.offers
        }
        for offer in result.offers:
            if offer.id not in brought and "superseded" not in offer.flags:
                assert offer == before[offer.id]  # no old date is renewed
        offers, held = result.offers, result.held
