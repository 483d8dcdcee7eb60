"""The Mélange paper's evaluation as carried here: complete, and consistent with its own prices."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import pytest

from catalogs.build.melange_paper import evaluation

pytestmark = pytest.mark.fast

FIXTURE: Final = Path(__file__).parents[2] / "fixtures" / "melange" / "paper_evaluation.json"


@pytest.fixture(scope="module")
def paper() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(FIXTURE.read_text(encoding="utf-8"))
    return found


def test_every_setting_of_the_paper_is_there(paper: dict[str, Any]) -> None:
    cells = {(cell["workload"], cell["tpot_ms"], cell["requests_per_s"]) for cell in paper["cells"]}
    assert cells == {
        (workload, tpot, rate)
        for workload in ("short", "long", "mixed")
        for tpot in (120, 40)
        for rate in (1, 2, 4, 8, 16, 32)
    }
    assert len(paper["cells"]) == len(cells)
    assert len(paper["headline_saving_pct"]) == 6


def test_the_source_is_named_to_the_commit(paper: dict[str, Any]) -> None:
    source = paper["source"]
    assert source["paper"] == "arXiv:2404.14527"
    assert len(source["commit"]) == 40
    assert source["licence"]


def test_single_type_fleets_are_whole_gpus_at_the_papers_prices(paper: dict[str, Any]) -> None:
    """Bars are read to about 0.02; where four types are compared, the mix' cost makes all counts whole."""
    for cell in paper["cells"]:
        if len(cell["cost_over_mix"]) < 4:
            continue
        for chip, over_mix in cell["cost_over_mix"].items():
            gpus = over_mix * cell["mix_usd_per_hour_inferred"] / float(paper["usd_per_hour"][chip])
            assert gpus == pytest.approx(max(round(gpus), 1), rel=0.03)


def test_headline_savings_are_those_of_the_bars(paper: dict[str, Any]) -> None:
    for headline in paper["headline_saving_pct"]:
        savings = [
            100 * (1 - 1 / over_mix)
            for cell in paper["cells"]
            if (cell["workload"], cell["tpot_ms"]) == (headline["workload"], headline["tpot_ms"])
            for over_mix in cell["cost_over_mix"].values()
        ]
        assert max(savings) == pytest.approx(headline["max"], abs=2)


def test_names_and_units_are_this_repositorys() -> None:
    facts = {
        "source": {"repo": "r"},
        "how": {"bars": "read"},
        "price_note": "note",
        "prices_usd_per_hour": {"A10G": 1.01},
        "inferred_counts": [{"figure": "plot7", "request_rate": 2, "melange_cost_usd_h": 2.5}],
        "headline_saving_ranges_pct": [{"workload": "mixed", "tpot_slo_ms": 40, "min": 1, "max": 2}],
        "plot5_cost_vs_rate": {
            "input": 10,
            "output": 20,
            "tpot_slo_ms": 120,
            "max_req_s_per_gpu": {"A10G": 0.5},
        },
        "bars": [
            {
                "figure": "plot7",
                "workload": "short-context (Chatbot Arena)",
                "tpot_slo_ms": 120,
                "request_rate": rate,
                "baseline": f"{name}-only",
                "cost_vs_melange": over,
            }
            for rate, name, over in ((2, "A10G", 1.5), (2, "H100", 3.0), (4, "A10G", 1.2))
        ],
    }
    found = evaluation(facts)
    assert found["usd_per_hour"] == {"a10g-24gb": "1.01"}
    assert found["one_gpu"]["requests_per_s"] == {"a10g-24gb": 0.5}
    first, second = found["cells"]
    assert first["cost_over_mix"] == {"a10g-24gb": 1.5, "h100-sxm-80gb": 3.0}
    assert (first["mix_usd_per_hour_inferred"], second["mix_usd_per_hour_inferred"]) == (2.5, None)
