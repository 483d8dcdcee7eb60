"""Allocation problems the size of the market: clouds x regions x configurations x markets, seeded.

Each cloud sells every accelerator in instances of 1, 2, 4 and 8, on demand and spot, in regions scattered
over a globe. Prices follow a card's size and age with noise per region and a spot discount per offer. Quotas
are hierarchical: per family, market and region, and per family and market over all regions; spot has a
stock per offer. A service is a model of its own size with 60 buckets of requests; users sit in cities, and a
region may serve a city within a distance. Throughput is the plain roofline of ``solve_instances``, for other
models and tensor-parallel degrees: it shows the shape of the problem, not what a card does.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

import numpy as np
from solve_instances import INPUT_EDGES, MIXES, OUTPUT_EDGES, TPOT_S, shares

from advisor.optimize.problem import Column, Problem, Routing, ServiceTerms, ServingOption

if TYPE_CHECKING:
    from collections.abc import Sequence

MARKETS = ("on_demand", "spot")
SIZES = (1, 2, 4, 8)
MODELS_B = (7, 8, 13, 3, 32, 70, 9, 14, 24, 1)  # billions of parameters, in the order services are added
CITIES = ((40.7, -74.0), (51.5, -0.1), (35.7, 139.7), (-23.5, -46.6), (1.3, 103.8))
FARTHEST_KM = 6_000

# (peak dense fp16 TFLOP/s, GB/s, GB, $/h): round figures of the generations on sale
CARDS = (
    (65, 320, 16, 0.4), (121, 300, 24, 0.7), (70, 600, 24, 1.0), (90, 864, 48, 1.2), (181, 864, 48, 1.6),
    (125, 900, 32, 2.4), (165, 933, 24, 1.3), (312, 1555, 40, 2.9), (312, 2039, 80, 3.7),
    (500, 1792, 96, 2.2),
    (989, 3350, 80, 6.9), (989, 4800, 141, 8.3), (1300, 5300, 192, 7.5), (2250, 8000, 180, 11.0),
    (2500, 8000, 288, 13.5),
)  # fmt: skip


@dataclass(frozen=True)
class Size:
    """What to generate."""

    services: int = 1
    origins: int = 1
    clouds: int = 3
    regions: int = 30
    requests_per_s: float = 300.0  #: of all services together
    quotas: bool = True
    buckets: int = 60
    seed: int = 0

    @property
    def offers(self) -> int:
        """Columns of the problem."""
        return self.clouds * self.regions * len(CARDS) * len(SIZES) * len(MARKETS)


def instance(size: Size) -> Problem:
    """The problem of that size; the same seed gives the same."""
    chance = np.random.default_rng(size.seed)
    mixes = list(MIXES)
    owner = tuple(s for s in range(size.services) for _ in range(size.buckets))
    weight = chance.dirichlet(np.full(size.services, 4.0))
    demand = []
    for s in range(size.services):
        share = np.array(shares(mixes[s % len(mixes)]))[: size.buckets]
        demand += (share / share.sum() * weight[s] * size.requests_per_s).tolist()
    options = {
        (card, count): _options(card, count, size, owner) for card in range(len(CARDS)) for count in SIZES
    }
    places = {
        f"cloud{c}:region{r:02}": (chance.uniform(-40, 60), chance.uniform(-180, 180))
        for c in range(size.clouds)
        for r in range(size.regions)
    }
    columns, free = _market(size, chance, options, list(places))
    return Problem(
        tuple(demand),
        tuple(f"service {s} bucket {b:02}" for b, s in enumerate(owner)),
        tuple(columns),
        free if size.quotas else {},
        tuple(ServiceTerms(f"s{s}", 0.85) for s in range(size.services)),
        owner,
        _routing(size, chance, places) if size.origins > 1 else None,
    )


def _market(
    size: Size,
    chance: np.random.Generator,
    options: dict[tuple[int, int], tuple[ServingOption, ...]],
    places: list[str],
) -> tuple[list[Column], dict[str, Decimal]]:
    columns, free = [], {}
    scale = size.requests_per_s / 300.0
    for place in places:
        cloud = place.split(":")[0]
        level = float(chance.lognormal(0.0, 0.08))
        for card, (_, _, _, usd) in enumerate(CARDS):
            for market in MARKETS:
                local, everywhere = f"{place}:{card}:{market}", f"{cloud}:{card}:{market}"
                free[local] = Decimal(int(chance.choice([0, 4, 8, 16, 32, 64]) * max(1.0, scale)))
                if everywhere not in free:
                    free[everywhere] = Decimal(int(chance.choice([16, 32, 64, 128]) * max(1.0, scale)))
                cheaper = 1.0 if market == "on_demand" else float(chance.uniform(0.35, 0.75))
                for count in SIZES:
                    if not options[card, count]:
                        continue
                    price = usd * count * level * cheaper * float(chance.lognormal(0.0, 0.04))
                    columns.append(
                        Column(
                            f"{place}:{card:02}x{count}:{market}",
                            Decimal(str(round(price, 4))),
                            count,
                            options[card, count],
                            ((local, Decimal(count)), (everywhere, Decimal(count))),
                            int(chance.integers(0, 12)) if market == "spot" else None,
                            place,
                        )
                    )
    return columns, free


def _options(card: int, count: int, size: Size, owner: tuple[int, ...]) -> tuple[ServingOption, ...]:
    """Per service the smallest degree at which its model fits."""
    found = []
    for s in range(size.services):
        weight = MODELS_B[s % len(MODELS_B)] * 2e9
        degree = smallest_degree(card, count, weight)
        if degree is None:
            continue
        rates = requests_per_s(card, degree, weight)[: size.buckets]
        if rates.any():
            own = iter(rates.tolist())
            found.append(ServingOption(degree, tuple(next(own) if x == s else 0.0 for x in owner), s))
    return tuple(found)


def smallest_degree(card: int, count: int, weight_bytes: float) -> int | None:
    """Of those that fit an instance of so many cards, the least whose memory holds the model."""
    return next(
        (k for k in SIZES if k <= count and CARDS[card][2] * 1e9 * k * 0.9 > weight_bytes * 1.25), None
    )


def requests_per_s(
    card: int,
    degree: int,
    weight_bytes: float,
    input_edges: Sequence[float] = INPUT_EDGES,
    output_edges: Sequence[float] = OUTPUT_EDGES,
) -> np.ndarray:
    """Of one replica, per bucket at its upper edges; 0 where not one request fits."""
    tflops, gb_per_s, gb, _ = (x * degree for x in CARDS[card])
    better = 0.94 ** np.log2(degree)
    kv_bytes = 0.03 * weight_bytes**0.5  # grows slower than the weights
    found = []
    for tokens_in in input_edges[1:]:
        for tokens_out in output_edges[1:]:
            context = tokens_in + tokens_out / 2
            bandwidth = gb_per_s * 1e9 * 0.7 * better
            batch = min((gb * 1e9 * 0.9 - weight_bytes) / (kv_bytes * 8 * (tokens_in + tokens_out)), 256.0)
            batch = min(batch, (TPOT_S * bandwidth - weight_bytes) / (kv_bytes * 8 * context))
            if batch < 1:
                found.append(0.0)
                continue
            prefill_s = tokens_in * weight_bytes / (tflops * 1e12 * 0.5 * better)
            step_s = (weight_bytes + batch * kv_bytes * 8 * context) / bandwidth
            found.append(batch / (batch * prefill_s + tokens_out * step_s))
    return np.array(found)


def _routing(size: Size, chance: np.random.Generator, places: dict[str, tuple[float, float]]) -> Routing:
    cities = CITIES[: size.origins]
    split = tuple(
        tuple(float(x) for x in chance.dirichlet(np.ones(len(cities)) * 3)) for _ in range(size.services)
    )
    near = {
        (o, place)
        for o, city in enumerate(cities)
        for place, at in places.items()
        if _km(city, at) < FARTHEST_KM
    }
    admits = frozenset((s, o, place) for s in range(size.services) for o, place in near)
    return Routing(tuple(f"city {o}" for o in range(len(cities))), split, admits)


def _km(one: tuple[float, float], other: tuple[float, float]) -> float:
    a, b, c, d = np.radians([*one, *other])
    inside = np.sin(a) * np.sin(c) + np.cos(a) * np.cos(c) * np.cos(b - d)
    return float(6371 * np.arccos(np.clip(inside, -1, 1)))
