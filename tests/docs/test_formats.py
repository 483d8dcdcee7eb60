"""docs/formats.md says what the readers of benchmark results say of themselves."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "docs"))

from formats import PAGE, examples, page  # noqa: E402

from advisor.profiles.importers.registry import FORMATS, FileFormat  # noqa: E402

pytestmark = pytest.mark.fast


def test_the_page_is_what_the_readers_say_of_themselves() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "python docs/formats.py --write"


@pytest.mark.parametrize("form", FORMATS, ids=lambda form: form.name)
def test_every_format_has_its_marks_and_the_version_and_date_it_was_written_against(form: FileFormat) -> None:
    assert form.importer.MARKS
    assert re.search(r"\d{4}-\d{2}-\d{2}|^this package", form.importer.SOURCE)
    assert form.name == FORMATS[0].name or examples(form)
