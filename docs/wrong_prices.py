"""Write docs/wrong-prices.md: every detector of the gate in its own words, and its word on an example.

python docs/wrong_prices.py            # exit 1 and a diff where the page and the gate differ
python docs/wrong_prices.py --write    # write the page anew
"""

from __future__ import annotations

import difflib
import inspect
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "wrong-prices.md"
sys.path.append(str(ROOT / "tests" / "gate"))

from gate_builders import judged  # noqa: E402
from gate_examples import EXAMPLES  # noqa: E402

from advisor.catalog.gate import DETECTORS, Finding, Verdict  # noqa: E402

HEAD = """\
# Wrong prices, by number

`advisor refresh` judges every row before it publishes it. Each number stands for a defect that a real tool
once shipped and its users reported; the place is named. A row is **refused** (it cannot be true), **held**
(it may be true; the old row stays until `advisor refresh --accept ID` says so), **repaired** or **noted**.
Figures called *shipped* are the extremes in the prices and the history that come with the package.

This page is made from the detectors in `advisor/catalog/gate/` by `python docs/wrong_prices.py --write`; each
example is judged by the gate itself, as on the first refresh unless it speaks of last week.
"""
ACTIONS = {"refuse": "refused", "hold": "held", "repair": "repaired", "note": "noted"}


def page() -> str:
    """The page as it should be."""
    return "\n".join([HEAD, *(_section(name) for name in sorted(DETECTORS, key=_number))])


def _number(name: str) -> int:
    return int(name[1:]) if name[1:].isdigit() else len(DETECTORS)


def _section(name: str) -> str:
    title, *rest = (inspect.getdoc(DETECTORS[name]) or "").split("\n\n")
    title = title.replace("\n", " ").removeprefix(f"{name}: ")
    words = "\n\n".join(rest).replace("``", "`")
    found = word_on(name)
    example = f"Example: {EXAMPLES[name].words}"
    said = f"The gate: {ACTIONS[found.action.value]}, `{found.offer_id}`: “{found.detail}”"
    return f"## {name}\n\n**{title[:1].upper()}{title[1:]}**\n\n{words}\n\n{example}  \n{said}\n"


def word_on(name: str) -> Finding:
    """What the detector of that name says of its example."""
    example = EXAMPLES[name]
    every = findings(judged(example.rows, example.before or ()))
    return next(finding for finding in every if finding.detector == name)


def findings(verdict: Verdict) -> tuple[Finding, ...]:
    """All of them, the graver first."""
    return (*verdict.refused, *verdict.held, *verdict.notes)


def main() -> int:
    """Compare the page, or write it with ``--write``."""
    if "--write" in sys.argv[1:]:
        PAGE.write_text(page(), encoding="utf-8")
        return 0
    written, wanted = PAGE.read_text(encoding="utf-8").splitlines(), page().splitlines()
    difference = list(difflib.unified_diff(written, wanted, str(PAGE), "the gate", lineterm=""))
    sys.stdout.write("\n".join(difference) + ("\n" if difference else ""))
    return 1 if difference else 0


if __name__ == "__main__":
    raise SystemExit(main())
