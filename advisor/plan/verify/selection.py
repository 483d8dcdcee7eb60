"""What was asked for: regions, providers, markets, accelerators, the price limit."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from advisor.domain import Market
from advisor.plan.verify.violation import Violation
from advisor.units import decimal_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from advisor.plan.plan import Inputs, Plan, Purchase
    from advisor.plan.verify.against import Against


def check_selection(plan: Plan, against: Against) -> Iterator[Violation]:
    """Every purchase line lies within the plan's own inputs; an empty list of inputs allows everything."""
    wanted = plan.inputs
    for index, line in enumerate(plan.purchase):
        at = f"purchase[{index}]"
        qualified = f"{line.provider}:{line.region}"
        if not matches(wanted.regions, line.region, qualified):
            yield _outside("region", at, wanted.regions, qualified)
        if not matches(wanted.providers, line.provider):
            yield _outside("provider", at, wanted.providers, line.provider)
        asked = line.market in wanted.markets or line.market is Market.RESERVED  # held, so never asked for
        if wanted.markets and not asked:
            yield _outside("market", at, [market.value for market in wanted.markets], line.market.value)
        yield from _accelerator(line, at, wanted, against)
        yield from _instance_type(line, at, wanted)
        limit = wanted.max_usd_per_hour
        if limit is not None and line.market is not Market.RESERVED and line.usd_per_hour_each > limit:
            where = f"{at}.usd_per_hour_each"
            yield Violation(
                "over_price_limit",
                where,
                f"at most {decimal_text(limit)}",
                decimal_text(line.usd_per_hour_each),
            )


def _accelerator(line: Purchase, at: str, wanted: Inputs, against: Against) -> Iterator[Violation]:
    names = against.names_accelerator or (lambda pattern, accelerator: matches([pattern], accelerator))
    if wanted.accelerators and not any(names(pattern, line.accelerator) for pattern in wanted.accelerators):
        yield _outside("accelerator", at, wanted.accelerators, line.accelerator)
    if any(names(pattern, line.accelerator) for pattern in wanted.exclude_accelerators):
        expected = f"none of {', '.join(wanted.exclude_accelerators)}"
        yield Violation("accelerator", f"{at}.accelerator", expected, line.accelerator)


def _instance_type(line: Purchase, at: str, wanted: Inputs) -> Iterator[Violation]:
    """By the plan's own patterns; what is held was never asked for."""
    if line.market is Market.RESERVED:
        return
    allowed = [pattern for pattern in wanted.instance_types if not pattern.startswith("!")]
    denied = [pattern[1:] for pattern in wanted.instance_types if pattern.startswith("!")]
    refused = bool(denied) and matches(denied, line.instance_type)
    if refused or not matches(allowed, line.instance_type):
        expected = f"one of {', '.join(wanted.instance_types)}"
        yield Violation("accelerator", f"{at}.instance_type", expected, line.instance_type)


def matches(patterns: Sequence[str], *names: str) -> bool:
    """Whether any name fits any shell pattern, whatever the case; no pattern fits everything."""
    folded = [pattern.casefold() for pattern in patterns]
    return not folded or any(fnmatchcase(name.casefold(), pattern) for name in names for pattern in folded)


def _outside(code: str, at: str, allowed: Sequence[str], found: str) -> Violation:
    return Violation(code, f"{at}.{code}", f"one of {', '.join(allowed)}", found)
