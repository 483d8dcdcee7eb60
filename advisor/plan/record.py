"""What every record of the plan file is made of: strict, frozen, money as decimal strings."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer, WithJsonSchema

from advisor.units import decimal_text

DECIMAL_PATTERN = r"^[0-9]{1,15}(\.[0-9]{1,20})?$"
"""How a decimal string looks in the file: plain digits, no sign, no exponent."""

_AS_TEXT = PlainSerializer(decimal_text, return_type=str, when_used="json")
_DECIMAL_SCHEMA = WithJsonSchema({"type": "string", "format": "decimal", "pattern": DECIMAL_PATTERN})
Usd = Annotated[Decimal, Field(ge=0, allow_inf_nan=False), _AS_TEXT, _DECIMAL_SCHEMA]
Amount = Annotated[Decimal, Field(ge=0, allow_inf_nan=False), _AS_TEXT, _DECIMAL_SCHEMA]
Rate = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]


class Record(BaseModel):
    """A part of the plan file; a field it does not know is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)
