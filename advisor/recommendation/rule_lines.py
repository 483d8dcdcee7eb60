"""The rules of a plan, each with the days it was held against and what it costs, by solving without it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from advisor.optimize.problem_builder import EMISSIONS
from advisor.plan.rules import CaseLine, RuleLine
from advisor.recommendation import policy as words
from advisor.recommendation.comparison import beside, solved
from advisor.units import usd_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from advisor.optimize.problem import CaseProof, Problem, Solution
    from advisor.plan.plan import Baseline
    from advisor.recommendation.deciding import Decision
    from advisor.recommendation.policy import Policy

NOMINAL: Final = "without any rule"


@dataclass(frozen=True, slots=True)
class Priced:
    """Rules with their premiums, and the fleets without them."""

    lines: list[RuleLine]
    baselines: list[Baseline]


def rules_of(policy: Policy, decision: Decision) -> list[RuleLine]:
    """Every rule, with the days it was held against and no price yet."""
    found = [
        RuleLine(
            kind="survive",
            text=str(rule),
            lose=rule.lose,  # type: ignore[arg-type]
            count=rule.count,
            keeps=rule.keeps,
            demand_factor=rule.demand_factor,
            services=list(rule.services),
            headroom=rule.headroom,
            cases=_cases(decision.solution, str(rule)),
        )
        for rule in policy.survive
    ]
    if policy.demand_error:
        text = words.demand_words(policy.demand_error)
        cases = _cases(decision.solution, text)
        found.append(RuleLine(kind="demand", text=text, demand_factor=1 + policy.demand_error, cases=cases))
    if policy.doubted:
        text = words.doubt_words(policy.doubted)
        cases = _cases(decision.solution, text)
        found.append(RuleLine(kind="doubt", text=text, doubted=policy.doubted, cases=cases))
    if policy.budget_usd_per_hour is not None:
        text = f"costs at most ${usd_text(policy.budget_usd_per_hour)}/h, serving as much as that pays for"
        found.append(RuleLine(kind="budget", text=text, usd_per_hour=policy.budget_usd_per_hour))
    found += [
        RuleLine(kind="at_most", text=words.at_most_words(kind, limit), of=kind, at_most=limit)  # type: ignore[arg-type]
        for kind, limit in policy.at_most
    ]
    found += [
        RuleLine(
            kind="min_replicas",
            text=words.min_replicas_words(terms.name, terms.min_replicas),
            services=[terms.name],
            at_least=terms.min_replicas,
        )
        for terms in decision.problem.services
        if terms.min_replicas
    ]
    if policy.most_kg_co2e_per_hour is not None:
        most = policy.most_kg_co2e_per_hour
        found.append(RuleLine(kind="carbon", text=words.carbon_words(most), kg_co2e_per_hour=most))
    if policy.prefer is not None:
        found.append(_preference(policy, decision))
    return found


def _cases(solution: Solution, label: str) -> list[CaseLine]:
    proofs = [proof for proof in solution.cases if proof.contingency == label]
    return [_case(proof) for proof in sorted(proofs, key=lambda one: (one.least_served_share, one.case))]


def _case(proof: CaseProof) -> CaseLine:
    return CaseLine(
        case=proof.case,
        lost_instances=dict(sorted(proof.lost_instances.items())),
        doubted=sorted(proof.doubted),
        least_served_share=min(max(proof.least_served_share, 0.0), 1.0),
    )


def _preference(policy: Policy, decision: Decision) -> RuleLine:
    preference, staying = policy.prefer, decision.staying
    assert preference is not None
    kept = staying is not None and staying.kept
    return RuleLine(
        kind="prefer",
        text=str(preference),
        places=list(preference.places),
        tolerance=preference.tolerance,
        kept=kept,
        premium_usd_per_hour=staying.premium_usd_per_hour if staying is not None and kept else 0.0,
    )


def priced(
    policy: Policy,
    decision: Decision,
    problem: Problem,
    lines: list[RuleLine],
    time_left: Callable[[], float],
) -> Priced:
    """The same rules with what each costs: the fleet against the cheapest without it, all others kept.

    Args:
        problem: of every candidate, those outside the places preferred included.
    """
    if decision.leaving is not None and not decision.leaving.change:
        return Priced(lines, [])  # what runs is kept: no rule made it what it is
    found, baselines = [], _elsewhere(policy, decision, problem)
    droppable = [line for line in lines if line.kind not in ("budget", "prefer")]
    for line in lines:
        if line.kind == "budget":
            unlimited = replace(decision.problem, budget_usd_per_hour=None)
            baselines.append(_without(decision, unlimited, line.text, time_left())[0])
        if line not in droppable:
            found.append(line)
            continue
        baseline, premium = _without(decision, without(decision.problem, [line]), line.text, time_left())
        baselines.append(baseline)
        found.append(line.model_copy(update={"premium_usd_per_hour": premium}))
    if len(droppable) > 1:
        nominal, _ = _without(decision, without(decision.problem, droppable), NOMINAL, time_left())
        baselines.append(nominal)
    return Priced(found, baselines)


def _elsewhere(policy: Policy, decision: Decision, problem: Problem) -> list[Baseline]:
    """The fleet a preference for places was weighed against."""
    staying = decision.staying
    if policy.prefer is None or staying is None or staying.other is None:
        return []
    if staying.kept:
        name = f"without: {policy.prefer}"
        return [beside(name, "without_rule", problem, staying.other, decision.solution)]
    name = f"staying in {', '.join(policy.prefer.places)}"
    return [beside(name, "staying", problem, staying.other, decision.solution)]


def without(problem: Problem, rules: list[RuleLine]) -> Problem:
    """The problem with some of its rules lifted."""
    dropped = {rule.text for rule in rules}
    kinds = {rule.of for rule in rules if rule.kind == "at_most"}
    any_number = {rule.services[0] for rule in rules if rule.kind == "min_replicas"}
    free = dict(problem.free_units)
    if any(rule.kind == "carbon" for rule in rules):
        free.pop(EMISSIONS, None)
    return replace(
        problem,
        contingencies=tuple(one for one in problem.contingencies if one.label not in dropped),
        most_distinct=tuple((kind, most) for kind, most in problem.most_distinct if kind not in kinds),
        free_units=free,
        services=tuple(replace(t, min_replicas=0) if t.name in any_number else t for t in problem.services),
        columns=tuple(
            replace(c, draws=tuple((pool, units) for pool, units in c.draws if pool in free))
            if len(free) < len(problem.free_units)
            else c
            for c in problem.columns
        ),
    )


def _without(
    decision: Decision, freer: Problem, text: str, time_limit_s: float
) -> tuple[Baseline, float | None]:
    name = text if text == NOMINAL else f"without: {text}"
    answer, baseline = solved(name, "without_rule", freer, decision.solution, time_limit_s)
    if answer is None or baseline.saving_fraction is None:
        return baseline, None  # nothing found, or under a budget another share is served
    return baseline, max(decision.solution.objective_usd_per_hour - answer.objective_usd_per_hour, 0.0)
