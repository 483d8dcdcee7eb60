"""Open what a report rests on beside the plan: facts, prices, history, other commands' answers."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from advisor.errors import AdvisorError, UsageError
from advisor.report.beside import Beside, Extras

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from advisor.catalog.account import Account
    from advisor.catalog.facts import Facts
    from advisor.catalog.history import PriceHistory
    from advisor.plan.plan import Plan, Purchase
    from advisor.recommendation.findings import Catalog

SOLVE_SECONDS: Final = 2.5
"""Bound on what a report solves, in seconds as the plan's own proof counted them."""
CHARTED_LINES: Final = 6
"""Lines whose price history is drawn, the dearest first: more cannot be told apart in one chart."""
MOST_DAYS: Final = 3650


@dataclass(frozen=True, slots=True)
class Wishes:
    """What was asked for beside the plan."""

    title: str | None = None
    requester: str | None = None
    valid_days: int | None = None
    show_quota: bool = False
    what_if: bool = True
    solve_seconds: float = SOLVE_SECONDS
    quota: Path | None = None
    previous: Path | None = None
    simulation: Path | None = None
    explanation: Path | None = None
    frontier: Path | None = None
    command: str = ""
    edited: bool = False  #: go on with a last plan that was edited


def gather(plan: Plan, wishes: Wishes, now: datetime) -> Beside:
    """Everything that is at hand; what is not says so in the report.

    Raises:
        UsageError, InputFileError: a file that was named and cannot be used.
    """
    from advisor.catalog.facts import load_facts
    from advisor.catalog.hosted_api import load_hosted_prices
    from advisor.plan.read import read_plan
    from advisor.report.answers import read_simulation

    if wishes.valid_days is not None and not 1 <= wishes.valid_days <= MOST_DAYS:
        raise UsageError(f"--valid-days {wishes.valid_days} is not allowed; 1 to {MOST_DAYS:,} days")
    facts = load_facts()
    catalog, missing = _catalog(plan)
    account = _account(plan, wishes, facts)
    return Beside(
        now=now,
        title=wishes.title,
        requester=wishes.requester,
        valid_days=wishes.valid_days,
        accelerators=facts.accelerators,
        regions=facts.regions,
        pools=facts.quota_pools,
        offers={o.id: o for o in catalog.snapshot.offers if "superseded" not in o.flags} if catalog else {},
        hosted=load_hosted_prices(),
        histories=_histories(plan),
        show_quota=wishes.show_quota,
        limits={limit.key: limit for limit in account.limits} if account else None,
        previous=read_plan(wishes.previous, edited=wishes.edited) if wishes.previous else None,
        simulation=read_simulation(wishes.simulation, plan.plan_id) if wishes.simulation else None,
        extras=_extras(plan, wishes, catalog, missing, account),
        command=wishes.command,
        files=_digests(wishes),
    )


def _catalog(plan: Plan) -> tuple[Catalog | None, str]:
    """The plan's own inputs, or why they are not at hand."""
    from advisor.api import load_catalog

    try:
        catalog = load_catalog(plan.inputs.snapshot_id)
    except AdvisorError as error:
        return None, f"not run, since the plan's prices are not at hand ({error})"
    if catalog.facts.sha256 != plan.inputs.facts_sha256:
        return catalog, "not run, since the facts have changed since the plan was made"
    if catalog.profiles.profiles_sha256 != plan.inputs.profiles_sha256:
        return catalog, "not run, since the throughput profiles have changed since the plan was made"
    return catalog, ""


def _account(plan: Plan, wishes: Wishes, facts: Facts) -> Account | None:
    """The account named, or the default one where the plan rests on one or its limits are to be shown."""
    from advisor.api import open_account

    wanted = wishes.quota is not None or wishes.show_quota or plan.inputs.account_sha256 is not None
    return open_account(wishes.quota, facts) if wanted else None


def _extras(
    plan: Plan, wishes: Wishes, catalog: Catalog | None, missing: str, account: Account | None
) -> Extras:
    """Other commands' answers as handed in; the rest solved where the plan's own inputs are at hand."""
    from advisor.report.answers import read_explanation, read_frontier
    from advisor.report.solving import Bound, solved

    frontier = read_frontier(wishes.frontier) if wishes.frontier else None
    explanation = read_explanation(wishes.explanation, plan.plan_id) if wishes.explanation else None
    digest = account.sha256 if account else None
    if not wishes.what_if:
        missing = "not run (--no-what-if)"
    elif not missing and plan.inputs.account_sha256 not in (None, digest):
        missing = "not run, since the account file the plan was made with is not at hand (--quota FILE)"
    if catalog is None or missing or not plan.purchase:
        return Extras(frontier=frontier, explanation=explanation, why_not=missing or "not run")
    held = account if plan.inputs.account_sha256 else None
    bound = Bound.of(plan, wishes.solve_seconds)
    found = solved(plan, catalog, held, bound, explained=explanation is not None, curved=frontier is not None)
    return replace(found, frontier=frontier or found.frontier, explanation=explanation or found.explanation)


def _histories(plan: Plan) -> tuple[PriceHistory, ...]:
    """What the dearest lines cost before; a line nobody has a history of is left out."""
    dearest = sorted(plan.purchase, key=lambda line: (-line.usd_per_hour, line.offer_id))
    found = (_history(line) for line in dearest[:CHARTED_LINES])
    return tuple(history for history in found if history is not None and history.observations)


def _history(line: Purchase) -> PriceHistory | None:
    from advisor.catalog.history import history_folder, price_history
    from advisor.catalog.store import Store, advisor_home, shipped_folder

    store = Store(home=advisor_home(), shipped=shipped_folder())
    try:
        found = price_history(
            line.instance_type,
            line.region,
            line.market,
            snapshots=store.paths(),
            imported=sorted(history_folder().glob("*.parquet")),
            provider=line.provider,
        )
    except AdvisorError:
        return None
    own = tuple(seen for seen in found.observations if seen.zone == line.zone)
    return replace(found, observations=own)


def _digests(wishes: Wishes) -> dict[str, str]:
    files = {
        "Last plan": wishes.previous,
        "Simulation": wishes.simulation,
        "Explanation": wishes.explanation,
        "Frontier": wishes.frontier,
    }
    return {
        f"{what} file": hashlib.sha256(path.read_bytes()).hexdigest()
        for what, path in files.items()
        if path is not None
    }
