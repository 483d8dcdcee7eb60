"""docs/wrong-prices.md says what the gate does, detector by detector."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path += [str(ROOT / "docs"), str(ROOT / "tests" / "gate")]

from gate_builders import judged  # noqa: E402
from gate_examples import EXAMPLES  # noqa: E402
from wrong_prices import PAGE, findings, page, word_on  # noqa: E402

from advisor.catalog.gate import DETECTORS  # noqa: E402

pytestmark = pytest.mark.fast


def test_the_page_is_what_the_detectors_say_of_themselves_and_of_their_examples() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "python docs/wrong_prices.py --write"


def test_every_number_has_a_section_a_definition_and_an_example_in_order() -> None:
    sections = re.split(r"^## ", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
    names = [section.split("\n", 1)[0] for section in sections]
    assert names == [*(f"W{number}" for number in range(1, 28)), "large_move"]
    assert set(names) == set(DETECTORS) == set(EXAMPLES)
    for section in sections:
        _, title, definition, *_ = section.split("\n\n")
        assert re.fullmatch(r"\*\*.{20,}\*\*", title)
        assert re.search(r"(?i)\b(refused|held|repaired)\b", definition)
        assert "\nExample: " in section


WORDS = {"refuse": "refused", "hold": "held", "repair": "repaired", "note": "remark"}


@pytest.mark.parametrize("name", DETECTORS)
def test_an_example_is_what_its_detector_is_for(name: str) -> None:
    """The detector alone stops it, or is the first to, and does what its definition says."""
    example = EXAMPLES[name]
    found = word_on(name)
    assert {finding.detector for finding in findings(judged(example.rows, example.before or ()))} == {name}
    assert re.search(rf"(?i)\b{WORDS[found.action.value]}\b", DETECTORS[name].__doc__ or "")
    assert found.detail
