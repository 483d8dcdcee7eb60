"""The facts people edit as text: accelerators, models, regions, quota pools; and how users spell them."""

from __future__ import annotations

import fnmatch
import hashlib
import re
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Final

from advisor.catalog import carbon, egress, model_spelling, price_moves, zone_offerings
from advisor.catalog.carbon import GridIntensity
from advisor.catalog.egress import EgressRate
from advisor.catalog.price_moves import PriceMove
from advisor.catalog.records import csv_records, toml_records
from advisor.catalog.zone_offerings import ZoneOffering
from advisor.domain import Accelerator, Model, QuotaPool, Region
from advisor.errors import DataError, UnknownName, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from importlib.resources.abc import Traversable

FACT_FILES: Final = ("accelerators.toml", "models.csv", "quota_pools.csv", "regions.csv")
"""Read in this order; their bytes make :attr:`Facts.sha256`."""

MORE_FILES: Final = (egress.FILE, carbon.FILE, zone_offerings.FILE, price_moves.FILE)
"""What is known besides: read where it is there, and then part of the digest too."""

_FORMS: Final = frozenset({"sxm", "pcie", "nvl", "oam"})
_VENDORS: Final = frozenset({"nvidia", "tesla", "amd", "instinct", "intel", "aws", "google"})
_MEMORY: Final = re.compile(r"(?<![a-z0-9])(\d+) ?g(?:i?b)?(?![a-z0-9])")
_SXM: Final = re.compile(r"^(?:sxm\d|hbm3e?)$")  # a driver calls the SXM board H100 80GB HBM3


@dataclass(frozen=True)
class Facts:
    """What is known about chips, models, places and quotas, apart from prices."""

    accelerators: dict[str, Accelerator]  #: by id
    models: dict[str, Model]  #: by id
    regions: dict[str, Region]  #: by ``provider:region``
    quota_pools: tuple[QuotaPool, ...]
    sha256: str  #: of the bytes of all :data:`FACT_FILES`, and of :data:`MORE_FILES` that are there
    egress: tuple[EgressRate, ...] = ()
    grid: Mapping[str, GridIntensity] = field(default_factory=dict)  #: by ISO 3166-1 alpha-2 country
    zone_offerings: Mapping[str, ZoneOffering] = field(default_factory=dict)  #: by ``provider:region:type``
    price_moves: tuple[PriceMove, ...] = ()

    def offering_zones(self, provider: str, region: str, instance_type: str) -> tuple[str, ...]:
        """Zones that sell a type; empty where nobody says which."""
        known = self.zone_offerings.get(f"{provider}:{region}:{instance_type}")
        return known.zones if known is not None else ()

    def accelerators_matching(self, pattern: str) -> tuple[Accelerator, ...]:
        """Every accelerator a user's spelling stands for, by id; case does not matter.

        An id stands for itself, a glob (``a100-*``) for the ids it matches, any other word for the chips that
        have it as an alias and for every form and memory size it leaves open: ``H100`` all of them,
        ``A100-80GB`` SXM and PCIe, ``L4`` never ``L40``.

        Raises:
            UnknownName: it stands for nothing.
        """
        wanted = pattern.strip().casefold()
        if wanted in self.accelerators:
            return (self.accelerators[wanted],)
        if any(mark in wanted for mark in "*?["):
            found = [chip for chip in self.accelerators.values() if fnmatch.fnmatchcase(chip.id, wanted)]
        else:
            found = [chip for chip in self.accelerators.values() if _is_spelling_of(wanted, chip)]
        if not found:
            chips = {chip_id.split("-")[0] for chip_id in self.accelerators}
            raise UnknownName("accelerator", pattern, {*self.accelerators, *chips})
        return tuple(sorted(found, key=lambda chip: chip.id))

    def accelerator(self, name: str) -> Accelerator:
        """The one accelerator a spelling stands for.

        Raises:
            UnknownName: it stands for nothing.
            UsageError: it stands for several.
        """
        found = self.accelerators_matching(name)
        if len(found) > 1:
            raise UsageError(
                f"accelerator '{name}' is one of {', '.join(chip.id for chip in found)}: say which"
            )
        return found[0]

    def model(self, name: str) -> Model:
        """The model of that id, alias or repository name, in any case, with or without ``-Instruct``.

        Publisher, date and quantisation are not looked at unless the model's own name has them:
        ``nvidia/Llama-3.1-8B-Instruct-FP8`` is Llama-3.1-8B.

        Raises:
            UnknownName: no such model.
        """
        for candidate in model_spelling.asked(name):
            if candidate in self._by_spelling:
                return self._by_spelling[candidate]
        raise UnknownName("model", name, {*self.models, *(model.hf_id for model in self.models.values())})

    @cached_property
    def _by_spelling(self) -> dict[str, Model]:
        """Every spelling there is; of two models with one spelling the first has it."""
        return {spelling: model for model in reversed(self.models.values()) for spelling in _spellings(model)}


def load_facts(root: Traversable | None = None) -> Facts:
    """Read the fact files of a folder, by default those the package ships.

    Raises:
        DataError: a file is missing, or a field of it is not what it must be; names file, row and field.
    """
    if root is None:
        from importlib.resources import files

        root = files("catalogs")
    contents = {name: _content(root, name) for name in FACT_FILES}
    contents |= {name: _content(root, name) for name in MORE_FILES if root.joinpath(name).is_file()}
    return _facts(tuple(contents.items()))


@lru_cache(maxsize=4)
def _facts(files: tuple[tuple[str, bytes], ...]) -> Facts:
    """The same bytes are the same facts: a long-lived process reads them once."""
    contents = dict(files)
    digest = hashlib.sha256()
    for name, content in contents.items():
        digest.update(f"{name}\0{len(content)}\0".encode() + content)
    return Facts(
        accelerators=toml_records(Accelerator, contents, "accelerators.toml", lambda chip: chip.id),
        models=csv_records(Model, contents, "models.csv", lambda model: model.id),
        regions=csv_records(Region, contents, "regions.csv", lambda region: region.qualified),
        quota_pools=tuple(csv_records(QuotaPool, contents, "quota_pools.csv", _pool_key).values()),
        sha256=digest.hexdigest(),
        egress=_rates(contents),
        grid=csv_records(GridIntensity, contents, carbon.FILE, lambda grid: grid.country)
        if carbon.FILE in contents
        else {},
        zone_offerings=csv_records(ZoneOffering, contents, zone_offerings.FILE, lambda sold: sold.key)
        if zone_offerings.FILE in contents
        else {},
        price_moves=tuple(csv_records(PriceMove, contents, price_moves.FILE, lambda move: move.key).values())
        if price_moves.FILE in contents
        else (),
    )


def _rates(contents: Mapping[str, bytes]) -> tuple[EgressRate, ...]:
    if egress.FILE not in contents:
        return ()
    known = csv_records(
        EgressRate, contents, egress.FILE, lambda rate: f"{rate.provider}:{rate.region}:{rate.tier_start_gb}"
    )
    return tuple(known.values())


def _content(root: Traversable, name: str) -> bytes:
    try:
        return root.joinpath(name).read_bytes()
    except OSError as error:
        raise DataError(f"{root.joinpath(name)}: cannot be read: {error.strerror or error}") from error


def _pool_key(pool: QuotaPool) -> str:
    market = pool.market.value if pool.market else "any"
    return f"{pool.provider}:{pool.pool}:{market}"


def _is_spelling_of(wanted: str, chip: Accelerator) -> bool:
    """Whether a user's word names this chip, leaving its form or memory open."""
    if wanted in (alias.casefold() for alias in (chip.name, *chip.aliases)):
        return True
    stem, details = _parts(wanted)
    chip_stem, chip_details = _parts(chip.id)
    return bool(stem) and stem == chip_stem and details <= chip_details


def _parts(spelling: str) -> tuple[tuple[str, ...], frozenset[str]]:
    """The chip's own words, and those on form or memory: ``a100-80gb-sxm4`` -> (a100), {80gb, sxm}."""
    words = re.split(r"[-_/ ]+", _MEMORY.sub(r"-\1gb-", spelling))
    words = [_SXM.sub("sxm", word) for word in words if word and word not in _VENDORS]
    details = frozenset(word for word in words if word in _FORMS or _MEMORY.fullmatch(word))
    return tuple(word for word in words if word not in details), details


def _spellings(model: Model) -> Iterable[str]:
    for name in (model.id, model.hf_id, model.hf_id.rpartition("/")[2], *model.aliases):
        for spelling in (name, name.rpartition("/")[2]):
            yield from model_spelling.spellings(spelling)
