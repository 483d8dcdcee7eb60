"""What figures of a cell, or of rival replicas, say against each other: a ratio, and whether it counts.

Intervals that overlap are a tie: nobody can say which is faster.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from advisor.domain import EvidenceKind
from advisor.profiles.interval import Interval

if TYPE_CHECKING:
    from collections.abc import Sequence

    from advisor.profiles.compare import ComparedCell, ComparedFigure, Condition

FASTEST: Final = "fastest"
TIE: Final = "tie"
FASTER: Final = "faster"
SLOWER: Final = "slower"
OPEN: Final = "open"


Ranks = dict[tuple[str, int, tuple[float, float]], str]
"""A word per replica (accelerator, tensor-parallel degree) and request size."""


def ratio(figure: ComparedFigure, reference: ComparedFigure | None) -> float | None:
    """Rate over the reference's rate; None where either is missing."""
    if figure.requests_per_s is None or reference is None or not reference.requests_per_s:
        return None
    return figure.requests_per_s / reference.requests_per_s


def verdict(figure: ComparedFigure, reference: ComparedFigure | None, condition: Condition) -> str | None:
    """``tie`` where the intervals overlap, else ``faster`` or ``slower``; None where either says nothing.

    Under a limit, a reference whose heaviest load still kept it is a lower bound: what is not below it is
    ``open``. A figure whose error nobody knows counts as exact, so that a tie is never claimed for want of
    knowledge.
    """
    if reference is None or figure.requests_per_s is None or reference.requests_per_s is None:
        return None
    slower = figure.requests_per_s < reference.requests_per_s
    apart = not _span(figure).overlaps(_span(reference))
    if is_lower_bound(reference, condition) and not (slower and apart):
        return OPEN
    return TIE if not apart else SLOWER if slower else FASTER


def is_lower_bound(figure: ComparedFigure, condition: Condition) -> bool:
    """Whether the replica may sustain more: the heaviest load that was run still kept the limits."""
    return (
        condition.concurrency is None
        and figure.limited_by == "load"
        and figure.kind is not EvidenceKind.ESTIMATED
    )


def against_fastest(cells: Sequence[ComparedCell], condition: Condition) -> Ranks:
    """Per replica (accelerator, tensor-parallel degree) and size: ``fastest``, a ``tie`` with it, ``slower``.

    By the strongest evidence of each; empty where there is nothing to choose from.
    """
    by_size: dict[tuple[float, float], list[tuple[ComparedCell, ComparedFigure]]] = {}
    for cell in cells:
        if cell.strongest is not None:
            by_size.setdefault(cell.size, []).append((cell, cell.strongest))
    found: Ranks = {}
    for size, rivals in by_size.items():
        best = max((figure for _, figure in rivals), key=lambda figure: figure.requests_per_s or 0.0)
        for cell, figure in rivals if len(rivals) > 1 else ():
            key = cell.replica.accelerator.id, cell.replica.tensor_parallel, size
            found[key] = FASTEST if figure is best else _place(figure, best, condition)
    return found


def _place(figure: ComparedFigure, best: ComparedFigure, condition: Condition) -> str:
    """A lower bound may yet turn out the fastest."""
    if _span(figure).overlaps(_span(best)):
        return TIE
    return OPEN if is_lower_bound(figure, condition) else SLOWER


def _span(figure: ComparedFigure) -> Interval:
    rate = figure.requests_per_s or 0.0
    return figure.interval or Interval(rate, rate)
