"""Standing plans watched week after week: what is new about each, what was said before, what is over.

A reason is known by its kind and its subject. What was said once is not news again, until it is over and
comes back, has doubled, or was put aside until a day that has come.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from advisor.recommendation.drift_prices import held_line
from advisor.recommendation.drift_reasons import Kind

if TYPE_CHECKING:
    from collections.abc import Iterable

    from advisor.fleet import HeldLine
    from advisor.plan.plan import Plan
    from advisor.recommendation.drift import Drift
    from advisor.recommendation.drift_reasons import Reason

GROWN: Final = 2.0
"""A regret this many times what it was when it was said is said again."""

NOT_FOR_SALE: Final = frozenset({Kind.OFFER_GONE, Kind.OFFER_WITHDRAWN})
"""What no longer can be bought: news for a plan that is to be bought, a remark for one that runs."""


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Said(_Record):
    """A reason that was said."""

    kind: Kind
    subject: str
    since: date
    regret_fraction: float | None = None
    quiet_until: date | None = Field(default=None, description="put aside; said again from this day on")


class Remembered(_Record):
    """What was said of one plan."""

    reasons: tuple[Said, ...] = ()


class Memory(_Record):
    """The file that the watch keeps."""

    kind: Literal["watch"] = "watch"
    schema_version: Literal[1] = 1
    plans: dict[str, Remembered] = Field(default_factory=dict, description="by plan id")


@dataclass(frozen=True, slots=True)
class Watched:
    """One plan, seen this week."""

    drift: Drift
    runs: bool  #: whether a fleet that runs holds all of it
    new: tuple[Reason, ...]  #: not said before
    repeated: tuple[Reason, ...]
    put_aside: tuple[Reason, ...]  #: until a day that is still to come
    over: tuple[Said, ...]  #: said before, and no longer so
    remarks: tuple[Reason, ...]  #: of a plan that runs: what could not be bought again
    remembered: Remembered  #: for the next time


def watched(found: Drift, was: Remembered, today: date, *, runs: bool) -> Watched:
    """What is new about a plan.

    Args:
        found: its drift today.
        was: what was said of it before.
        today: the day that is written down.
        runs: whether its machines run already.
    """
    before = {(one.kind, one.subject): one for one in was.reasons}
    remarks = tuple(reason for reason in found.reasons if runs and reason.kind in NOT_FOR_SALE)
    standing = [reason for reason in found.reasons if reason not in remarks]
    new, repeated, put_aside = [], [], []
    said = []
    for reason in standing:
        known = before.get((reason.kind, reason.subject))
        if known is not None and known.quiet_until is not None and today < known.quiet_until:
            put_aside.append(reason)
            said.append(known)
        elif known is None or known.quiet_until is not None or _has_grown(reason, known):
            new.append(reason)
            said.append(
                Said(kind=reason.kind, subject=reason.subject, since=today, regret_fraction=_regret(reason))
            )
        else:
            repeated.append(reason)
            said.append(known)
    still = {(reason.kind, reason.subject) for reason in found.reasons}
    over = tuple(one for key, one in before.items() if key not in still)
    return Watched(
        found,
        runs,
        tuple(new),
        tuple(repeated),
        tuple(put_aside),
        over,
        remarks,
        Remembered(reasons=tuple(said)),
    )


def _regret(reason: Reason) -> float | None:
    found = reason.figures.get("regret_fraction")
    return None if found is None else float(found)


def _has_grown(reason: Reason, known: Said) -> bool:
    now = _regret(reason)
    return now is not None and known.regret_fraction is not None and now >= GROWN * known.regret_fraction


def put_aside(remembered: Remembered, until: date) -> Remembered:
    """The same, with every reason that stands quiet until a day."""
    quiet = (reason.model_copy(update={"quiet_until": until}) for reason in remembered.reasons)
    return Remembered(reasons=tuple(quiet))


def runs_whole(plan: Plan, running: Iterable[HeldLine]) -> bool:
    """Whether what runs holds every instance that the plan bought, in whatever zone of the region."""
    has, wanted = _counted(running), _counted(map(held_line, plan.purchase))
    return bool(wanted) and all(count <= has[key] for key, count in wanted.items())


def _counted(lines: Iterable[HeldLine]) -> Counter[tuple[str, ...]]:
    found: Counter[tuple[str, ...]] = Counter()
    for line in lines:
        found[line.provider, line.region, line.instance_type, line.market.value] += line.instances
    return found
