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

from pydantic import BaseModel, ConfigDict, Field, field_validator

from advisor.catalog.freshness import ON_DEMAND_LIMIT, SPOT_LIMIT
from advisor.documents import parse, read_text
from advisor.documents.records import check
from advisor.errors import InputFileError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


FILE = "config.yaml"
_MAX_BYTES = 2**20
_DAY = timedelta(days=1)

_DAYS = "a number of days above 0, at most 3650"
_Days = Annotated[float, Field(gt=0, le=3650, allow_inf_nan=False, description=_DAYS)]


class Settings(BaseModel):
    """How old prices may be, and what happens when they are older."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    max_age_on_demand_days: _Days = ON_DEMAND_LIMIT / _DAY
    max_age_spot_days: _Days = SPOT_LIMIT / _DAY
    on_stale: Literal["warn", "refuse"] = Field(default="warn", description="warn or refuse")

    @field_validator("max_age_on_demand_days", "max_age_spot_days", mode="before")
    @classmethod
    def _no_yes_or_no(cls, value: object) -> object:
        if isinstance(value, bool):
            raise ValueError(_DAYS)
        return value

    @property
    def on_demand_limit(self) -> timedelta:
        """For :func:`advisor.catalog.freshness.freshness`."""
        return timedelta(days=self.max_age_on_demand_days)

    @property
    def spot_limit(self) -> timedelta:
        """For :func:`advisor.catalog.freshness.freshness`."""
        return timedelta(days=self.max_age_spot_days)


def load_settings(home: Path, environ: Mapping[str, str] = os.environ) -> Settings:
    """The settings in force: the environment, else the file, else the defaults.

    Raises:
        InputFileError: the file or a variable holds something that is not allowed.
    """
    written = _from_file(home / FILE)
    variables = {name: f"ADVISOR_{name.upper()}" for name in Settings.model_fields}
    given = {name: text for name, key in variables.items() if (text := environ.get(key, "").strip())}
    try:
        check(Settings, given, "environment")
    except InputFileError as error:
        raise InputFileError("environment", variables[error.field], error.value, error.allowed) from None
    return Settings.model_validate(written | given)


def _from_file(path: Path) -> dict[str, Any]:
    """The settings that the file holds; none where there is no file."""
    try:
        text = read_text(path, _MAX_BYTES, "a settings file")
    except InputFileError as error:
        if isinstance(error.__cause__, FileNotFoundError):
            return {}
        raise
    document = parse(text, str(path), "yaml")
    return check(Settings, {} if document is None else document, str(path)).model_dump(exclude_unset=True)
