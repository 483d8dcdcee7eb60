"""Allocation problems of the paper's size, for the solver's benchmark and its second opinion.

``melange_setting`` is the Mélange paper's own: Llama-2-7B on its four types at its prices (arXiv:2404.14527,
and the release's example), its 10 x 6 grid, TPOT 120 and 40 ms, with the workloads and the throughputs that
ship here: for each size the strongest evidence there is, simulated on the 80 GB cards and estimated on the
24 GB ones. Buckets that a workload leaves empty are no demand.

``paper_scale`` and what follows it is seeded and needs no data. Throughputs come from a plain roofline:
prefill at a share of peak arithmetic, decode at a share of peak bandwidth, the batch as large as KV memory
and a mean TPOT of 120 ms allow, Llama-2-7B in fp16. They show the shape of the problem, not what a vendor's
card does; nothing of this ships in the product. Peaks are the vendors' data sheets' dense fp16 figures.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from advisor.catalog.facts import load_facts
from advisor.domain import Slo, Throughput
from advisor.optimize.problem import Column, Problem, ServingOption
from advisor.profiles.engines import Engine
from advisor.profiles.query import ProfileStore
from advisor.profiles.replica import Replica
from advisor.workload.demand import demands
from advisor.workload.named import load_workload

if TYPE_CHECKING:
    from collections.abc import Sequence

WORKLOADS = {  # the paper's three: its short, long and mixed request sizes
    "openorca": "short",
    "arxiv-summarization": "long",
    "mixed-80-openorca-20-arxiv": "mixed",
}
PAPER_TYPES = {
    "l4-24gb": "0.70",
    "a10g-24gb": "1.01",
    "a100-sxm-80gb": "3.67",
    "h100-sxm-80gb": "7.516",
}
PAPER_TPOTS_MS = (120, 40)

INPUT_EDGES = (0, 25, 100, 250, 500, 1000, 2000, 4000, 8000, 12000, 16000)  # the paper's 10 x 6 buckets
OUTPUT_EDGES = (0, 25, 100, 250, 500, 1000, 2000)

WEIGHT_BYTES = 6.74e9 * 2
KV_BYTES_PER_TOKEN = 2 * 32 * 4096 * 2
FLOP_PER_TOKEN = 2 * 6.74e9
COMPUTE_SHARE, BANDWIDTH_SHARE, MEMORY_SHARE = 0.5, 0.7, 0.9
TPOT_S = 0.120


@dataclass(frozen=True)
class Card:
    name: str
    usd_per_hour: str
    tflops: float
    gb_per_s: float
    memory_gb: float


CARDS = (
    Card("L4", "0.70", 121, 300, 24),
    Card("A10G", "1.01", 70, 600, 24),
    Card("A100-80GB", "3.67", 312, 2039, 80),
    Card("H100", "7.516", 989, 3350, 80),
)

# (weight, median input, sigma, median output, sigma) of log-normal request sizes
MIXES = {
    "short": ((1.0, 150, 1.3, 180, 1.0),),
    "long": ((1.0, 4500, 0.6, 220, 0.5),),
    "mixed": ((0.8, 150, 1.3, 180, 1.0), (0.2, 4500, 0.6, 220, 0.5)),
}


def shares(
    mix: str, input_edges: Sequence[float] = INPUT_EDGES, output_edges: Sequence[float] = OUTPUT_EDGES
) -> list[float]:
    """Share of requests per bucket, row by row; every bucket has some."""
    found = np.zeros((len(input_edges) - 1, len(output_edges) - 1))
    for weight, median_in, sigma_in, median_out, sigma_out in MIXES[mix]:
        rows = np.diff([_below(edge, median_in, sigma_in) for edge in input_edges])
        columns = np.diff([_below(edge, median_out, sigma_out) for edge in output_edges])
        found += weight * np.outer(rows, columns)
    return [float(x) for x in (found / found.sum()).ravel()]


def _below(edge: float, median: float, sigma: float) -> float:
    return 0.5 * (1 + math.erf(math.log(edge / median) / (sigma * math.sqrt(2)))) if edge else 0.0


def requests_per_s(card: Card) -> list[float]:
    """Roofline throughput per bucket, at the bucket's upper edges; 0 where not one request fits."""
    found = []
    for tokens_in in INPUT_EDGES[1:]:
        for tokens_out in OUTPUT_EDGES[1:]:
            context = tokens_in + tokens_out / 2
            room = card.memory_gb * 1e9 * MEMORY_SHARE - WEIGHT_BYTES
            batch = min(room / (KV_BYTES_PER_TOKEN * (tokens_in + tokens_out)), 256.0)
            bandwidth = card.gb_per_s * 1e9 * BANDWIDTH_SHARE
            batch = min(batch, (TPOT_S * bandwidth - WEIGHT_BYTES) / (KV_BYTES_PER_TOKEN * context))
            if batch < 1:
                found.append(0.0)
                continue
            prefill_s = tokens_in * FLOP_PER_TOKEN / (card.tflops * 1e12 * COMPUTE_SHARE)
            step_s = (WEIGHT_BYTES + batch * KV_BYTES_PER_TOKEN * context) / bandwidth
            found.append(batch / (batch * prefill_s + tokens_out * step_s))
    return found


def melange_setting(requests_per_second: float, workload: str, tpot_ms: float) -> Problem:
    """The paper's setting on shipped evidence; a type that cannot keep the TPOT is no column."""
    streams = demands(load_workload(workload), requests_per_second)
    rates = _shipped_throughputs(workload, tpot_ms)
    columns = tuple(_column(name, Decimal(PAPER_TYPES[name]), list(found)) for name, found in rates.items())
    labels = tuple(f"{b.input_tokens_min}-{b.input_tokens_max}/{b.output_tokens_min}-{b.output_tokens_max}"
                   for b, _ in streams)  # fmt: skip
    return Problem(tuple(rate for _, rate in streams), labels, columns, {})


@cache
def _shipped_throughputs(workload: str, tpot_ms: float) -> dict[str, tuple[float, ...]]:
    facts, profiles = load_facts(), ProfileStore.load()
    sizes = [(b.input_tokens, b.output_tokens) for b in load_workload(workload).buckets]
    found = {}
    for name in PAPER_TYPES:
        replica = Replica(facts.models["Llama-2-7B"], "fp16", facts.accelerators[name], engine=Engine("vLLM"))
        answers = profiles.throughputs(replica, sizes, Slo(tpot_ms))
        rates = tuple(x.requests_per_s if isinstance(x, Throughput) else 0.0 for x in answers)
        if any(rates):
            found[name] = rates
    return found


def paper_scale(requests_per_second: float, mix: str = "mixed") -> Problem:
    """60 buckets, 4 types, no limits."""
    columns = tuple(_column(card.name, Decimal(card.usd_per_hour), requests_per_s(card)) for card in CARDS)
    return _problem(requests_per_second, mix, columns)


def many_offers(count: int, requests_per_second: float = 32.0, seed: int = 1) -> Problem:
    """``count`` offers, each a type of its own: throughputs and price scattered around a card's."""
    chance = np.random.default_rng(seed)
    base = [(Decimal(card.usd_per_hour), np.array(requests_per_s(card))) for card in CARDS]
    columns = []
    for i in range(count):
        price, rates = base[i % len(base)]
        scattered = rates * float(chance.lognormal(0.0, 0.15)) * chance.lognormal(0.0, 0.03, rates.size)
        usd = (price * Decimal(float(chance.lognormal(0.0, 0.25)))).quantize(Decimal("0.0001"))
        columns.append(_column(f"offer-{i:05}", usd, [float(x) for x in scattered]))
    return _problem(requests_per_second, "mixed", tuple(columns))


def random_instance(seed: int) -> Problem:
    """2 to 4 types, a mix, a rate from 1 to 64, throughputs scattered by a tenth."""
    chance = np.random.default_rng(seed)
    chosen = sorted(chance.choice(len(CARDS), size=int(chance.integers(2, 5)), replace=False))
    if not any(CARDS[i].memory_gb > 40 for i in chosen):
        chosen.append(2)
    columns = []
    for i in chosen:
        rates = np.array(requests_per_s(CARDS[i])) * chance.lognormal(0.0, 0.1, 60)
        columns.append(_column(CARDS[i].name, Decimal(CARDS[i].usd_per_hour), [float(x) for x in rates]))
    mix = list(MIXES)[int(chance.integers(len(MIXES)))]
    return _problem(float(chance.choice([1, 2, 4, 8, 16, 32, 64])), mix, tuple(columns))


def _column(name: str, usd_per_hour: Decimal, rates: list[float]) -> Column:
    return Column(name, usd_per_hour, 1, (ServingOption(1, tuple(rates)),))


def _problem(requests_per_second: float, mix: str, columns: tuple[Column, ...]) -> Problem:
    demand = tuple(share * requests_per_second for share in shares(mix))
    return Problem(demand, tuple(f"bucket {b:02}" for b in range(len(demand))), columns, {})
