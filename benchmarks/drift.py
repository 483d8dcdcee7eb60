"""Drift, replayed over price history: how often it rings, and whether it rings when it should.

    python -m benchmarks.drift [--trials 12]

Two parts, on the prices under ``catalogs/history`` and the throughput that ships. Reads nothing else.

**Replay.** A plan is made on the first day of each series, then asked for drift on every later day on which
somebody looked (at most one a week); where it drifts, the plan proposed takes its place. Beside the alarms
stands how often a price it rests on changed at all, which is what an alert on prices would ring for.

**Controlled.** From each plan, markets are made whose truth is known: every price within 2 % of itself; one
price cut or raised; one offer removed; one quota below or at what the plan draws. For prices, the truth is
the optimum of the same problem found by another formulation and another solver (CBC, below): a plan should
drift where what it costs exceeds that optimum by the threshold, and still does when every price within 2 %
of what it was is put back there.
"""

from __future__ import annotations

import argparse
import random
import time
from collections import Counter, defaultdict
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import cache
from typing import TYPE_CHECKING, Any, Final

import duckdb
import pulp

from advisor.api import load_catalog, recommend
from advisor.catalog.account import Account
from advisor.catalog.history import history_folder
from advisor.catalog.store import shipped_folder
from advisor.domain import Availability, Market, Offer, QuotaLimit
from advisor.recommendation.drift import DEFAULT_THRESHOLD, drift
from advisor.recommendation.drift_reasons import Kind
from advisor.recommendation.prepare import prepare
from advisor.recommendation.replan import request_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from advisor.optimize.problem import Problem
    from advisor.plan.plan import Plan
    from advisor.recommendation.drift import Drift
    from advisor.recommendation.findings import Catalog

A_WEEK: Final = timedelta(days=7)
NOISE: Final = 0.02
TOO_CLOSE: Final = 1e-4
"""A regret this near the threshold is no trial: two solvers need not agree on which side it is."""
QUESTIONS: Final[tuple[tuple[str, dict[str, Any]], ...]] = (
    ("8B, 16/s", {}),
    ("70B, 4/s", {"model": "Llama-3.1-70B-Instruct", "rate_requests_per_s": 4.0}),
    ("70B, 16/s, 30 ms", {"model": "Llama-3.1-70B-Instruct", "rate_requests_per_s": 16.0, "tpot_ms": 30.0}),
)


@dataclass(frozen=True)
class Series:
    """A price file of the history, and where in it to look."""

    name: str
    file: str
    regions: tuple[str, ...]


SERIES: Final = (
    Series("GCP 2026", "gcp_2026", ("us-central1", "us-east4", "europe-west4")),
    Series("AWS spot 2023-24", "aws_spot_2023_2024", ("us-east-1", "us-west-2", "eu-west-1")),
    Series("AWS on-demand 2023-26", "aws_on_demand_2023_2026", ("us-east-1",)),
)


@dataclass(frozen=True)
class Row:
    """A price and the days it was seen on."""

    provider: str
    region: str
    instance_type: str
    market: Market
    usd_per_hour: Decimal
    valid_from: date
    observed_until: date


@dataclass(frozen=True)
class Case:
    """A question in one region, and the prices it was asked on over time."""

    label: str
    question: dict[str, Any]
    days: tuple[date, ...]
    on: Callable[[date], tuple[Offer, ...]]


# --- the markets of the past


@cache
def shipped() -> Catalog:
    """The facts and throughput that ship, whatever is published on this machine."""
    (path,) = shipped_folder().glob("*.parquet")
    return load_catalog(path)


@cache
def shapes() -> dict[tuple[str, str], Offer]:
    """An offer per provider and instance type, for what an instance holds."""
    return {(offer.provider, offer.instance_type): offer for offer in shipped().snapshot.offers}


def rows(series: Series, region: str) -> list[Row]:
    path = str(history_folder() / f"{series.file}.parquet")
    names = "provider, region, instance_type, market, usd_per_hour, valid_from, observed_until"
    query = f"SELECT {names} FROM read_parquet(?) WHERE region = ? ORDER BY ALL"  # noqa: S608 our own names
    with duckdb.connect() as connection:
        found = connection.execute(query, [path, region]).fetchall()
    return [Row(p, r, i, Market(m), usd, since, until) for p, r, i, m, usd, since, until in found]


def on_day(found: Sequence[Row], day: date) -> tuple[Offer, ...]:
    """What was for sale that day, as far as somebody looked; what was seen earlier keeps its older date."""
    last: dict[tuple[str, str], Row] = {}
    for row in sorted(found, key=lambda row: row.valid_from):
        if row.valid_from <= day:
            last[row.instance_type, row.market.value] = row
    offers = []
    for row in last.values():
        shape = shapes().get((row.provider, row.instance_type))
        if shape is None or day > row.observed_until:
            continue
        offers.append(
            replace(
                shape,
                region=row.region,
                zone=None,
                market=row.market,
                usd_per_hour=row.usd_per_hour,
                availability=Availability.AVAILABLE,
                availability_basis="history",
                price_basis="list",
                collected_at=at(day),
                source="history",
                interruption=None,
                flags=tuple(flag for flag in shape.flags if flag == "fractional_gpu"),
                evidence=None,
            )
        )
    return tuple(sorted(offers, key=lambda offer: offer.id))


def at(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def weekly(found: Sequence[Row]) -> tuple[date, ...]:
    """Days on which somebody looked, at least a week apart."""
    looked = sorted({row.valid_from for row in found} | {row.observed_until for row in found})
    days: list[date] = []
    for day in looked:
        if not days or day - days[-1] >= A_WEEK:
            days.append(day)
    return tuple(days)


def cases(series: Series) -> Iterator[Case]:
    for region in series.regions:
        found = rows(series, region)
        days = weekly(found)
        for label, question in QUESTIONS:
            asked = {"regions": [region], **question}
            yield Case(f"{region} {label}", asked, days, lambda day, found=found: on_day(found, day))  # type: ignore[misc]


def market(offers: Sequence[Offer], label: str) -> Catalog:
    snapshot = shipped().snapshot
    return replace(
        shipped(),
        snapshot=replace(
            snapshot, offers=tuple(offers), info=replace(snapshot.info, snapshot_id=label, offers=len(offers))
        ),
    )


# --- replay


@dataclass
class Rung:
    """What one series came to."""

    watched: int = 0
    years: float = 0.0
    alarms: int = 0
    moved: int = 0  #: looks at which a price the plan rests on had changed
    plans: int = 0
    reasons: Counter[str] = None  # type: ignore[assignment]
    notable: list[str] = None  # type: ignore[assignment]
    seconds: list[float] = None  # type: ignore[assignment]

    def __post_init__(self) -> None:
        self.reasons, self.notable, self.seconds = Counter(), [], []


def first_plan(case: Case) -> tuple[Plan, tuple[date, ...]] | None:
    """The plan of the first day with a fleet, and the days after it."""
    for index, day in enumerate(case.days[:-1]):
        plan = recommend(market(case.on(day), f"{day}"), now=at(day), **case.question)
        if plan.status != "infeasible":
            return plan, case.days[index + 1 :]
    return None


def replay(series: Series) -> Rung:
    rung = Rung()
    for case in cases(series):
        started = first_plan(case)
        if started is None:
            continue
        plan, days = started
        rung.plans += 1
        rung.years += (days[-1] - plan.created_at.date()).days / 365.25
        made_on = market(case.on(plan.created_at.date()), "made on").snapshot
        for day in days:
            today = market(case.on(day), f"{day}")
            started_at = time.perf_counter()
            found = drift(plan, today, None, at(day), before=made_on)
            rung.seconds.append(time.perf_counter() - started_at)
            rung.watched += 1
            rung.moved += any(move.change_fraction for move in found.prices if move.instances_kept)
            if found.reasons:
                rung.alarms += 1
                rung.reasons.update({reason.kind.value for reason in found.reasons})
                rung.notable.append(notable(case, day, found))
            if found.new_plan is not None:
                plan, made_on = found.new_plan, today.snapshot
    return rung


def notable(case: Case, day: date, found: Drift) -> str:
    moves = ", ".join(
        f"{move.offer.split(':', 2)[2]} {'new' if move.before is None else f'{move.change_fraction:+.0%}'}"
        for move in found.prices
        if move.before is None or move.change_fraction
    )
    regret = "" if found.regret_fraction is None else f" {found.regret_fraction:.1%}"
    return f"{case.label} {day}: {'/'.join(reason.kind.value for reason in found.reasons)}{regret} ({moves})"


# --- controlled


@dataclass
class Score:
    """Trials of one kind, and how they came out."""

    trials: int = 0
    true: int = 0  #: trials that should drift
    hits: int = 0
    false_alarms: int = 0
    noise: int = 0  #: trials with a regret above the threshold that is made of small moves alone

    def add(self, should: bool, does: bool) -> None:
        self.trials += 1
        self.true += should
        self.hits += should and does
        self.false_alarms += does and not should


def optimum(problem: Problem) -> float | None:
    """The cheapest fleet's $/h, by another formulation and CBC; None where it was not proved."""
    cheapest: dict[object, Any] = {}
    for column in problem.columns:
        key = (column.accelerators, column.options)
        if key not in cheapest or column.usd_per_hour < cheapest[key].usd_per_hour:
            cheapest[key] = column
    columns = list(cheapest.values())
    ceiling = problem.services[0].utilisation_ceiling
    programme = pulp.LpProblem("Truth", pulp.LpMinimize)
    counts = [programme.add_variable(f"n{c}", 0, None, pulp.LpInteger) for c in range(len(columns))]
    served: dict[int, list[Any]] = defaultdict(list)
    for c, column in enumerate(columns):
        replicas = []
        for k, option in enumerate(column.options):
            running = programme.add_variable(f"r{c}_{k}", 0, None, pulp.LpInteger)
            busy = []
            for b, rate in enumerate(option.requests_per_s):
                if rate > 0 and problem.demand_requests_per_s[b] > 0:
                    share = programme.add_variable(f"x{c}_{k}_{b}", 0, 1)
                    served[b].append(share)
                    busy.append(share * (problem.demand_requests_per_s[b] / rate))
            programme += pulp.lpSum(busy) <= ceiling * running
            replicas.append(running * option.tensor_parallel)
        programme += pulp.lpSum(replicas) <= column.accelerators * counts[c]
    for b, rate in enumerate(problem.demand_requests_per_s):
        if rate > 0:
            programme += pulp.lpSum(served[b]) == 1
    programme += pulp.lpSum(
        count * float(column.usd_per_hour) for count, column in zip(counts, columns, strict=True)
    )
    path = pulp.PULP_CBC_CMD.pulp_cbc_path
    programme.solve(pulp.COIN_CMD(path=path, msg=False, timeLimit=20, gapRel=0.0))
    if programme.sol_status != pulp.LpSolutionOptimal:
        return None
    bought = zip(counts, columns, strict=True)
    return float(sum(round(count.value()) * float(column.usd_per_hour) for count, column in bought))


def regret(plan: Plan, catalog: Catalog) -> float | None:
    """What keeping costs over the optimum, as a share of it; None where CBC did not prove one in time."""
    prices = {offer.id: float(offer.usd_per_hour) for offer in catalog.snapshot.offers}
    kept = sum(line.instances * prices[line.offer_id] for line in plan.purchase)
    best = optimum(prepare(request_of(plan), catalog, None, plan.created_at).problem)
    return None if best is None else (kept - best) / kept


def undone(offers: Sequence[Offer], were: Sequence[Offer]) -> list[Offer]:
    """The offers, those within the noise of what they cost before at that price."""
    then = {offer.id: offer.usd_per_hour for offer in were}
    return [
        replace(offer, usd_per_hour=then[offer.id])
        if abs(offer.usd_per_hour / then[offer.id] - 1) <= Decimal(repr(NOISE))
        else offer
        for offer in offers
    ]


def scaled(offer: Offer, factor: float) -> Offer:
    return replace(offer, usd_per_hour=round(offer.usd_per_hour * Decimal(repr(round(factor, 6))), 6))


def controlled(trials: int) -> tuple[dict[str, Score], int]:
    """Scores per kind of trial, and how many trials had no known truth."""
    scores: dict[str, Score] = defaultdict(Score)
    unknown = 0
    for series in SERIES:
        for number, case in enumerate(cases(series)):
            chance = random.Random(f"{series.name} {number}")
            started = first_plan(case)
            if started is None:
                continue
            plan, _ = started
            offers = case.on(plan.created_at.date())
            unknown += priced_trials(plan, offers, chance, trials, scores)
            removed_trials(plan, offers, chance, trials, scores)
            quota_trials(plan, offers, scores)
    return scores, unknown


def priced_trials(
    plan: Plan, offers: Sequence[Offer], chance: random.Random, trials: int, scores: dict[str, Score]
) -> int:
    kept = {line.offer_id for line in plan.purchase}
    was = market(offers, "was")
    prepared = prepare(request_of(plan), was, None, plan.created_at)
    usable = sorted({column.id for column in prepared.problem.columns} - kept)

    def noisy(size: float) -> list[Offer]:
        return [scaled(offer, 1 + chance.uniform(-size, size)) for offer in offers]

    def one(names: Sequence[str], low: float, high: float) -> list[Offer]:
        chosen, factor = chance.choice(names), chance.uniform(low, high)
        return [scaled(offer, factor) if offer.id == chosen else offer for offer in offers]

    makers: list[tuple[str, Callable[[], list[Offer]]]] = [
        ("noise, each price within 1 %", lambda: noisy(NOISE / 2)),
        ("noise, each price within 2 %", lambda: noisy(NOISE)),
        ("one alternative 5 to 80 % cheaper", lambda: one(usable, 0.2, 0.95)),
        ("one held price 2 to 150 % dearer", lambda: one(sorted(kept), 1.02, 2.5)),
    ]
    unknown = 0
    for name, make in makers:
        for _ in range(trials if usable or "alternative" not in name else 0):
            now = make()
            truth = regret(plan, market(now, "now")), regret(plan, market(undone(now, offers), "calm"))
            if None in truth or any(abs((one or 0) - DEFAULT_THRESHOLD) < TOO_CLOSE for one in truth):
                unknown += 1
                continue
            should = all((one or 0) > DEFAULT_THRESHOLD for one in truth)
            found = drift(plan, market(now, "now"), None, plan.created_at, before=was.snapshot)
            scores[name].add(should, found.verdict == "drift")
            scores[name].noise += (truth[0] or 0) > DEFAULT_THRESHOLD and not should
    return unknown


def removed_trials(
    plan: Plan, offers: Sequence[Offer], chance: random.Random, trials: int, scores: dict[str, Score]
) -> None:
    kept = sorted({line.offer_id for line in plan.purchase})
    others = sorted({offer.id for offer in offers} - set(kept))
    for name in kept + chance.sample(others, min(trials, len(others))):
        left = [offer for offer in offers if offer.id != name]
        found = drift(plan, market(left, "now"), None, plan.created_at)
        told = any(reason.kind is Kind.OFFER_GONE and reason.subject == name for reason in found.reasons)
        scores["one offer removed"].add(name in kept, told if name in kept else bool(found.reasons))


def quota_trials(plan: Plan, offers: Sequence[Offer], scores: dict[str, Score]) -> None:
    """Each pool in turn: at what the plan draws, one unit below, and at half."""
    drawn: Counter[tuple[str, str, str, Any]] = Counter()
    for line in plan.purchase:
        for draw in line.quota_draw:
            drawn[line.provider, draw.region, draw.pool, draw.unit] += draw.units  # type: ignore[assignment]
    for (provider, region, pool, unit), units in drawn.items():
        for limit in (Decimal(units), Decimal(units) - 1, Decimal(units) / 2):
            quota = QuotaLimit(provider, region, pool, unit, limit, Decimal(0))
            found = drift(plan, market(offers, "now"), Account((quota,), "0" * 64, ()), plan.created_at)
            short = limit < units
            told = any(reason.kind is Kind.QUOTA_SHORT for reason in found.reasons)
            scores["one quota at or below the draw"].add(short, told if short else bool(found.reasons))


# --- the tables


def share(part: int, whole: int) -> str:
    return "–" if not whole else f"{part / whole:.3f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--trials", type=int, default=12, help="of each kind, per plan")
    parser.add_argument("--list", action="store_true", help="every alarm of the replay")
    given = parser.parse_args()
    heads = (
        "series | plans | looks | plan-years | a held price changed | alarms | a plan-year | why | s a look"
    )
    print(f"| {heads} |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: | --- | ---: |")
    told = []
    for series in SERIES:
        rung = replay(series)
        told += [f"{series.name}: {words}" for words in rung.notable]
        why = ", ".join(f"{kind} {count}" for kind, count in sorted(rung.reasons.items())) or "–"
        middle = sorted(rung.seconds)[len(rung.seconds) // 2]
        print(
            f"| {series.name} | {rung.plans} | {rung.watched} | {rung.years:.2f} | {rung.moved} "
            f"| {rung.alarms} | {rung.alarms / rung.years:.1f} | {why} | {middle:.2f} |",
            flush=True,
        )
    if given.list:
        print("", *told, sep="\n")
    scores, unknown = controlled(given.trials)
    heads = "trials | regret of noise alone | should drift | found | false alarms | precision | recall"
    print(f"\n| done to the market | {heads} |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    for name, score in scores.items():
        precision = share(score.hits, score.hits + score.false_alarms)
        print(
            f"| {name} | {score.trials} | {score.noise} | {score.true} | {score.hits} "
            f"| {score.false_alarms} | {precision} | {share(score.hits, score.true)} |"
        )
    print(f"\n{unknown} left out: regret within {TOO_CLOSE:g} of the threshold, or CBC not done in 20 s.")


if __name__ == "__main__":
    main()
