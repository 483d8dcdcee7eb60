"""The plan as the targets need it: purchase lines with what runs on them, each under a name of its own."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from advisor.domain import Market
from advisor.errors import PlanningError
from advisor.export.bundle import LeftOut
from advisor.export.replayed import NOTHING_KNOWN, Replayed
from advisor.text import printable
from advisor.units import decimal_text

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence
    from decimal import Decimal

    from advisor.domain import Accelerator, Model
    from advisor.plan.plan import Allocation, Plan, Purchase, ServiceLine
    from advisor.plan.verify.against import Capacities

RENTED: Final = (Market.ON_DEMAND, Market.SPOT)
"""Ways of buying that start a new instance; what is bought otherwise is already held."""

MARKS: Final = ("ADVISOR_LINE", "ADVISOR_INSTANCES", "ADVISOR_USD_PER_HOUR_EACH")

NAME_LENGTH: Final = 50
"""A Kubernetes name may have 63 characters; the rest is for endings."""


@dataclass(frozen=True, slots=True)
class Stand:
    """Replicas of one service at one degree on one purchase line."""

    name: str  #: a DNS label, unique in the export
    allocation: Allocation
    service: ServiceLine
    served_name: str  #: under which callers ask for the model
    replayed: Replayed

    @property
    def requests_per_s(self) -> float:
        """What the replicas serve together, all sizes."""
        return sum(load.requests_per_s for load in self.allocation.load)


@dataclass(frozen=True, slots=True)
class Line:
    """One purchase line and what runs on it."""

    name: str  #: a DNS label, unique in the export
    purchase: Purchase
    stands: tuple[Stand, ...]
    ceiling_usd_per_hour: Decimal | None = None
    """Of one spot instance: what its on-demand fallback costs, above which spot is no saving."""

    @property
    def accelerators(self) -> int:
        """Rented, over all instances."""
        return self.purchase.instances * self.purchase.accelerators_per_instance

    @property
    def place(self) -> str:
        """``provider:region``: what one cluster spans."""
        return f"{self.purchase.provider}:{self.purchase.region}"


@dataclass(frozen=True, slots=True)
class Facts:
    """What a plan names by our ids and other tools by their own."""

    models: Mapping[str, Model]
    accelerators: Mapping[str, Accelerator]
    replayed: Callable[[Allocation, str, ServiceLine], Replayed] = lambda *_: NOTHING_KNOWN
    """What evidence says of the replicas of an allocation on an accelerator."""
    capacities: Capacities | None = None
    """What a replica sustains of any request size; None: only what the plan states."""


@dataclass(frozen=True, slots=True)
class Order:
    """A plan to be exported."""

    plan: Plan
    lines: tuple[Line, ...]
    facts: Facts


def order(plan: Plan, facts: Facts) -> Order:
    """The plan's lines, named.

    Raises:
        PlanningError: there is nothing to buy, or replicas stand on no purchase line.
    """
    if not plan.purchase:
        raise PlanningError(f"plan {plan.plan_id} buys nothing ({plan.status}): there is nothing to export")
    names: set[str] = set()
    services = {service.name: service for service in plan.services}
    by_offer: dict[str, list[Allocation]] = {}
    for allocation in plan.allocations:
        by_offer.setdefault(_offer_id(allocation), []).append(allocation)
    fallbacks = plan.risk.fallbacks if plan.risk else []
    ceilings = {one.offer: one.fallback_usd_per_hour_each for one in fallbacks}
    lines = []
    for purchase in plan.purchase:
        here = by_offer.pop(purchase.offer_id, [])
        parts = (purchase.provider, purchase.region, purchase.zone or "", purchase.instance_type)
        name = unique("-".join((*parts, purchase.market.value)), names)
        stands = [_stand(one, purchase.accelerator, services, names, facts) for one in here]
        lines.append(Line(name, purchase, tuple(stands), ceilings.get(purchase.offer_id)))
    if by_offer:
        homeless = printable(next(iter(by_offer)))
        raise PlanningError(f"plan {plan.plan_id}: replicas on {homeless}, which it does not buy; see verify")
    return Order(plan, tuple(lines), facts)


def _offer_id(allocation: Allocation) -> str:
    place = allocation.region if allocation.zone is None else f"{allocation.region}/{allocation.zone}"
    return f"{allocation.provider}:{place}:{allocation.instance_type}:{allocation.market.value}"


def _stand(
    allocation: Allocation,
    accelerator: str,
    services: Mapping[str, ServiceLine],
    names: set[str],
    facts: Facts,
) -> Stand:
    service = services.get(allocation.service)
    if service is None:
        raise PlanningError(
            f"replicas of {printable(allocation.service)!r}, a service the plan does not have"
        )
    words = f"{allocation.service}-{allocation.instance_type}-{allocation.market.value}"
    name = unique(f"{words}-tp{allocation.tensor_parallel}", names)
    found = facts.replayed(allocation, accelerator, service)
    return Stand(name, allocation, service, _served_name(service, services, facts), found)


def _served_name(service: ServiceLine, services: Mapping[str, ServiceLine], facts: Facts) -> str:
    """The repository; where several services share it, each service's own name, for routers tell by it."""
    repository = repository_of(service, facts)
    shared = sum(repository_of(other, facts) == repository for other in services.values()) > 1
    return service.name if shared else repository


def repository_of(service: ServiceLine, facts: Facts) -> str:
    """The checkpoint asked for, else the publisher's of the model, else its id."""
    model = facts.models.get(service.model)
    return service.checkpoint or (model.hf_id if model else service.model)


def unique(words: str, taken: set[str]) -> str:
    """A DNS label (RFC 1123) made of the words, not among those taken; it is added to them."""
    label = dns_label(words)
    name, number = label, 2
    while name in taken:
        name, number = f"{label}-{number}", number + 1
    taken.add(name)
    return name


def dns_label(words: str) -> str:
    """Lower-case letters, digits and hyphens; begins with a letter, for tools that ask for it."""
    label = re.sub(r"[^a-z0-9]+", "-", words.casefold()).strip("-")[:NAME_LENGTH].strip("-")
    return label if label[:1].isalpha() else f"x-{label}".rstrip("-")


def price_note(purchase: Purchase) -> str:
    """What the line costs, in the one form in which every target's comments say it."""
    each, total = decimal_text(purchase.usd_per_hour_each), decimal_text(purchase.usd_per_hour)
    day = purchase.price_collected_at.date().isoformat()
    words = f"{purchase.instances} × ${each}/h = ${total}/h; {purchase.market.value}, {purchase.price_basis}"
    return printable(f"{words}, {purchase.price_source}, {day}")


def marks(line: Line, instances: int) -> dict[str, str]:
    """Variables by which a file says what of the plan it stands for, and `fleet import` reads it back."""
    said = (line.purchase.offer_id, str(instances), decimal_text(line.purchase.usd_per_hour_each))
    return dict(zip(MARKS, map(printable, said), strict=True))


def split_shape(instance_type: str) -> tuple[str, str | None, int]:
    """Machine type, attached accelerator as Google Cloud names it, count: of ``n1-standard-8+1xt4``."""
    machine, plus, attached = instance_type.partition("+")
    count, _, chip = attached.partition("x")
    if not plus or not count.isdigit() or not chip:
        return instance_type, None, 0
    return machine, f"nvidia-tesla-{chip}", int(count)


def keep(order: Order, providers: Collection[str], why: str) -> tuple[list[Line], list[LeftOut]]:
    """The lines of some providers, and the others with ``why``."""
    kept = [line for line in order.lines if line.purchase.provider in providers]
    others = [LeftOut(line.purchase.offer_id, why) for line in order.lines if line not in kept]
    return kept, others


def held(line: Line) -> str | None:
    """Why nothing is to be rented for the line, if so."""
    market = line.purchase.market
    if market in RENTED:
        return None
    return f"it is {market.value}: what the account holds is claimed at the provider, not rented anew"


def sift(
    kept: Sequence[Line], left_out: Sequence[LeftOut], *refusals: Callable[[Line], str | None]
) -> tuple[list[Line], list[LeftOut]]:
    """The lines nothing speaks against, and the others with the first thing that does."""
    reasons = {line.name: next(filter(None, (refuse(line) for refuse in refusals)), None) for line in kept}
    refused = [LeftOut(line.purchase.offer_id, why) for line in kept if (why := reasons[line.name])]
    return [line for line in kept if not reasons[line.name]], [*left_out, *refused]


def heading(order: Order, what: str, *more: str) -> list[str]:
    """The first comment lines of a file."""
    plan = order.plan
    total = "" if plan.usd_per_hour is None else f", ${decimal_text(plan.usd_per_hour)}/h for the whole plan"
    head = f"{what} of plan {plan.plan_id}, advisor {plan.advisor_version}{total}."
    return [printable(line) for line in (head, "Prices are before tax, of the days beside them.", *more)]


def left_out_notes(left_out: Collection[LeftOut]) -> list[str]:
    """Comment lines on what is not in the file."""
    return [printable(f"left out: {one.line}: {one.why}") for one in left_out]
