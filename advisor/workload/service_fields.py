"""Kinds of value that stand in a service file, with what each may be."""

from __future__ import annotations

import math
import re
from decimal import Decimal
from typing import Annotated, Final

from pydantic import BeforeValidator, Field, WithJsonSchema

from advisor.units import MAX_LATENCY_MS, MAX_USD_PER_HOUR
from advisor.workload.workload_file import Name

MAX_NAMES: Final = 1000
MAX_SERVICES: Final = 50

_DOLLARS: Final = r"^([0-9]{1,6}(\.[0-9]{1,8})?|1000000)$"


def _money(value: object) -> object:
    """Numbers and plain decimal strings become Decimal, as written; anything else is refused later."""
    if isinstance(value, int) and not isinstance(value, bool):
        return Decimal(value)
    if isinstance(value, float) and math.isfinite(value):
        return Decimal(str(value))
    if isinstance(value, str) and re.match(_DOLLARS, value, re.ASCII):
        return Decimal(value)
    return value


Milliseconds = Annotated[
    float,
    Field(
        gt=0,
        le=MAX_LATENCY_MS,
        allow_inf_nan=False,
        description=f"milliseconds, a number above 0 and at most {MAX_LATENCY_MS:,.0f}",
    ),
]
UsdPerHour = Annotated[
    Decimal,
    BeforeValidator(_money),
    Field(
        gt=0,
        le=MAX_USD_PER_HOUR,
        allow_inf_nan=False,
        description=f"dollars per hour, a number above 0 and at most {MAX_USD_PER_HOUR:,}",
    ),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "number", "exclusiveMinimum": 0, "maximum": MAX_USD_PER_HOUR},
                {"type": "string", "pattern": _DOLLARS},
            ],
            "description": f"dollars per hour, above 0 and at most {MAX_USD_PER_HOUR:,}",
        }
    ),
]
Dollars = Annotated[
    Decimal,
    BeforeValidator(_money),
    Field(
        ge=0,
        le=MAX_USD_PER_HOUR,
        allow_inf_nan=False,
        description=f"dollars, a number from 0 to {MAX_USD_PER_HOUR:,}",
    ),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "number", "minimum": 0, "maximum": MAX_USD_PER_HOUR},
                {"type": "string", "pattern": _DOLLARS},
            ],
            "description": f"dollars, from 0 to {MAX_USD_PER_HOUR:,}",
        }
    ),
]
Names = Annotated[
    list[Name], Field(min_length=1, max_length=MAX_NAMES, description=f"a list of 1 to {MAX_NAMES:,} names")
]
Percent = Annotated[float, Field(ge=0, le=100, allow_inf_nan=False, description="a percentage from 0 to 100")]
ShareAbove0 = Annotated[
    float, Field(gt=0, le=1, allow_inf_nan=False, description="a share, a number above 0 and at most 1")
]
ShareBelow1 = Annotated[
    float,
    Field(
        ge=0, le=0.99, allow_inf_nan=False, description="share of capacity kept free, a number from 0 to 0.99"
    ),
]
Count = Annotated[int, Field(ge=1, le=1000, description="a whole number from 1 to 1,000")]
CountOr0 = Annotated[int, Field(ge=0, le=10_000, description="a whole number from 0 to 10,000")]
Places = Annotated[
    list[Name],
    Field(
        min_length=1,
        max_length=MAX_NAMES,
        description="a list of region patterns (eu-*, aws:eu-west-1), country:DE or continent:Europe; "
        "! before one denies it",
    ),
]
