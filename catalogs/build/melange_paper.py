"""The Mélange paper's evaluation as data for the benchmark that rebuilds it.

``python -m catalogs.build.melange_paper --from DIR`` reads ``melange_paper.json`` of the collected sources
(facts read off the figures of arXiv:2404.14527 in the release, no text or picture of it) and writes
``fixtures/melange/paper_evaluation.json``: prices, the bars of figures 7 to 12, the fleet costs inferred from
them, the headline savings, and the rates of one A100 and one A10G.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any, Final

TARGET: Final = Path(__file__).resolve().parents[2] / "fixtures" / "melange" / "paper_evaluation.json"
NAMES: Final = {
    "short-context (Chatbot Arena)": "short",
    "long-context (PubMed)": "long",
    "mixed 80/20": "mixed",
    "short-context": "short",
    "long-context": "long",
    "mixed": "mixed",
}
CHIPS: Final = {
    "L4": "l4-24gb",
    "A10G": "a10g-24gb",
    "A100-80GB": "a100-sxm-80gb",
    "H100": "h100-sxm-80gb",
}


def evaluation(facts: dict[str, Any]) -> dict[str, Any]:
    """The part of the facts that the benchmark needs, in this repository's names and units."""
    costs = {(c["figure"], c["request_rate"]): c["melange_cost_usd_h"] for c in facts["inferred_counts"]}
    cells: dict[tuple[str, float, float], dict[str, Any]] = {}
    for bar in facts["bars"]:
        key = NAMES[bar["workload"]], bar["tpot_slo_ms"], bar["request_rate"]
        cell = cells.setdefault(
            key,
            {
                "workload": key[0],
                "tpot_ms": key[1],
                "requests_per_s": key[2],
                "mix_usd_per_hour_inferred": costs.get((bar["figure"], bar["request_rate"])),
                "cost_over_mix": {},
            },
        )
        cell["cost_over_mix"][CHIPS[bar["baseline"].removesuffix("-only")]] = bar["cost_vs_melange"]
    plot5 = facts["plot5_cost_vs_rate"]
    return {
        "source": {**facts["source"], "read": facts["how"], "price_note": facts["price_note"]},
        "model": "Llama-2-7B",
        "usd_per_hour": {CHIPS[name]: str(usd) for name, usd in facts["prices_usd_per_hour"].items()},
        "headline_saving_pct": [
            {"workload": NAMES[h["workload"]], "tpot_ms": h["tpot_slo_ms"], "min": h["min"], "max": h["max"]}
            for h in facts["headline_saving_ranges_pct"]
        ],
        "one_gpu": {
            "input_tokens": plot5["input"],
            "output_tokens": plot5["output"],
            "tpot_ms": plot5["tpot_slo_ms"],
            "requests_per_s": {CHIPS[name]: rate for name, rate in plot5["max_req_s_per_gpu"].items()},
        },
        "cells": list(cells.values()),
    }


def main() -> None:
    """Write the fixture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--from", dest="source", type=Path, required=True, help="folder of collected files")
    parser.add_argument("--to", dest="target", type=Path, default=TARGET)
    options = parser.parse_args()
    facts = json.loads((options.source / "melange_paper.json").read_text(encoding="utf-8"))
    text = json.dumps(evaluation(facts), indent=1, ensure_ascii=False)
    options.target.write_text(text + "\n", encoding="utf-8")
    print(f"wrote {options.target}")


if __name__ == "__main__":
    main()
