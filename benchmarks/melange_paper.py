"""Rebuilds the Mélange paper's evaluation and prints it beside ours: ``python -m benchmarks.melange_paper``.

The paper (arXiv:2404.14527) serves Llama-2-7B from L4, A10G, A100-80GB and H100, one GPU to a replica, at 1
to 32 requests a second, mean TPOT 120 and 40 ms, for short, long and mixed requests, and states what each
single type costs over Mélange's mix. ``fixtures/melange/paper_evaluation.json`` holds those figures. Ours
come from the throughput and the prices that ship here, the paper's rule of cutting each bucket into slices,
and the workloads that stand in for its own. Reads nothing outside the repository.
"""

from __future__ import annotations

import argparse
import json
import statistics
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Any

from advisor.catalog.facts import load_facts
from advisor.catalog.store import open_snapshot
from advisor.domain import Availability, Market, Slo, Throughput
from advisor.errors import Infeasible, NoCandidates
from advisor.optimize.problem import Column, Problem, ServingOption
from advisor.optimize.solve import solve
from advisor.profiles.engines import Engine
from advisor.profiles.memory import weight_bytes
from advisor.profiles.query import ProfileStore
from advisor.profiles.replica import Replica
from advisor.workload.demand import demands
from advisor.workload.named import load_workload

PAPER = Path(__file__).resolve().parents[1] / "fixtures" / "melange" / "paper_evaluation.json"
STAND_INS = {"short": "openorca", "long": "arxiv-summarization", "mixed": "mixed-80-openorca-20-arxiv"}
SLICES = 8  # of the paper's evaluation
SHORT_NAMES = {
    "l4-24gb": "L4",
    "a10g-24gb": "A10G",
    "a100-sxm-80gb": "A100",
    "h100-sxm-80gb": "H100",
}
SAME_CARD = {"a100-sxm-80gb": ("a100-sxm-80gb", "a100-pcie-80gb")}
"""The paper's A100-80GB costs what Azure asks for the PCIe card; either may be bought, at the SXM's speed."""

Rates = dict[str, tuple[float, ...]]
Prices = dict[str, Decimal]


@dataclass(frozen=True)
class Costs:
    """Dollars an hour for one cell; None where the type cannot serve it."""

    mix: Decimal | None
    alone: dict[str, Decimal | None]

    def saving_pct(self, chip: str) -> float | None:
        """What the mix saves against one type."""
        single = self.alone.get(chip)
        if single is None or self.mix is None:
            return None
        return 100 * float(1 - self.mix / single)


@cache
def throughputs(workload: str, tpot_ms: float, upper_edges: bool = False) -> Rates:
    """Requests per second of one GPU per bucket, on the strongest evidence that ships; 0 where it cannot."""
    facts, profiles = load_facts(), ProfileStore.load()
    buckets = load_workload(workload).buckets
    sizes = [
        (float(b.input_tokens_max), float(b.output_tokens_max))
        if upper_edges
        else (b.input_tokens, b.output_tokens)
        for b in buckets
    ]
    found = {}
    for chip in SHORT_NAMES:
        replica = Replica(facts.models["Llama-2-7B"], "fp16", facts.accelerators[chip], engine=Engine("vLLM"))
        answers = profiles.throughputs(replica, sizes, Slo(tpot_ms))
        found[chip] = tuple(a.requests_per_s if isinstance(a, Throughput) else 0.0 for a in answers)
    return found


def costs(workload: str, tpot_ms: float, rate: float, prices: Prices, rates: Rates) -> Costs:
    """Cost of the mix and of each single type."""
    streams = demands(load_workload(workload), rate)
    labels = tuple(bucket.label for bucket, _ in streams)
    wanted = tuple(per_s for _, per_s in streams)

    def cheapest(chips: list[str]) -> Decimal | None:
        columns = tuple(
            Column(chip, prices[chip], 1, (ServingOption(1, rates[chip]),))
            for chip in chips
            if any(rates[chip])
        )
        try:
            return solve(Problem(wanted, labels, columns, {}), slices=SLICES).usd_per_hour
        except (NoCandidates, Infeasible):
            return None

    return Costs(cheapest(list(prices)), {chip: cheapest([chip]) for chip in prices})


def todays_prices(*, stock_stated: bool) -> tuple[Prices, list[str]]:
    """The cheapest instance with one such GPU on demand in the shipped snapshot, and where it is."""
    offers = [
        offer
        for offer in open_snapshot(None).offers
        if offer.market is Market.ON_DEMAND
        and offer.accelerators == 1
        and not {"not_sold_this_way", "retired", "estimated_price"} & set(offer.flags)
        and (offer.availability is Availability.AVAILABLE or not stock_stated)
        and offer.availability is not Availability.UNAVAILABLE
    ]
    prices, words = {}, []
    for chip, name in SHORT_NAMES.items():
        cards = SAME_CARD.get(chip, (chip,))
        best = min((o for o in offers if o.accelerator in cards), key=lambda o: (o.usd_per_hour, o.id))
        prices[chip] = best.usd_per_hour
        words.append(f"{name} {best.usd_per_hour.normalize():f} ({best.provider} {best.instance_type})")
    return prices, words


def span(savings: list[float]) -> str:
    """``15 to 77``."""
    return f"{min(savings):.0f} to {max(savings):.0f}" if savings else "–"


def side_by_side(paper: dict[str, Any], prices: Prices) -> dict[tuple[str, float, float], Costs]:
    """Print every cell of the paper beside ours, at its prices."""
    names = list(SHORT_NAMES.values())
    print("Cost of one type alone over the mix; $/h of the mix. Left the paper, right ours, its prices.")
    print(
        f"{'':6}{'TPOT':>5}{'req/s':>6} |{'mix':>7}" + "".join(f"{n:>6}" for n in names)
        + f" |{'mix':>7}" + "".join(f"{n:>6}" for n in names)
    )  # fmt: skip
    found = {}
    for cell in paper["cells"]:
        workload, tpot, rate = cell["workload"], cell["tpot_ms"], cell["requests_per_s"]
        name = STAND_INS[workload]
        ours = costs(name, tpot, rate, prices, throughputs(name, tpot))
        found[workload, tpot, rate] = ours
        theirs = cell["mix_usd_per_hour_inferred"]
        line = f"{workload:6}{tpot:5}{rate:6} |{'–' if theirs is None else f'{theirs:.2f}':>7}"
        line += "".join(_ratio(cell["cost_over_mix"].get(chip)) for chip in SHORT_NAMES)
        line += f" |{'–' if ours.mix is None else f'{ours.mix:.2f}':>7}"
        line += "".join(
            _ratio(None if usd is None or ours.mix is None else float(usd / ours.mix))
            for usd in ours.alone.values()
        )
        print(line)
    return found


def _ratio(value: float | None) -> str:
    return f"{'–' if value is None else f'{value:.2f}':>6}"


def savings(
    paper: dict[str, Any], at_its_prices: dict[tuple[str, float, float], Costs], sets: dict[str, Prices]
) -> None:
    """Print what the mix saves: the paper's figures, ours at its prices and at today's."""
    heads = ["paper", "ours, its $", *(f"ours, {name}" for name in sets)]
    over_all, over_best = [], []
    for headline in paper["headline_saving_pct"]:
        key = headline["workload"], headline["tpot_ms"]
        cells = [c for c in paper["cells"] if (c["workload"], c["tpot_ms"]) == key]
        theirs = [100 * (1 - 1 / min(c["cost_over_mix"].values())) for c in cells]
        sources = [{c["requests_per_s"]: at_its_prices[*key, c["requests_per_s"]] for c in cells}]
        sources += [_at(key, cells, prices) for prices in sets.values()]
        found = [_of(cells, costs_at) for costs_at in sources]
        over_all.append([f"{headline['min']} to {headline['max']}", *(span(list(chain(*f))) for f in found)])
        medians = [statistics.median(theirs), *(statistics.median(min(s) for s in f if s) for f in found)]
        over_best.append([f"{median:.0f}" for median in medians])
    print("\nSaving of the mix over a single type, %, least to most over types and rates")
    _table(paper, heads, over_all)
    print("\nSaving of the mix over the best single type, %, median over the rates")
    _table(paper, heads, over_best)


def _table(paper: dict[str, Any], heads: list[str], rows: list[list[str]]) -> None:
    print(f"{'':6}{'TPOT':>5} |" + "".join(f"{head:>19}" for head in heads))
    for headline, row in zip(paper["headline_saving_pct"], rows, strict=True):
        print(f"{headline['workload']:6}{headline['tpot_ms']:5} |" + "".join(f"{text:>19}" for text in row))


def _at(key: tuple[str, float], cells: list[dict[str, Any]], prices: Prices) -> dict[float, Costs]:
    name = STAND_INS[key[0]]
    rates = throughputs(name, key[1])
    return {c["requests_per_s"]: costs(name, key[1], c["requests_per_s"], prices, rates) for c in cells}


def _of(cells: list[dict[str, Any]], costs_at: dict[float, Costs]) -> list[list[float]]:
    """Our savings per rate, against the types the paper compares with that can serve it here."""
    found = []
    for cell in cells:
        ours = costs_at[cell["requests_per_s"]]
        saved = [ours.saving_pct(chip) for chip in cell["cost_over_mix"]]
        found.append([saving for saving in saved if saving is not None])
    return found


def explain(paper: dict[str, Any], ours: dict[tuple[str, float, float], Costs], prices: Prices) -> None:
    """Print what makes the difference, each with its own figure."""
    facts, profiles = load_facts(), ProfileStore.load()
    model, one = facts.models["Llama-2-7B"], paper["one_gpu"]
    size = (float(one["input_tokens"]), float(one["output_tokens"]))
    print("\nWhy they differ")
    print(f"1. Engine era: one GPU, {size[0]:.0f} in, {size[1]:.0f} out, {one['tpot_ms']} ms:")
    for chip, theirs in one["requests_per_s"].items():
        replica = Replica(model, "fp16", facts.accelerators[chip], engine=Engine("vLLM"))
        (mine,) = profiles.throughputs(replica, [size], Slo(one["tpot_ms"]))
        if isinstance(mine, Throughput):
            print(
                f"   {SHORT_NAMES[chip]:5} paper {theirs:.2f}/s, ours {mine.requests_per_s:.2f}/s "
                f"({mine.requests_per_s / theirs:.1f} x; {mine.kind.value}, {mine.source[:60]})"
            )
    ratios: dict[str, list[float]] = {}
    for cell in paper["cells"]:
        mix = ours[cell["workload"], cell["tpot_ms"], cell["requests_per_s"]].mix
        if cell["mix_usd_per_hour_inferred"] and mix:
            ratios.setdefault(cell["workload"], []).append(cell["mix_usd_per_hour_inferred"] / float(mix))
    medians = ", ".join(f"{name} {statistics.median(found):.1f}" for name, found in ratios.items())
    print(f"   The paper's mix over ours, same prices, median per workload: {medians}.")
    chip = facts.accelerators["l4-24gb"]
    weights_ms = sum(weight_bytes(model, "fp16")) / (chip.memory_bandwidth_gb_per_s or 0.0) / 1e6
    print(
        f"2. L4 at 40 ms: its weights alone take {weights_ms:.0f} ms to read once at "
        f"{chip.memory_bandwidth_gb_per_s:.0f} GB/s, so we say it cannot; the paper shows it serving."
    )
    edges = [
        float(at_edge / mix)
        for cell in paper["cells"]
        if (mix := ours[key := (cell["workload"], cell["tpot_ms"], cell["requests_per_s"])].mix)
        and (at_edge := _at_edges(key, prices)) is not None
    ]
    print(
        "3. Sizes: the paper profiles each bucket at its upper edge, we take the mean of its requests. At "
        f"upper edges our mix costs {statistics.median(edges):.2f} x (median of {len(edges)} cells)."
    )
    print("4. Traces: the paper's are not public as it cut them; ours stand in:")
    for name, trace in STAND_INS.items():
        buckets = load_workload(trace).buckets
        tokens_in = sum(b.share * b.input_tokens for b in buckets)
        tokens_out = sum(b.share * b.output_tokens for b in buckets)
        print(f"   {name} is {trace}, mean {tokens_in:.0f} in, {tokens_out:.0f} out.")


def _at_edges(key: tuple[str, float, float], prices: Prices) -> Decimal | None:
    name = STAND_INS[key[0]]
    return costs(name, key[1], key[2], prices, throughputs(name, key[1], upper_edges=True)).mix


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.parse_args()
    paper = json.loads(PAPER.read_text(encoding="utf-8"))
    its = {chip: Decimal(usd) for chip, usd in paper["usd_per_hour"].items()}
    stated, where = todays_prices(stock_stated=True)
    listed, listed_where = todays_prices(stock_stated=False)
    ours = side_by_side(paper, its)
    savings(paper, ours, {"today": stated, "today, any": listed})
    print(f"today: {'; '.join(where)}")
    print(f"today, any stock: {'; '.join(listed_where)}")
    explain(paper, ours, its)


if __name__ == "__main__":
    main()
