"""How the commitments for a week of demand are found, and held against other ways to buy the same hours."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from advisor.domain import Market
from advisor.errors import Infeasible, NoCandidates
from advisor.optimize.commitments.levels import DEFAULT_LEVELS, levels_of
from advisor.optimize.commitments.options import CommitmentOption, CommitmentProblem, LevelFleets
from advisor.optimize.commitments.search import CommitmentSolution, commit
from advisor.recommendation.commitment import (
    FLAT,
    Beside,
    Commitment,
    CommittedLine,
    Growth,
    Outcome,
    TypicalHour,
)
from advisor.recommendation.policy import Policy
from advisor.recommendation.prepare import Prepared, prepare
from advisor.units import HOURS_PER_MONTH

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from advisor.catalog.account import Account
    from advisor.catalog.terms import Term
    from advisor.domain import Offer
    from advisor.optimize.problem import Problem, Solution
    from advisor.recommendation.findings import Catalog
    from advisor.recommendation.request import Request
    from advisor.workload.week import Week

RELATIVE_GAP: Final = 1e-3
"""(cost - bound) / cost at which the search stops: far below what a week's forecast is worth."""

Meaning = dict[str, tuple["Offer", "Term"]]


def commitment(
    request: Request,
    catalog: Catalog,
    account: Account | None,
    now: datetime,
    terms: Sequence[Term],
    week: Week | None = None,
    growth: Growth = FLAT,
    most_levels: int = DEFAULT_LEVELS,
) -> Commitment:
    """The commitments of least expected cost, and what they are worth.

    Args:
        request: what is served and where; its time limit holds for the decision, and again for what would
            have been best in each scenario.
        catalog: prices, facts, throughput.
        account: quotas held.
        now: what the ages of prices refer to.
        terms: on offer.
        week: demand per hour; None is the same rate in every hour.
        growth: scenarios.
        most_levels: hours are merged into so many levels.

    Raises:
        NoCandidates, Infeasible: some hour cannot be served.
        UsageError: a region, provider or accelerator pattern that matches nothing.
        SolverFailed: nothing usable within the time.
    """
    asked_markets = {*request.markets, Market.RESERVED}
    wider = tuple(dict.fromkeys((*request.markets, Market.ON_DEMAND)))
    plain = replace(request, markets=wider, policy=Policy(latency=request.policy.latency))
    lasting, ending = _lasting(account, now, terms)
    prepared = prepare(plain, catalog, lasting, now)
    offers = {c.offer.id: c.offer for c in prepared.joined.candidates}
    lines, meaning, unmatched = _lines(prepared, terms, offers)
    rate = sum(service.rate_requests_per_s for service in request.services)
    factors = week.factors(rate) if week is not None else (1.0,)
    weights = tuple(weight for _, weight in growth)
    levels = levels_of(factors, [factor for factor, _ in growth], weights, most_levels)
    problem = prepared.problem
    rented = tuple(c for c in problem.columns if offers[c.id].market in asked_markets)
    most = {term.name: term.most_instances for term in terms if term.most_instances is not None}
    asked = CommitmentProblem(replace(problem, columns=rented), lines, most, levels.levels, weights)
    hours = LevelFleets(asked)
    found = commit(asked, hours, time_limit_s=request.time_limit_s, relative_gap=RELATIVE_GAP)
    only = {market: _only(asked, problem, offers, market) for market in Market}
    return Commitment(
        tuple(_worth(hours, found.counts, name, meaning[name], offers) for name in sorted(found.counts)),
        found,
        _typical(hours, found.counts, offers, rate),
        _beside(asked, hours, only, request.markets),
        _outcomes(hours, found, only[Market.ON_DEMAND], growth, meaning, request.time_limit_s),
        levels,
        len(factors),
        week.source if week is not None else "the same rate in every hour",
        rate,
        catalog.snapshot.info.snapshot_id,
        (*_ignored(request), *ending, *unmatched),
    )


def _lasting(
    account: Account | None, now: datetime, terms: Sequence[Term]
) -> tuple[Account | None, tuple[str, ...]]:
    """The account without what ends before the longest term does, and a sentence on each of those."""
    months = max((term.term_months for term in terms), default=0)
    if account is None or not months:
        return account, ()
    end = (now + timedelta(hours=float(months * HOURS_PER_MONTH))).date()
    short = [one for one in account.reservations if one.until is not None and one.until < end]
    said = tuple(
        f"{one.instances} × {one.id} ends on {one.until}, before the {months:g} months committed for: it is "
        "not counted on."
        for one in short
        if one.runs(now)
    )
    kept = tuple(one for one in account.reservations if one not in short)
    return replace(account, reservations=kept), said


def _lines(
    prepared: Prepared, terms: Sequence[Term], offers: Mapping[str, Offer]
) -> tuple[tuple[CommitmentOption, ...], Meaning, tuple[str, ...]]:
    """Everything that can be committed, what each line means, and terms that nothing in scope matches."""
    columns = {column.id: column for column in prepared.problem.columns}
    lines, unmatched = [], []
    meaning: Meaning = {}
    for term in terms:
        matched = False
        for offer in _shapes(offers, term):
            usd = term.price(offer.usd_per_hour if offer.market is Market.ON_DEMAND else None)
            if usd is None:
                continue
            matched = True
            own = columns[offer.id]
            name = f"{offer.id} | {term.name}"
            draws = () if term.holds_capacity else own.draws
            lines.append(
                CommitmentOption(
                    term.name, replace(own, id=name, usd_per_hour=usd, draws=draws, max_instances=None)
                )
            )
            meaning[name] = (offer, term)
        if not matched:
            unmatched.append(f"Term {term.name} matches no offer in scope that can serve; it is not used.")
    return tuple(lines), meaning, tuple(unmatched)


def _shapes(offers: Mapping[str, Offer], term: Term) -> list[Offer]:
    """An offer per type and region that the term covers: on demand where there is one."""
    found: dict[tuple[str, str], Offer] = {}
    for offer in sorted(
        offers.values(), key=lambda o: (o.market is not Market.ON_DEMAND, o.usd_per_hour, o.id)
    ):
        if offer.market is not Market.RESERVED and term.covers(offer):
            found.setdefault((offer.region, offer.instance_type), offer)
    return list(found.values())


def _worth(
    hours: LevelFleets,
    counts: Mapping[str, int],
    name: str,
    meaning: tuple[Offer, Term],
    offers: Mapping[str, Offer],
) -> CommittedLine:
    offer, term = meaning
    count = counts[name]
    each = next(option.column.usd_per_hour for option in hours.asked.options if option.column.id == name)
    cost = each * count
    on_demand = offer.usd_per_hour if offer.market is Market.ON_DEMAND else None
    over_term = cost * HOURS_PER_MONTH * term.term_months
    try:
        avoided = hours.rented({**counts, name: 0}) - hours.rented(counts)
    except (Infeasible, NoCandidates):
        avoided = None
    months = cost * term.term_months / avoided if avoided else None
    return CommittedLine(
        offer,
        term,
        count,
        each,
        on_demand,
        cost,
        over_term,
        over_term * term.upfront_share,
        None if avoided is None else avoided - cost,
        months if months is not None and months <= term.term_months else None,
        None if on_demand is None else float(each / on_demand),
        _last_needed(hours, counts, name),
    )


def _last_needed(hours: LevelFleets, counts: Mapping[str, int], name: str) -> float | None:
    """Expected share of the hours in which one instance less would cost something."""
    try:
        fewer = hours.fleets({**counts, name: counts[name] - 1})
    except (Infeasible, NoCandidates):
        return None
    return float(
        sum(
            (
                hours.asked.share(level)
                for level, less, more in zip(hours.asked.levels, fewer, hours.fleets(counts), strict=True)
                if less.objective_usd_per_hour > more.objective_usd_per_hour * (1 + 1e-9)
            ),
            Decimal(0),
        )
    )


def _typical(
    hours: LevelFleets, counts: Mapping[str, int], offers: Mapping[str, Offer], rate: float
) -> tuple[TypicalHour, ...]:
    """The lowest, the median and the highest hour."""
    fleets, levels = hours.fleets(counts), hours.asked.levels
    reached, median = Decimal(0), len(levels) - 1
    for number, level in enumerate(levels):
        reached += hours.asked.share(level)
        if reached >= Decimal("0.5"):
            median = number
            break
    names = {"lowest": 0, "median": median, "highest": len(levels) - 1}
    return tuple(_hour(name, levels[h].factor, rate, fleets[h], offers) for name, h in names.items())


def _hour(name: str, factor: float, rate: float, fleet: Solution, offers: Mapping[str, Offer]) -> TypicalHour:
    count = dict.fromkeys(Market, 0)
    committed = 0
    for column, instances in fleet.instances.items():
        if column in offers:
            count[offers[column].market] += instances
        else:
            committed += instances
    words = tuple(f"{n} × {column}" for column, n in sorted(fleet.instances.items()))
    return TypicalHour(
        name, factor, rate * factor, committed, count[Market.ON_DEMAND], count[Market.SPOT],
        count[Market.RESERVED], fleet.usd_per_hour, words,
    )  # fmt: skip


def _only(
    asked: CommitmentProblem, problem: Problem, offers: Mapping[str, Offer], market: Market
) -> LevelFleets:
    """The same hours with one market and no commitments."""
    columns = tuple(c for c in problem.columns if offers[c.id].market is market)
    return LevelFleets(replace(asked, problem=replace(asked.problem, columns=columns), options=(), most={}))


def _beside(
    asked: CommitmentProblem,
    hours: LevelFleets,
    only: Mapping[Market, LevelFleets],
    markets: Sequence[Market],
) -> tuple[Beside, ...]:
    on_demand = only[Market.ON_DEMAND]
    found = [_cost("on demand, hour by hour", on_demand), _static(on_demand)]
    if Market.SPOT in markets:
        found.append(_cost("spot alone, hour by hour", only[Market.SPOT]))
        if Market.ON_DEMAND in markets:
            found.append(_cost("on demand and spot, no commitment", hours))
    return tuple(found)


def _cost(name: str, hours: LevelFleets) -> Beside:
    try:
        return Beside(name, hours.cost({}))
    except (Infeasible, NoCandidates) as no:
        return Beside(name, None, str(no))


def _static(hours: LevelFleets) -> Beside:
    name = "on demand, the highest hour's fleet all the time"
    try:
        return Beside(name, hours.fleets({})[-1].usd_per_hour)
    except (Infeasible, NoCandidates) as no:
        return Beside(name, None, str(no))


def _outcomes(
    hours: LevelFleets,
    found: CommitmentSolution,
    on_demand: LevelFleets,
    growth: Growth,
    meaning: Meaning,
    time_limit_s: float,
) -> tuple[Outcome, ...]:
    asked = hours.asked

    def best(scenario: int) -> CommitmentSolution:
        if len(growth) == 1:
            return found
        return commit(
            asked, hours, scenario=scenario, start=found.counts, time_limit_s=time_limit_s,
            relative_gap=RELATIVE_GAP,
        )  # fmt: skip

    with ThreadPoolExecutor() as pool:
        known = list(pool.map(best, range(len(growth))))
    outcomes = []
    for scenario, ((factor, weight), foresight) in enumerate(zip(growth, known, strict=True)):
        try:
            plain = on_demand.cost({}, scenario)
        except (Infeasible, NoCandidates):
            plain = None
        words = tuple(
            f"{n} × {meaning[c][0].instance_type} {meaning[c][1].name}"
            for c, n in sorted(foresight.counts.items())
        )
        outcomes.append(
            Outcome(
                factor,
                weight,
                hours.cost(found.counts, scenario),
                plain,
                foresight.usd_per_hour,
                foresight.lower_bound_usd_per_hour,
                words,
            )
        )
    return tuple(outcomes)


def _ignored(request: Request) -> tuple[str, ...]:
    """Rules of the question that a commitment is not planned under."""
    policy = request.policy
    rules = {
        "survive": policy.survive,
        "demand error": policy.demand_error,
        "doubt": policy.doubted,
        "budget": policy.budget_usd_per_hour,
        "at most": policy.at_most,
        "prefer": policy.prefer,
        "current fleet": policy.holding,
        "carbon cap": policy.most_kg_co2e_per_hour,
    }
    names = [name for name, rule in rules.items() if rule]
    if not names:
        return ()
    return (f"Rules of the question that are not applied here: {', '.join(names)}.",)
