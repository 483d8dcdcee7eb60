"""Hosted API list prices: read as shipped, mapped to our models only where they are those models."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from advisor.catalog.facts import load_facts
from advisor.catalog.hosted_api import FILE, load_hosted_prices
from advisor.errors import DataError
from catalogs.build.hosted import build

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.fast

HEADER = (
    "provider,model_id,model,input_usd_per_million_tokens,output_usd_per_million_tokens,observed_on,"
    "price_page,source\n"
)
ROW = "together,llama-3.3-70b,Llama 3.3 70B,1.04,1.04,2026-08-18,https://example.test,tool==1.0 (MIT)\n"


def collected(folder: Path, text: str) -> Path:
    (folder / "prices").mkdir()
    (folder / "prices" / FILE).write_text(text)
    return folder


def test_every_shipped_price_is_dated_sourced_and_of_a_model_we_know() -> None:
    prices = load_hosted_prices()
    models = load_facts().models
    assert prices
    for price in prices:
        assert price.canonical_model is None or price.canonical_model in models
        assert price.price_page is None or price.price_page.startswith("https://")
        assert price.source
        assert price.licence
        assert price.observed_on >= date(2026, 1, 1)
        assert price.output_usd_per_million_tokens >= price.input_usd_per_million_tokens > 0


def test_closed_models_and_other_releases_are_not_taken_for_ours() -> None:
    mapped = {price.model_id: price.canonical_model for price in load_hosted_prices()}
    assert mapped["llama-3.3-70b"] == "Llama-3.3-70B"
    for other in ("claude-opus-5", "qwen3-235b-a22b-fp8", "gemma-3n-e4b", "deepseek-v4-flash"):
        assert mapped[other] is None


def test_a_row_is_carried_with_its_licence_split_off(tmp_path: Path) -> None:
    build(collected(tmp_path, HEADER + ROW), tmp_path)
    (price,) = load_hosted_prices(tmp_path)
    assert (price.source, price.licence) == ("tool==1.0", "MIT")
    assert price.input_usd_per_million_tokens == Decimal("1.04")
    assert price.observed_on == date(2026, 8, 18)


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("2026-08-18", "last week", "observed_on: 'last week' is not allowed; a day as YYYY-MM-DD"),
        ("1.04,1.04", "1.04,free", "output_usd_per_million_tokens: 'free' is not allowed"),
    ],
)
def test_a_bad_field_is_named(tmp_path: Path, old: str, new: str, complaint: str) -> None:
    build(collected(tmp_path, HEADER + ROW), tmp_path)
    path = tmp_path / FILE
    path.write_text(path.read_text().replace(old, new, 1))
    with pytest.raises(DataError, match=complaint):
        load_hosted_prices(tmp_path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"hosted_api_prices\.csv: cannot be read"):
        load_hosted_prices(tmp_path)
