"""All detectors in order, and the verdict they add up to."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from advisor.catalog.gate.finding import Action, Finding, Verdict
from advisor.catalog.gate.peers import (
    w3_per_gpu_price,
    w4_without_its_gpu,
    w5_parts_twice,
    w6_spot_as_on_demand,
    w9_spot_too_cheap,
    w10_spot_of_another_type,
    w11_spot_above_on_demand,
    w15_flat_default,
    w17_dear_fraction,
)
from advisor.catalog.gate.rows import (
    w2_zero_price,
    w7_not_sold_on_demand,
    w14_no_such_accelerator,
    w16_own_price_ignored,
    w20_wrong_stamp,
    w21_quota_as_stock,
    w25_capacity_block,
    w26_memory_unit,
)
from advisor.catalog.gate.scale import w1_wrong_scale, w23_term_price, w27_flex_start
from advisor.catalog.gate.since import (
    large_move,
    w13_vanished,
    w18_steady_shift,
    w19_frozen_feed,
    w22_some_regions_only,
    w24_other_currency,
)
from advisor.catalog.gate.twins import w8_two_prices, w12_zones_mixed
from advisor.catalog.gate.view import Row, View, is_live, is_measure
from advisor.catalog.held import means

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from datetime import datetime

    from advisor.catalog.facts import Facts
    from advisor.domain import Offer

    Detector = Callable[[View], Iterator[Finding]]

STAGES: Final[tuple[dict[str, Detector], ...]] = (
    {"W25": w25_capacity_block, "W2": w2_zero_price, "W14": w14_no_such_accelerator},
    {"W26": w26_memory_unit},
    {"W20": w20_wrong_stamp},
    {"W7": w7_not_sold_on_demand},
    {"W21": w21_quota_as_stock},
    {"W8": w8_two_prices},
    {"W23": w23_term_price, "W1": w1_wrong_scale, "W15": w15_flat_default, "W12": w12_zones_mixed},
    {
        "W27": w27_flex_start,
        "W16": w16_own_price_ignored,
        "W6": w6_spot_as_on_demand,
        "W3": w3_per_gpu_price,
        "W24": w24_other_currency,
        "W4": w4_without_its_gpu,
        "W5": w5_parts_twice,
        "W9": w9_spot_too_cheap,
        "W10": w10_spot_of_another_type,
        "W11": w11_spot_above_on_demand,
        "W17": w17_dear_fraction,
        "W18": w18_steady_shift,
        "W19": w19_frozen_feed,
        "large_move": large_move,
        "W13": w13_vanished,
        "W22": w22_some_regions_only,
    },
)
"""What a stage refuses or repairs is gone or right before the next looks; the first reason is the main."""

DETECTORS: Final[dict[str, Detector]] = {
    name: detector for stage in STAGES for name, detector in stage.items()
}
"""Every detector by its name."""


def judge(
    candidate: Sequence[Offer],
    previous: Sequence[Offer],
    facts: Facts,
    now: datetime,
    *,
    accept: frozenset[str] = frozenset(),
    covers: Callable[[Offer], bool] = lambda _: True,
) -> Verdict:
    """Judge rows before they are published.

    Args:
        candidate: what the providers brought; rows kept from before may be among them.
        previous: the rows in force; none on the very first refresh.
        facts: which accelerators there are.
        now: no stamp may be later.
        accept: held rows that may pass: confirm ids, offer ids, shell patterns of offer ids
            (``aws:*:p5.48xlarge:*``), detectors, or ``all``. Refused rows never pass.
        covers: whether the candidate set out to bring a row like this one; a refresh of one region must not
            count the others as vanished.
    """
    before = {row.id: row for row in map(Row, previous) if is_measure(row.offer)}
    bench = _Bench(candidate)
    offered = frozenset(row.place for row in bench.live.values())
    for stage in STAGES:
        view = View(list(bench.live.values()), before, facts, now, offered, covers)
        bench.take([finding for detector in stage.values() for finding in detector(view)])
    waiting, accepted = _confirmed(bench.held(), accept)
    return Verdict(
        passed=bench.passed(waiting),
        refused=tuple(bench.refused()),
        held=tuple(waiting),
        notes=(*bench.notes, *accepted),
    )


class _Bench:
    """The rows in court: which still stand, as what, and what was said of them."""

    def __init__(self, candidate: Sequence[Offer]) -> None:
        self._offers = tuple(_distinct(candidate))
        self._repaired: list[Offer] = []  # kept, so that no other object gets their identity
        self._place = {id(offer): place for place, offer in enumerate(self._offers)}
        self.live = {place: Row(offer) for place, offer in enumerate(self._offers) if is_live(offer)}
        self._refused: list[Finding] = []
        self._held: list[Finding] = []
        self.notes: list[Finding] = []

    def take(self, findings: Sequence[Finding]) -> None:
        """Refuse and repair at once; the rest is for the end."""
        for finding in findings:
            if finding.action is Action.HOLD:
                self._held.append(finding)
            elif finding.action is Action.REFUSE:
                self._refused.append(finding)
                self.live.pop(self._place[id(finding.offer)], None)
            else:
                self.notes.append(finding)
                if finding.repaired is not None:
                    self._repair(finding, finding.repaired)

    def _repair(self, finding: Finding, repaired: Offer) -> None:
        place = self._place[id(finding.offer)]
        if finding.detector == "W8":
            for twin in [other for other, row in self.live.items() if row.id == finding.offer_id]:
                if twin != place:
                    del self.live[twin]
        self.live[place] = Row(repaired)
        self._repaired.append(repaired)
        self._place[id(repaired)] = place

    def refused(self) -> list[Finding]:
        """One finding per refused row."""
        return self._merged(self._refused)

    def held(self) -> list[Finding]:
        """One finding per row that was held and not refused for something else."""
        refused = {self._key(finding) for finding in self._refused}
        return self._merged(finding for finding in self._held if self._key(finding) not in refused)

    def _key(self, finding: Finding) -> object:
        """The row's place, whatever it was repaired to; the id of a vanished one."""
        return finding.offer_id if finding.offer is None else self._place[id(finding.offer)]

    def _merged(self, findings: Iterable[Finding]) -> list[Finding]:
        """One finding per row: the first detector's, with the names of the others."""
        rows: dict[object, list[Finding]] = {}
        for finding in findings:
            rows.setdefault(self._key(finding), []).append(finding)
        return [_with_others(found[0], found[1:]) for found in rows.values()]

    def passed(self, waiting: Iterable[Finding]) -> tuple[Offer, ...]:
        """Rows to publish in the order they came in, superseded ones untouched."""
        held = {self._place[id(finding.offer)] for finding in waiting if finding.offer is not None}
        places = range(len(self._offers))
        kept = (
            self.live[place].offer if place in self.live else self._offers[place]
            for place in places
            if place not in held and (place in self.live or self._is_history(place))
        )
        return tuple(kept)

    def _is_history(self, place: int) -> bool:
        return not is_live(self._offers[place])


def _distinct(candidate: Sequence[Offer]) -> list[Offer]:
    """The offers, each its own object: one that is there twice is two rows."""
    seen: set[int] = set()
    offers = []
    for offer in candidate:
        offers.append(replace(offer) if id(offer) in seen else offer)
        seen.add(id(offer))
    return offers


def _with_others(first: Finding, others: Sequence[Finding]) -> Finding:
    names = [name for name in dict.fromkeys(other.detector for other in others) if name != first.detector]
    return replace(first, detail=f"{first.detail} (also {', '.join(names)})") if names else first


def _confirmed(held: Iterable[Finding], accept: frozenset[str]) -> tuple[list[Finding], list[Finding]]:
    """Findings that wait, and those somebody confirmed, the latter as notes."""
    waiting, accepted = [], []
    for finding in held:
        if any(means(word, finding.confirm_id, finding.offer_id, finding.detector) for word in accept):
            accepted.append(replace(finding, action=Action.NOTE, detail=f"accepted: {finding.detail}"))
        else:
            waiting.append(finding)
    return waiting, accepted
