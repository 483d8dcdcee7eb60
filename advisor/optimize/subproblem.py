"""Part of a problem: some of its offers, what they run, and maybe one service; and the way back."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence, Set

    from advisor.optimize.formulation import ProgrammeAnswer
    from advisor.optimize.reduced import InstanceKind, Reduced


@dataclass(frozen=True, slots=True, eq=False)
class Subproblem:
    """A smaller problem, and what its numbers are in the larger one."""

    reduced: Reduced
    candidates: tuple[int, ...]
    uses: tuple[tuple[tuple[int, int], ...], ...]  #: per kind and use: (kind, use)
    demands: tuple[int, ...]


def part_of(
    reduced: Reduced, candidates: Set[int], uses: Set[tuple[int, int]], service: int | None = None
) -> Subproblem:
    """Only some offers, what they run, and maybe one service. Kinds keep their numbers; some are empty."""
    demands = [b for b, s in enumerate(reduced.demand_service) if service in (None, s)]
    at = np.full(len(reduced.groups), -1, dtype=np.intp)
    at[demands] = np.arange(len(demands))
    chosen: dict[int, list[int]] = {}
    for c in sorted(candidates):
        chosen.setdefault(reduced.candidates[c].kind, []).append(c)
    kept: list[int] = []
    kinds: list[InstanceKind] = []
    runs: list[tuple[tuple[int, int], ...]] = []
    for p, kind in enumerate(reduced.kinds):
        members = chosen.get(p, [])
        own = [
            u
            for u, use in enumerate(kind.uses)
            if members and (p, u) in uses and (service is None or use.service == service)
        ]
        if not own and not any(reduced.candidates[c].held for c in members):
            members = []
        kept += members
        runs.append(tuple((p, u) for u in own))
        kinds.append(
            replace(
                kind,
                members=tuple(members),
                uses=tuple(replace(kind.uses[u], demands=at[kind.uses[u].demands]) for u in own),
                usd_per_hour_of=None if kind.usd_per_hour_of is None else kind.usd_per_hour_of[demands],
            )
        )
    kept.sort()
    place = {c: i for i, c in enumerate(kept)}
    kinds = [replace(kind, members=tuple(place[c] for c in kind.members)) for kind in kinds]
    small = replace(
        reduced,
        candidates=tuple(reduced.candidates[c] for c in kept),
        kinds=tuple(kinds),
        groups=tuple(reduced.groups[b] for b in demands),
        demand_requests_per_s=tuple(reduced.demand_requests_per_s[b] for b in demands),
        demand_service=tuple(reduced.demand_service[b] for b in demands),
    )
    return Subproblem(small, tuple(kept), tuple(runs), tuple(demands))


def translated(reduced: Reduced, part: Subproblem, answer: ProgrammeAnswer) -> ProgrammeAnswer:
    """An answer about a part, in the numbers of the whole."""
    counts = [0.0] * len(reduced.candidates)
    for c, count in zip(part.candidates, answer.instances, strict=True):
        counts[c] = count
    replicas = {part.uses[p][u]: count for (p, u), count in answer.replicas.items()}
    for p, kind in enumerate(part.reduced.kinds):
        if len(kind.uses) == 1:
            bought = sum(answer.instances[c] for c in kind.members)
            replicas[part.uses[p][0]] = kind.uses[0].slots * bought
    return replace(
        answer,
        instances=tuple(counts),
        replicas=replicas,
        shares={(*part.uses[p][u], part.demands[b]): share for (p, u, b), share in answer.shares.items()},
        flows={(part.demands[b], j, place): flow for (b, j, place), flow in answer.flows.items()},
    )


def only(reduced: Reduced, candidates: Set[int]) -> Subproblem:
    """Some offers with all they run, those of a fleet held besides."""
    held = {c for c, x in enumerate(reduced.candidates) if x.held}
    uses = {(p, u) for p, kind in enumerate(reduced.kinds) for u in range(len(kind.uses))}
    return part_of(reduced, candidates | held, uses)


def in_the_whole(reduced: Reduced, part: Subproblem, instances: Sequence[int]) -> tuple[int, ...]:
    """Counts of :func:`only` some offers in the numbers of the whole."""
    counts = [0] * len(reduced.candidates)
    for c, count in zip(part.candidates, instances, strict=True):
        counts[c] = count
    return tuple(counts)
