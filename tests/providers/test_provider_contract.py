"""The contract suite: the same scenarios on every adapter, over HTTP, as the product runs them."""

from __future__ import annotations

import hashlib
import json
from datetime import timedelta

import pytest
from conftest import ADAPTERS, NOW
from replay_cloud import FIXTURES, SCENARIOS, origin_of, providers_with_fixtures, replaying

from advisor.domain import Market
from advisor.errors import AccessDenied, PayloadError, Unavailable
from advisor.provider import REJECTION_REASONS, Aspect, Provider, Scope

MATRIX = sorted(ADAPTERS)
KINDS = {"recorded", "documented", "synthetic"}


def applying(scenario: str) -> list[str]:
    """Providers the scenario applies to; the others say why, see the test of origins below."""
    return [name for name in MATRIX if origin_of(name, scenario)["applies"]]


@pytest.fixture
def play(environ_for):
    """Runs one adapter against one scenario; gives what it collected and what the server was asked."""

    def run(provider, scenario, scope=None, **environ):
        with replaying(provider, scenario, NOW.timestamp()) as (url, replay):
            adapter = ADAPTERS[provider].from_env(environ_for(provider, url, **environ))
            return adapter.collect(scope or Scope(), NOW), replay

    return run


def assert_sound(collected):
    """What holds of every result, whatever was asked."""
    ids = [priced.offer.id for priced in collected.offers]
    assert ids == sorted(set(ids))
    for priced in collected.offers:
        content = collected.evidence[priced.evidence_digest]
        assert hashlib.sha256(content).hexdigest() == priced.evidence_digest
        assert isinstance(json.loads(content), dict)
        assert (priced.offer.provider == collected.provider) != (collected.provider == "gpuhunt")
        assert priced.offer.availability_basis
        assert priced.offer.source
        assert list(priced.offer.flags) == sorted(set(priced.offer.flags))
        assert priced.offer.usd_per_hour.as_tuple().exponent >= -8
    assert set(collected.evidence) == {priced.evidence_digest for priced in collected.offers}
    assert len(set(collected.rejections)) == len(collected.rejections)
    assert all(rejection.reason in REJECTION_REASONS for rejection in collected.rejections)
    assert any(unseen.what is Aspect.QUOTA for unseen in collected.unseen) or collected.quotas


@pytest.mark.parametrize("provider", MATRIX)
def test_keeps_the_protocol(provider):
    adapter = ADAPTERS[provider](fetch=lambda operation, **args: None)
    assert isinstance(adapter, Provider)
    assert adapter.permissions.strip()


@pytest.mark.parametrize("provider", applying("typical"))
def test_a_typical_answer_gives_offers_stamped_now_with_evidence(play, provider):
    collected, _ = play(provider, "typical")
    assert collected.offers
    assert_sound(collected)
    stamped = origin_of(provider, "typical").get("stamped", NOW)  # a catalogue has a date of its own
    assert {priced.offer.collected_at for priced in collected.offers} == {stamped}
    assert collected.regions_done
    assert collected.warnings == ()


@pytest.mark.parametrize("provider", applying("typical"))
def test_the_same_answers_give_the_same_result(play, provider):
    first, _ = play(provider, "typical")
    again, _ = play(provider, "typical")
    assert first == again


@pytest.mark.parametrize("provider", applying("typical"))
def test_a_market_out_of_scope_is_left_out(play, provider):
    collected, _ = play(provider, "typical", Scope(markets=(Market.SPOT,)))
    assert {priced.offer.market for priced in collected.offers} <= {Market.SPOT}


@pytest.mark.parametrize("provider", applying("two-pages"))
def test_both_pages_count_and_what_is_on_both_counts_once(play, provider):
    collected, _ = play(provider, "two-pages")
    expected = origin_of(provider, "two-pages").get("expected_offers")
    if expected is not None:
        assert [priced.offer.id for priced in collected.offers] == expected
        assert_sound(collected)
        return
    files = {answer["file"] for answer in origin_of(provider, "two-pages")["answers"]}
    pages = [json.loads((FIXTURES / provider / "two-pages" / file).read_text()) for file in files]
    ids = [{item["id"] for item in page["offers"]} for page in pages]
    assert ids[0] & ids[1]
    supplies = [
        int(priced.offer.price_basis.rpartition("_")[2])
        for priced in collected.offers
        if priced.offer.market is Market.ON_DEMAND
    ]
    assert sum(supplies) == len(ids[0] | ids[1])
    assert_sound(collected)


@pytest.mark.parametrize("provider", applying("empty"))
def test_an_empty_answer_is_said_so_and_invents_nothing(play, provider):
    collected, _ = play(provider, "empty")
    assert collected.offers == ()
    assert any(unseen.what is Aspect.PRICE and "empty" in unseen.why for unseen in collected.unseen)


@pytest.mark.parametrize("provider", applying("access-denied"))
def test_access_denied_is_told_apart_and_not_retried(play, provider):
    with pytest.raises(AccessDenied, match=r"denied \(HTTP 40[13]\).*explain-permissions"):
        play(provider, "access-denied")


@pytest.mark.parametrize("provider", applying("throttled-then-ok"))
def test_a_throttled_request_is_repeated_and_counted(play, provider):
    collected, replay = play(provider, "throttled-then-ok")
    assert collected.offers
    assert collected.retries == 1
    assert replay.requests[0]["body"] == replay.requests[1]["body"]
    assert_sound(collected)


ASK_ELSEWHERE = {"aws", "azure"}
"""Where one place throttles, another is asked."""


@pytest.mark.parametrize("provider", sorted(set(applying("throttled-then-ok")) & ASK_ELSEWHERE))
def test_a_place_that_throttles_does_not_take_its_provider_down(play, provider):
    collected, _ = play(provider, "throttled-then-ok", ADVISOR_HTTP_RETRIES="0")
    assert collected.regions_done


@pytest.mark.parametrize("provider", sorted(set(applying("throttled-then-ok")) - ASK_ELSEWHERE))
def test_without_retries_a_throttled_provider_is_unavailable(play, provider):
    with pytest.raises(Unavailable, match="429"):
        play(provider, "throttled-then-ok", ADVISOR_HTTP_RETRIES="0")


@pytest.mark.parametrize("provider", applying("server-error"))
def test_a_server_error_is_retried_then_unavailable(play, provider):
    with pytest.raises(Unavailable, match="HTTP 50"):
        play(provider, "server-error")


@pytest.mark.parametrize("provider", applying("time-out"))
def test_a_late_answer_is_unavailable(play, provider):
    with pytest.raises(Unavailable, match=r"no answer within 0\.1 s"):
        play(provider, "time-out", ADVISOR_HTTP_TIMEOUT_S="0.1", ADVISOR_HTTP_RETRIES="0")


@pytest.mark.parametrize("provider", applying("truncated-json"))
def test_half_an_answer_is_a_payload_error(play, provider):
    with pytest.raises(PayloadError, match="not whole"):
        play(provider, "truncated-json")


@pytest.mark.parametrize("provider", applying("unknown-accelerator"))
def test_an_unknown_gpu_name_is_rejected_not_planned_on(play, provider):
    collected, _ = play(provider, "unknown-accelerator")
    assert collected.offers == ()
    assert {rejection.reason for rejection in collected.rejections} == {"unknown_accelerator"}
    assert any("x999" in rejection.subject.lower() for rejection in collected.rejections)


@pytest.mark.parametrize("provider", applying("price-missing"))
def test_a_zero_null_negative_or_absent_price_is_never_an_offer(play, provider):
    collected, _ = play(provider, "price-missing")
    assert collected.offers == ()
    assert {rejection.reason for rejection in collected.rejections} == {"price_missing"}


@pytest.mark.parametrize("provider", applying("clock-skew"))
def test_where_clocks_disagree_the_earlier_stamps_the_rows(play, provider):
    collected, _ = play(provider, "clock-skew")
    assert {priced.offer.collected_at for priced in collected.offers} == {NOW - timedelta(days=2)}
    assert any("2026-11-20 12:00Z" in warning for warning in collected.warnings)


@pytest.mark.parametrize("provider", MATRIX)
def test_a_region_not_enabled_is_a_rejection_and_the_others_stay(play, provider):
    if provider not in applying("region-not-enabled"):
        assert origin_of(provider, "region-not-enabled")["reason"]
        return
    collected, _ = play(provider, "region-not-enabled")
    assert collected.offers
    assert "fetch_failed" in {rejection.reason for rejection in collected.rejections}


def test_every_adapter_has_fixtures_and_every_fixture_an_adapter():
    assert providers_with_fixtures() == MATRIX


@pytest.mark.parametrize("provider", MATRIX)
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_every_scenario_has_an_origin_or_says_why_it_does_not_apply(provider, scenario):
    origin = origin_of(provider, scenario)
    if not origin["applies"]:
        assert len(origin["reason"]) > 20
        assert set(origin) == {"applies", "reason"}
        return
    assert origin["kind"] in KINDS
    assert origin["source"]
    assert origin["observed"]
    assert origin["scrubbed"]
    assert {answer.get("kind", origin["kind"]) for answer in origin["answers"]} <= KINDS


@pytest.mark.parametrize("provider", MATRIX)
def test_no_fixture_file_lies_unused(provider):
    used = {
        FIXTURES / provider / scenario / name
        for scenario in SCENARIOS
        for name in [
            "origin.toml",
            *(answer["file"] for answer in origin_of(provider, scenario).get("answers", [])),
        ]
    }
    assert {path for path in (FIXTURES / provider).rglob("*") if path.is_file()} == used
