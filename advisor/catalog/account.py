"""The user's account file: which quotas are held, and how much of each is taken.

Strict, since a line that is misread would let a plan break a quota: unknown keys, providers, regions and
pools, wrong units and lines given twice are refused with file, field, value and what is allowed.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any, Final

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from advisor.catalog.quota import GLOBAL
from advisor.domain import QuotaLimit, QuotaUnit
from advisor.errors import InputFileError, UnknownName
from advisor.units import decimal_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from advisor.catalog.facts import Facts
    from advisor.domain import QuotaPool

MAX_UNITS: Final = 10**9
"""Far above any quota a cloud grants: a larger figure is a slip."""

MAX_BYTES: Final = 4 * 2**20
"""Far above any account file."""

_Units = Annotated[Decimal, Field(ge=0, le=MAX_UNITS, allow_inf_nan=False)]
_Name = Annotated[str, Field(min_length=1, max_length=200)]


class _QuotaLine(BaseModel):
    """One quota, by the provider's own names."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    provider: _Name = Field(description="e.g. aws")
    region: _Name = Field(description="the provider's region id; global for a pool across regions")
    pool: _Name = Field(description="the provider's own id, e.g. L-417A185B or NVIDIA_L4_GPUS")
    unit: QuotaUnit = Field(description="what the pool counts")
    limit: _Units = Field(description="units granted")
    used: _Units = Field(default=Decimal(0), description="units already taken; free is limit - used")

    @field_validator("limit", "used", mode="before")
    @classmethod
    def _no_yes_or_no(cls, value: object) -> object:
        if isinstance(value, bool):
            raise ValueError("a number")
        return value


class _AccountFile(BaseModel):
    """What an account holds. It stays on this machine and is never part of a snapshot."""

    model_config = ConfigDict(extra="forbid", frozen=True, title="Account")

    quotas: list[_QuotaLine] = Field(
        description="limits held; a pool without a line is unknown, not unlimited"
    )


@dataclass(frozen=True, slots=True)
class Account:
    """An account file, checked against the facts."""

    limits: tuple[QuotaLimit, ...]
    sha256: str  #: of the file's bytes
    warnings: tuple[str, ...]  #: sentences


def account_json_schema() -> dict[str, Any]:
    """The JSON Schema of the account file."""
    return _AccountFile.model_json_schema()


def default_account_path(home: Path) -> Path | None:
    """``account.yaml`` in the user's folder, if there is one."""
    path = home / "account.yaml"
    return path if path.is_file() else None


def load_account(path: Path, facts: Facts) -> Account:
    """The quotas of a YAML or JSON account file.

    Raises:
        InputFileError: the file or a field of it is not what it must be.
    """
    content = _read(path)
    document = _parse(path, content)
    try:
        account = _AccountFile.model_validate(document)
    except ValidationError as error:
        raise _first_complaint(path, error) from None
    limits: dict[str, QuotaLimit] = {}
    for number, line in enumerate(account.quotas):
        place = f"quotas[{number}]"
        limit = _limit(path, place, line, facts)
        if limit.key in limits:
            raise InputFileError(
                str(path), f"{place}.pool", line.pool, f"one line per pool; {limit.key} is there before"
            )
        limits[limit.key] = limit
    return Account(
        tuple(limits.values()), hashlib.sha256(content).hexdigest(), tuple(_overdrawn(limits.values()))
    )


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            content = stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise InputFileError(
            str(path), "", error.strerror or str(error), "a readable file is needed"
        ) from error
    if len(content) > MAX_BYTES:
        raise InputFileError(str(path), "", f"more than {MAX_BYTES} bytes", "an account file is far smaller")
    return content


def _parse(path: Path, content: bytes) -> object:
    """The file as plain values; a key given twice is refused, YAML or JSON."""
    try:
        text = content.decode("utf-8-sig")
        if path.suffix.casefold() == ".json":
            return json.loads(text, object_pairs_hook=_unique, parse_float=Decimal)
        return yaml.load(text, _Loader)  # noqa: S506 a SafeLoader
    except json.JSONDecodeError as error:
        raise InputFileError(str(path), f"line {error.lineno}", error.msg, "the file must be JSON") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f"line {mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or "not YAML"
        raise InputFileError(str(path), place, problem, "the file must be YAML") from error
    except (ValueError, RecursionError) as error:
        raise InputFileError(str(path), "", str(error), "the file must be YAML or JSON in UTF-8") from error


class _Loader(yaml.SafeLoader):
    """YAML without a key given twice and without aliases (a small file of them can stand for gigabytes)."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.events.AliasEvent):
            mark = self.get_event().start_mark  # type: ignore[no-untyped-call]
            raise yaml.composer.ComposerError(None, None, "aliases (*name)", mark)
        return super().compose_node(parent, index)

    def construct_mapping(self, node: Any, deep: bool = False) -> Any:
        seen: set[str] = set()
        for key, _ in node.value:
            name = str(key.value)
            if name in seen:
                raise yaml.constructor.ConstructorError(None, None, f"'{name}' given twice", key.start_mark)
            seen.add(name)
        return super().construct_mapping(node, deep)


def _unique(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    names = Counter(name for name, _ in pairs)
    for name, count in names.items():
        if count > 1:
            raise ValueError(f"'{name}' given {count} times")
    return dict(pairs)


def _first_complaint(path: Path, error: ValidationError) -> InputFileError:
    first = error.errors(include_url=False)[0]
    field = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in first["loc"]).lstrip(".")
    value = first["input"]
    if first["type"] == "missing":
        return InputFileError(str(path), field, None, f"{field.rpartition('.')[2]} must be given")
    if first["type"] == "extra_forbidden":
        return InputFileError(str(path), field, _shown(value), f"known keys: {_known_keys(first['loc'])}")
    return InputFileError(str(path), field, _shown(value), _allowed(first["loc"], first["msg"]))


def _known_keys(location: Sequence[int | str]) -> str:
    kind: type[BaseModel] = _QuotaLine if len(location) > 1 else _AccountFile
    return ", ".join(kind.model_fields)


def _allowed(location: Sequence[int | str], message: str) -> str:
    match location[-1] if location else "":
        case "limit" | "used":
            return f"a number of units from 0 to {MAX_UNITS}"
        case "unit":
            return f"one of {', '.join(unit.value for unit in QuotaUnit)}"
        case "":
            return "the file must be a mapping with the key quotas"
        case "quotas":
            return "a list of quota lines"
        case int():
            return f"a quota line with the keys {', '.join(_QuotaLine.model_fields)}"
        case _:
            return message[0].lower() + message[1:]


def _shown(value: object) -> object:
    """A value as far as a message needs it: a list or mapping could hold anything, of any size."""
    match value:
        case list():
            return f"a list of {len(value)}"
        case dict():
            return "a mapping"
        case str() | int() | float() | Decimal() | None:
            return str(value) if isinstance(value, Decimal) else value
        case _:
            return type(value).__name__


def _limit(path: Path, place: str, line: _QuotaLine, facts: Facts) -> QuotaLimit:
    """One line, with the provider's own spelling of every name."""
    pools = facts.quota_pools
    providers = {region.provider for region in facts.regions.values()} | {pool.provider for pool in pools}
    provider = _known(path, f"{place}.provider", line.provider, providers)
    mine = {pool.pool: pool for pool in pools if pool.provider == provider}
    pool = mine[_known(path, f"{place}.pool", line.pool, mine)]
    region = _region(path, f"{place}.region", line.region, pool, facts)
    if line.unit is not pool.unit:
        raise InputFileError(
            str(path), f"{place}.unit", line.unit.value, f"{pool.pool} counts in {pool.unit.value}"
        )
    return QuotaLimit(provider, region, pool.pool, line.unit, line.limit, line.used)


def _region(path: Path, place: str, value: str, pool: QuotaPool, facts: Facts) -> str:
    if pool.scope == GLOBAL:
        if value != GLOBAL:
            raise InputFileError(
                str(path), place, value, f"{pool.pool} counts across regions: write {GLOBAL}"
            )
        return value
    if value == GLOBAL:
        raise InputFileError(str(path), place, value, f"{pool.pool} counts per region: write a region id")
    known = {region.id for region in facts.regions.values() if region.provider == pool.provider}
    return _known(path, place, value, known) if known else value


def _known(path: Path, place: str, value: str, known: Iterable[str]) -> str:
    """The known spelling of a name whose case may differ."""
    names = list(known)
    for name in names:
        if name.casefold() == value.strip().casefold():
            return name
    hint = str(UnknownName("name", value, names)).partition(": ")[2]
    raise InputFileError(str(path), place, value, hint)


def _overdrawn(limits: Iterable[QuotaLimit]) -> Iterable[str]:
    for limit in limits:
        if limit.used > limit.limit:
            used, held = decimal_text(limit.used), decimal_text(limit.limit)
            yield f"{limit.key}: {used} used of {held}: nothing is free."
