"""Settings of this machine: ``$ADVISOR_HOME/config.yaml``, each overridden by ``ADVISOR_<NAME>``.

```yaml
max_age_on_demand_days: 35   # older list prices count as stale
max_age_spot_days: 7         # older spot prices count as stale
on_stale: warn               # or refuse: recommend then ends with exit code 4
```
"""

from __future__ import annotations

import os
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from advisor.catalog.freshness import ON_DEMAND_LIMIT, SPOT_LIMIT
from advisor.errors import InputFileError, StaleSnapshot

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from advisor.catalog.freshness import Freshness

FILE = "config.yaml"
_MAX_BYTES = 2**20
_DAY = timedelta(days=1)

_Days = Annotated[float, Field(gt=0, le=3650, allow_inf_nan=False)]


class Settings(BaseModel):
    """How old prices may be, and what happens when they are older."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    max_age_on_demand_days: _Days = ON_DEMAND_LIMIT / _DAY
    max_age_spot_days: _Days = SPOT_LIMIT / _DAY
    on_stale: Literal["warn", "refuse"] = "warn"

    @field_validator("max_age_on_demand_days", "max_age_spot_days", mode="before")
    @classmethod
    def _no_yes_or_no(cls, value: object) -> object:
        if isinstance(value, bool):
            raise ValueError("a number")
        return value

    @property
    def on_demand_limit(self) -> timedelta:
        """For :func:`advisor.catalog.freshness.freshness`."""
        return timedelta(days=self.max_age_on_demand_days)

    @property
    def spot_limit(self) -> timedelta:
        """For :func:`advisor.catalog.freshness.freshness`."""
        return timedelta(days=self.max_age_spot_days)


_ALLOWED = {
    "max_age_on_demand_days": "a number of days above 0, at most 3650",
    "max_age_spot_days": "a number of days above 0, at most 3650",
    "on_stale": "warn or refuse",
}


def load_settings(home: Path, environ: Mapping[str, str] = os.environ) -> Settings:
    """The settings in force: the environment, else the file, else the defaults.

    Raises:
        InputFileError: the file or a variable holds something that is not allowed.
    """
    values = _from_file(home / FILE)
    _validated(str(home / FILE), values, {name: name for name in values})
    variables = {name: f"ADVISOR_{name.upper()}" for name in Settings.model_fields}
    given = {name: text for name, key in variables.items() if (text := environ.get(key, "").strip())}
    _validated("environment", given, variables)
    return Settings.model_validate(values | given)


def check_freshness(lines: Iterable[Freshness], settings: Settings) -> tuple[str, ...]:
    """A warning per provider and market whose prices are stale; the lines must be made with the same limits.

    Raises:
        StaleSnapshot: some are, and ``on_stale`` is ``refuse``.
    """
    warnings = tuple(
        f"{line.provider} {line.market.value}: the oldest price is {(line.age_hours or 0) / 24:.0f} days old,"
        f" the limit is {line.limit_hours / 24:g}"
        for line in lines
        if line.state == "stale"
    )
    if warnings and settings.on_stale == "refuse":
        raise StaleSnapshot(
            f"{warnings[0]}{f' (and {len(warnings) - 1} more)' if len(warnings) > 1 else ''}; run"
            " `advisor refresh`, or set on_stale: warn (ADVISOR_ON_STALE=warn)"
        )
    return warnings


def _from_file(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as stream:
            content = stream.read(_MAX_BYTES + 1)
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise InputFileError(str(path), "", error.strerror, "a readable file is needed") from error
    if len(content) > _MAX_BYTES:
        raise InputFileError(str(path), "", f"more than {_MAX_BYTES} bytes", "a settings file is far smaller")
    import yaml

    try:
        document = yaml.safe_load(content)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f"line {mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or "not YAML"
        raise InputFileError(str(path), place, problem, "the file must be YAML") from error
    except (ValueError, RecursionError) as error:
        raise InputFileError(str(path), "", str(error), "the file must be YAML in UTF-8") from error
    if document is None:
        return {}
    if not isinstance(document, dict) or not all(isinstance(key, str) for key in document):
        raise InputFileError(str(path), "", type(document).__name__, f"a mapping of {', '.join(_ALLOWED)}")
    return document


def _validated(file: str, values: Mapping[str, Any], named: Mapping[str, str]) -> None:
    try:
        Settings.model_validate(dict(values))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        name = str(first["loc"][0])
        allowed = _ALLOWED.get(name, f"known settings: {', '.join(_ALLOWED)}")
        raise InputFileError(file, named.get(name, name), values[name], allowed) from None
