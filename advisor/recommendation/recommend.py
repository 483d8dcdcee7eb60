"""Answer a request: prepare, decide, compare, assemble. Reads nothing from a network and no clock."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from advisor.errors import Infeasible, NoCandidates, SolverFailed, StaleSnapshot
from advisor.optimize.problem import fleet_words
from advisor.optimize.solve import solve
from advisor.plan.plan import Baseline
from advisor.recommendation.assemble import Outcome, assemble, refuse
from advisor.recommendation.comparison import compare, saving_against, served_share
from advisor.recommendation.deciding import Decision, decide
from advisor.recommendation.migrating import Moving, migration_of
from advisor.recommendation.prepare import prepare
from advisor.recommendation.refusal import why_nobody_serves, zones_not_named
from advisor.recommendation.rule_lines import priced, rules_of
from advisor.recommendation.wording import stale_lines
from advisor.units import usd_text

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from advisor.catalog.account import Account
    from advisor.plan.migration import Migration
    from advisor.plan.plan import Plan
    from advisor.recommendation.findings import Catalog
    from advisor.recommendation.prepare import Prepared
    from advisor.recommendation.request import Request

_SECONDS_PER_STEP = 5.0  # of a migration; a step that takes longer to prove is not taken


@dataclass(frozen=True, slots=True)
class Draft:
    """A fleet that was decided on, before it is compared with anything."""

    prepared: Prepared
    decision: Decision

    @property
    def request(self) -> Request:
        """As asked, with the workload that coverage leaves."""
        return self.prepared.request

    @property
    def usd_per_hour(self) -> float:
        """What was minimised: the bill, and the cost of getting there where that counts."""
        return self.decision.solution.objective_usd_per_hour

    def plan(self) -> Plan:
        """What it buys and serves, without yardsticks."""
        return assemble(self.prepared.findings, Outcome(self.decision.solution, [], []))


def with_stale_spot(request: Request) -> Request | None:
    """The request at spot's last known prices, however old; None where it takes those already."""
    if "stale-spot" in request.include:
        return None
    note = "Nothing else serves, so that spot is planned at its last known price, however old."
    return replace(request, include=request.include | {"stale-spot"}, notes=(*request.notes, note))


def recommend(request: Request, catalog: Catalog, account: Account | None, now: datetime) -> Plan:
    """The cheapest fleet that serves the request, proved, or a plan of status ``infeasible`` that says why.

    Raises:
        UnknownName, UsageError: a region, provider or accelerator pattern that matches nothing.
        StaleSnapshot: the fleet rests on stale prices, and the request refuses those.
        SolverFailed: the solver gave no usable answer.
    """
    time_left = countdown(request.time_limit_s)
    prepared = prepare(request, catalog, account, now)
    try:
        made = draft(prepared, time_left)
    except (NoCandidates, Infeasible) as no:
        if (older := with_stale_spot(request)) is not None and "stale_price" in prepared.joined.held_back:
            return recommend(older, catalog, account, now)
        return refuse(prepared.findings, str(no) + zones_not_named(prepared.findings))
    return finished(made, time_left)


def draft(prepared: Prepared, time_left: Callable[[], float]) -> Draft:
    """Decide on a fleet.

    Raises:
        NoCandidates, Infeasible: no fleet serves within the rules.
        SolverFailed: the solver gave no usable answer.
    """
    _refuse_unserved(prepared)
    decision = decide(prepared, time_left)
    _refuse_nothing(prepared, decision)
    return Draft(prepared, decision)


def finished(made: Draft, time_left: Callable[[], float]) -> Plan:
    """The plan of a draft, with yardsticks, what rules cost and the way to get there.

    Raises:
        StaleSnapshot: the fleet rests on stale prices, and the request refuses those.
    """
    prepared, decision, request = made.prepared, made.decision, made.request
    policy = request.policy
    rules = priced(policy, decision, prepared.problem, rules_of(policy, decision), time_left)
    baselines = [*compare(prepared, decision.solution, time_left), *rules.baselines]
    baselines += _fleet_held(prepared, decision)
    migration = _migration(prepared, decision, time_left)
    outcome = Outcome(decision.solution, baselines, rules.lines, migration)
    plan = assemble(prepared.findings, outcome)
    if request.refuse_stale and (stale := stale_lines(prepared.findings, plan.purchase)):
        raise StaleSnapshot(
            f"the cheapest fleet rests on stale prices ({'; '.join(stale)}); run `advisor refresh`, "
            "or set on_stale: warn (ADVISOR_ON_STALE=warn)"
        )
    return plan


def _refuse_unserved(prepared: Prepared) -> None:
    """Raise NoCandidates with every service that no candidate can serve."""
    joined, services = prepared.joined, prepared.request.services
    said = []
    for index, service in enumerate(services):
        mine = joined.of_service(index)
        why = prepared.findings.siting.what_would_reach(index)
        if not joined.candidates or mine.unserved:
            looser = partial(prepared.serves_all_at, service=index)
            why = [why_nobody_serves(mine, service.workload, service.slo, looser), *why]
        elif why:
            why = ["no region in scope is near enough to some of the users", *why]
        if why:
            said.append((f"{service.name}: " if len(services) > 1 else "") + "; ".join(why))
    if said:
        raise NoCandidates("; ".join(said))


def _refuse_nothing(prepared: Prepared, decision: Decision) -> None:
    """Raise NoCandidates where the budget is too small for any fleet that serves somebody.

    Raises:
        SolverFailed: nobody is served by what was found, and that is not proved to be the most.
    """
    budget = prepared.problem.budget_usd_per_hour
    if budget is None or served_share(decision.problem, decision.solution) > 0:
        return
    if not decision.solution.proved:
        raise SolverFailed(
            f"no fleet within the budget of ${usd_text(budget)}/h that serves anybody was found in the time "
            "allowed; allow more with --time-limit-s"
        )
    cheapest = min(prepared.problem.columns, key=lambda column: (column.usd_per_hour, column.id))
    rules = " within the rules" if prepared.problem.contingencies else ""
    raise NoCandidates(
        f"the budget of ${usd_text(budget)}/h pays for nothing that serves{rules}; the cheapest instance, "
        f"{cheapest.id}, costs ${usd_text(cheapest.usd_per_hour, 4)}/h"
    )


def _fleet_held(prepared: Prepared, decision: Decision) -> list[Baseline]:
    """What runs now as a yardstick, where all of it has a price."""
    leaving, held = decision.leaving, prepared.findings.holding
    if leaving is None or not leaving.held_usd_per_hour:
        return []
    return [
        Baseline(
            name="the fleet held",
            kind="held",
            usd_per_hour=leaving.held_usd_per_hour,
            status="feasible",
            instances=sum(held.instances.values()),
            saving_fraction=saving_against(decision.solution, leaving.held_usd_per_hour),
            fleet=list(fleet_words(held.instances, held.usd_per_hour)),
            detail="" if leaving.serves else "does not serve within every rule",
        )
    ]


def _migration(prepared: Prepared, decision: Decision, time_left: Callable[[], float]) -> Migration | None:
    holding, leaving, held = prepared.request.policy.holding, decision.leaving, prepared.findings.holding
    if holding is None or leaving is None:
        return None
    planned = decision.solution.instances
    steps = []
    if leaving.change:
        columns = {column.id: column for column in prepared.problem.columns}
        prices = dict(held.usd_per_hour) | {key: column.usd_per_hour for key, column in columns.items()}
        steps = Moving(
            running=Counter(dict(held.instances)),
            target=planned,
            usd_per_hour=prices,
            draws={key: column.draws for key, column in columns.items()},
            free=prepared.problem.free_units,
            serves=_serves(prepared, time_left),
        ).go()
    return migration_of(holding, held, leaving, planned, steps)


def _serves(prepared: Prepared, time_left: Callable[[], float]) -> Callable[[Mapping[str, int]], bool]:
    """Whether instances on the way serve within every rule; no time left to find out counts as no."""
    problem = replace(prepared.problem, change=None, budget_usd_per_hour=None, most_distinct=())

    def serves(running: Mapping[str, int]) -> bool:
        columns = tuple(
            replace(c, max_instances=running[c.id]) for c in problem.columns if running.get(c.id, 0) > 0
        )
        seconds = min(time_left(), _SECONDS_PER_STEP)
        if not columns or not seconds:
            return False
        try:
            solve(replace(problem, columns=columns), time_limit_s=seconds)
        except (NoCandidates, Infeasible, SolverFailed):
            return False
        return True

    return serves


def countdown(seconds: float) -> Callable[[], float]:
    """What is left of a time limit, never below zero."""
    deadline = time.monotonic() + seconds
    return lambda: max(deadline - time.monotonic(), 0.0)
