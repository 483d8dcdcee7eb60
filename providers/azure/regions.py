"""Azure's regions: which to ask, and asking them a few at a time."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final, TypeVar

from advisor.errors import AccessDenied, MissingCredentials, ProviderError, Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from advisor.provider import Scope

REGIONS: Final = (
    "australiacentral",
    "australiacentral2",
    "australiaeast",
    "australiasoutheast",
    "austriaeast",
    "belgiumcentral",
    "brazilsouth",
    "brazilsoutheast",
    "canadacentral",
    "canadaeast",
    "centralindia",
    "centralus",
    "chilecentral",
    "eastasia",
    "eastus",
    "eastus2",
    "francecentral",
    "francesouth",
    "germanynorth",
    "germanywestcentral",
    "indonesiacentral",
    "israelcentral",
    "italynorth",
    "japaneast",
    "japanwest",
    "jioindiacentral",
    "jioindiawest",
    "koreacentral",
    "koreasouth",
    "malaysiawest",
    "mexicocentral",
    "northcentralus",
    "northeurope",
    "norwayeast",
    "norwaywest",
    "polandcentral",
    "qatarcentral",
    "southafricanorth",
    "southafricawest",
    "southcentralus",
    "southeastasia",
    "southindia",
    "spaincentral",
    "swedencentral",
    "switzerlandnorth",
    "switzerlandwest",
    "uaecentral",
    "uaenorth",
    "uksouth",
    "ukwest",
    "westcentralus",
    "westeurope",
    "westindia",
    "westus",
    "westus2",
    "westus3",
)
"""Public regions asked where the scope names none: the active ones of ``catalogs/regions.csv`` (a test
compares them) without the early-access regions. A region newer than this list is asked for by name."""

WORKERS: Final = 6
PROBES: Final = 3
"""Regions asked first, one at a time until one answers: if none of them does, nobody is there."""
_FOR_ALL: Final = (AccessDenied, MissingCredentials, Unavailable)

Asked = TypeVar("Asked")


def regions_in(provider: str, scope: Scope) -> tuple[str, ...]:
    """Regions to ask: those of our list the scope covers, and names of its own that look like Azure's.

    Azure's names have no hyphen, so ``us-east-1`` is not one.
    """
    known = [region for region in REGIONS if scope.covers_region(provider, region)]
    named = [pattern.removeprefix(f"{provider}:").casefold() for pattern in scope.regions]
    newer = [name for name in named if name.isascii() and name.isalnum() and name[0].isalpha()]
    return tuple(sorted({*known, *newer}))


def ask_each(
    regions: Sequence[str], ask: Callable[[str], Asked]
) -> tuple[dict[str, Asked], dict[str, ProviderError]]:
    """Answers and failures by region.

    One server answers for all regions. So where the first ones are all denied or find nobody there, or later
    a whole batch does, the others are not asked: they would cost as much time each. One may fail alone.

    Raises:
        ProviderError: no region at all answered.
    """
    answers: dict[str, Asked] = {}
    failures: dict[str, ProviderError] = {}
    for region in regions[:PROBES]:
        result = _attempt(ask, region)
        if not isinstance(result, ProviderError):
            answers[region] = result
            break
        failures[region] = result
    if failures and not answers and all(isinstance(error, _FOR_ALL) for error in failures.values()):
        raise next(iter(failures.values()))
    rest = [region for region in regions if region not in answers and region not in failures]
    with ThreadPoolExecutor(WORKERS) as pool:
        for start in range(0, len(rest), WORKERS):
            batch = rest[start : start + WORKERS]
            for region, result in zip(batch, pool.map(lambda each: _attempt(ask, each), batch), strict=True):
                if isinstance(result, ProviderError):
                    failures[region] = result
                else:
                    answers[region] = result
            down = [failures[region] for region in batch if isinstance(failures.get(region), _FOR_ALL)]
            if len(down) == len(batch):
                unasked = [region for region in rest if region not in answers and region not in failures]
                failures.update(dict.fromkeys(unasked, down[0]))
                break
    if failures and not answers:
        raise next(iter(failures.values()))
    return answers, failures


def _attempt(ask: Callable[[str], Asked], region: str) -> Asked | ProviderError:
    try:
        return ask(region)
    except ProviderError as error:
        return error
