"""Builders for imports: recorded files, options, and what comes of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from throughput_builders import facts

from advisor.profiles.importers.registry import read_text
from advisor.profiles.importing import Given, Names, OwnProfile, Understood, understand

if TYPE_CHECKING:
    from advisor.profiles.importers.reading import ImportedFile, ImportedRow

RECORDED = Path(__file__).parents[2] / "fixtures" / "profiles" / "imports"
EVERYTHING = Given("Llama-3.1-8B", "h100-sxm-80gb", 1, "bf16", "vLLM", "0.20.0")


def names() -> Names:
    known = facts()
    return Names(known.model, known.accelerator)


def recorded(name: str) -> ImportedFile:
    path = RECORDED / name
    return read_text(path.name, path.read_text(encoding="utf-8"))


def loads(*files: str) -> list[ImportedRow]:
    return [load for name in files for load in recorded(name).rows]


def a_csv(*rows: dict[str, Any], **changes: Any) -> ImportedFile:
    """Runs at 1,000 in, 100 out on one H100: by default one that is true."""
    base = {"model": "Llama-3.1-8B", "precision": "bf16", "engine": "vLLM", "gpu": "h100-sxm-80gb", "tp": 1,
            "input_tokens": 1000, "output_tokens": 100, "load_mode": "concurrency", "concurrency": 1,
            "requests_per_s": 1.0, "tpot_mean_ms": 9.0} | changes  # fmt: skip
    lines = [base | row for row in rows or ({},)]
    columns = list(dict.fromkeys(key for line in lines for key in line))
    text = "\n".join(
        [",".join(columns), *(",".join(str(line.get(c, "")) for c in columns) for line in lines)]
    )
    return read_text("runs.csv", text)


def understood(*readings: ImportedFile, given: Given | None = None) -> Understood:
    return understand(readings, given or Given(), names())


def one(*readings: ImportedFile, given: Given | None = None) -> OwnProfile:
    (profile,) = understood(*readings, given=given).profiles
    return profile


def as_text(document: Any) -> str:
    return json.dumps(document)
