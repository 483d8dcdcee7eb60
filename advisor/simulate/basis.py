"""What a verdict is worth: which evidence drove the replicas, in figures and in a sentence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from advisor.domain import EvidenceKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from advisor.simulate.fleet import ReplayFleet, ReplicaGroup


TTFT_ERROR_PCT: Final = 9.0
TTFT_CROWDED_ERROR_PCT: Final = 25.0
"""How far TTFTs are from measured ones that drove nothing: median error of 743 points, and of those with
over 64 requests in flight. Source: ``python -m benchmarks.simulate``, 2026-11-30."""


@dataclass(frozen=True, slots=True)
class EvidenceBasis:
    """What the step times of a whole fleet rest on."""

    shares: dict[EvidenceKind, float]  #: of the planned work
    sentence: str
    notes: tuple[str, ...]


def basis(fleet: ReplayFleet) -> EvidenceBasis:
    """The evidence of all groups, weighted by the work each is planned to do."""
    return basis_of([(group, len(group.replicas)) for group in fleet.groups])


def basis_of(replicas: Sequence[tuple[ReplicaGroup, int]]) -> EvidenceBasis:
    """The same of groups and how many replicas each stands for."""
    groups = [group for group, _ in replicas]
    work = [group.utilization * count for group, count in replicas]
    total = sum(work) or 1.0
    shares = dict.fromkeys(EvidenceKind, 0.0)
    error = 0.0
    for group, part in zip(groups, work, strict=True):
        for kind, share in group.drive.evidence.shares.items():
            shares[kind] += share * part / total
        error += group.drive.evidence.median_error_pct * part / total
    known = {kind: share for kind, share in shares.items() if share > 0}
    words = ", ".join(f"{share:.0%} {kind.value}" for kind, share in known.items())
    points = sum(group.drive.evidence.points for group in groups)
    sentence = (
        f"Step times fitted to {points:,} load points ({words} by planned work), TPOT reproduced within "
        f"{error:.1f} % typically."
    )
    sentence += (
        f" Measured TTFTs that drove no fit were met within {TTFT_ERROR_PCT:g} % typically; "
        f"{TTFT_CROWDED_ERROR_PCT:g} % with over 64 requests in flight."
    )
    if EvidenceKind.MEASURED not in known:
        sentence += " Nothing of it was measured: the verdict is about a model of the hardware."
    elif EvidenceKind.ESTIMATED in known:
        sentence += " Where only estimates exist the verdict is the estimator's."
    notes = dict.fromkeys(note for group in groups for note in group.drive.evidence.notes)
    return EvidenceBasis(known, sentence, tuple(notes))


def beyond_evidence(peaks: Iterable[tuple[ReplicaGroup, int]]) -> list[str]:
    """Which groups ran batches that no load point is of, given each group's largest."""
    most: dict[str, tuple[int, int]] = {}
    for group, peak in peaks:
        if peak > group.drive.known_sequences:
            most[group.accelerator] = max(
                most.get(group.accelerator, (0, 0)), (peak, group.drive.known_sequences)
            )
    return [
        f"Up to {peak:,} requests shared a replica on {name}; load points end at {known:,}: steps of larger "
        f"batches are extended along a straight line, not measured."
        for name, (peak, known) in most.items()
    ]
