"""The use case as a whole: the gate's say, what counts as missing, and the exit codes that follow."""

from __future__ import annotations

from decimal import Decimal

import pytest
from refresh_builders import (
    LAST_WEEK,
    NOW,
    a_snapshot,
    an_offer,
    failed_region,
    failing,
    open_gate,
    saying,
    today,
)

from advisor.catalog.facts import load_facts
from advisor.catalog.gate.finding import Action, Finding, Verdict
from advisor.domain import Market, QuotaLimit, QuotaUnit
from advisor.errors import MissingCredentials, Unavailable
from advisor.provider import Aspect, Scope, Unseen
from advisor.refresh.refresh import gate_of, refresh

pytestmark = pytest.mark.fast


def refreshed(*clouds, previous=(), gate=open_gate, **more):
    providers = {cloud.name: cloud for cloud in clouds}
    return refresh(providers, Scope(), a_snapshot(*previous), NOW, gate=gate, **more)


def gate_that(action, *kinds):
    """A gate that refuses or holds the rows of these instance types, and vanished ones too."""

    def gate(offers, previous, now, accept, gone):
        def word(offer_id):
            offer = next((o for o in offers if o.id == offer_id), None)
            return Finding("W0", offer_id, action, "because", None, None, "c0ffee00", offer)

        stopped = [word(o.id) for o in offers if o.instance_type in kinds and "c0ffee00" not in accept]
        stopped += [word(offer_id) for offer_id in sorted(gone) if offer_id.split(":")[2] in kinds]
        barred = {finding.offer_id for finding in stopped}
        passed = tuple(o for o in offers if o.id not in barred)
        refused, held = (stopped, []) if action is Action.REFUSE else ([], stopped)
        notes = [word(o.id) for o in passed] if accept else []
        return Verdict(passed, tuple(refused), tuple(held), tuple(notes))

    return gate


def rows(result):
    return {o.instance_type: (str(o.usd_per_hour), o.collected_at) for o in result.offers}


@pytest.mark.parametrize("action", [Action.REFUSE, Action.HOLD])
def test_a_row_the_gate_stops_gives_way_to_the_old_one_with_its_old_stamp(action):
    cloud = saying(today(usd_per_hour="0.01"), today(instance_type="big"), today(instance_type="new"))
    result = refreshed(cloud, previous=[an_offer()], gate=gate_that(action, "small", "new"))
    assert rows(result) == {"small": ("1.00", LAST_WEEK), "big": ("1.00", NOW)}
    assert (result.counts["acme"].kept, result.counts["acme"].new, result.fresh) == (1, 1, 1)


def test_a_row_whose_vanishing_is_held_stays():
    before = [an_offer(), an_offer(instance_type="big"), an_offer(instance_type="old")]
    result = refreshed(saying(today()), previous=before, gate=gate_that(Action.HOLD, "big"))
    assert rows(result) == {"small": ("1.00", NOW), "big": ("1.00", LAST_WEEK), "old": ("1.00", LAST_WEEK)}
    kinds = {one.offer_id.split(":")[2]: one.kind.value for one in result.held}
    assert kinds == {
        "big": "gone",
        "old": "unlisted",
    }


def test_what_is_accepted_passes():
    gate = gate_that(Action.HOLD, "small")
    cloud = saying(today(usd_per_hour="0.40"))
    assert rows(refreshed(cloud, previous=[an_offer()], gate=gate)) == {"small": ("1.00", LAST_WEEK)}
    accepted = refreshed(cloud, previous=[an_offer()], gate=gate, accept={"c0ffee00"})
    assert rows(accepted) == {"small": ("0.40", NOW)}


def test_the_catalogs_own_gate_holds_a_large_move_until_all_is_accepted():
    gate = gate_of(load_facts())
    before = [an_offer(instance_type=f"t{n}", usd_per_hour="0.80") for n in range(8)]
    cloud = saying(*(today(instance_type=f"t{n}", usd_per_hour="0.80" if n else "0.30") for n in range(8)))
    held = refreshed(cloud, previous=before, gate=gate)
    assert rows(held)["t0"] == ("0.80", LAST_WEEK)
    assert [(f.offer_id, f.before, f.after) for f in held.verdict.held] == [
        ("acme:r1:t0:on_demand", Decimal("0.80"), Decimal("0.30"))
    ]
    assert held.exit_code(strict=False) == 5
    accepted = refreshed(cloud, previous=before, gate=gate, accept={"all"})
    assert rows(accepted)["t0"] == ("0.30", NOW)
    assert accepted.exit_code(strict=True) == 0


# --- what counts as missing

DOWN = failing(Unavailable("down: HTTP 503"), "down")
KEYED = failing(MissingCredentials("keyed: set KEYED_API_KEY"), "keyed")
NEVER = failing(MissingCredentials("never: set NEVER_API_KEY"), "never")
HALF = saying(today(provider="half"), rejections=[failed_region("r2", provider="half")])
BLIND = saying(today(provider="blind"), unseen=[Unseen(Aspect.PRICE, Market.SPOT, "sells no spot")])


@pytest.mark.parametrize(
    ("clouds", "more", "code", "strict_code"),
    [
        ([saying(today())], {}, 0, 0),
        ([saying(today()), DOWN], {}, 5, 5),
        ([saying(today()), HALF], {}, 5, 5),
        ([saying(today()), KEYED], {}, 0, 5),
        ([saying(today()), KEYED], {"named": {"keyed"}}, 5, 5),
        ([saying(today()), NEVER], {}, 0, 0),
        ([saying(today()), BLIND], {}, 0, 0),
        ([saying(today(), today(instance_type="big"))], {"gate": gate_that(Action.HOLD, "big")}, 5, 5),
        ([saying(today(), today(instance_type="big"))], {"gate": gate_that(Action.REFUSE, "big")}, 0, 5),
        ([saying(today())], {"gate": gate_that(Action.REFUSE, "small")}, 6, 6),
        ([DOWN, KEYED], {}, 6, 6),
        ([], {}, 6, 6),
    ],
    ids=["all", "one down", "half", "no key", "no key, named", "no key, no rows", "not sold", "held",
         "refused", "all refused", "nothing", "nobody"],
)  # fmt: skip
def test_the_exit_code_says_whether_all_came(clouds, more, code, strict_code):
    before = [an_offer(provider="kept"), an_offer(provider="keyed")]
    result = refreshed(*clouds, previous=before, **more)
    assert (result.exit_code(strict=False), result.exit_code(strict=True)) == (code, strict_code)
    assert bool(result.missing(strict=True)) == (strict_code != 0 and bool(clouds))


def test_a_cloud_that_merely_lists_less_is_something_to_publish():
    before = [an_offer(), an_offer(instance_type="big")]
    assert refreshed(saying(today()), previous=before).exit_code(strict=False) == 0


def test_quotas_are_in_the_result_and_not_among_the_offers():
    limit = QuotaLimit("acme", "r1", "pool", QuotaUnit.GPU, Decimal(8), Decimal(2))
    result = refreshed(saying(today(), quotas=[limit]))
    assert result.quotas == (limit,)
    assert len(result.offers) == 1
