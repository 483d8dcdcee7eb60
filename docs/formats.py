"""Write docs/formats.md: each format of results in its reader's own words, and what it leaves open.

python docs/formats.py            # exit 1 and a diff where the page and the readers differ
python docs/formats.py --write    # write the page anew
"""

from __future__ import annotations

import difflib
import sys
from pathlib import Path

from advisor.errors import InputFileError
from advisor.profiles.importers.reading import Document
from advisor.profiles.importers.registry import FORMATS, FileFormat, read_text
from advisor.profiles.latency_metrics import METRICS, stated_in
from advisor.profiles.placing import LOAD, OPTIONS

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "formats.md"
EXAMPLES = ROOT / "fixtures" / "profiles" / "imports"

HEAD = """\
# Files that are read

`advisor profile import FILE...` tells results of benchmarks by their content, never by their name. What a
file says of the run is believed: an option that contradicts it is refused. What it does not say is asked
for, all at once. Figures are held against each other and against the chip: time to first token, per token
and end to end, lengths, rates and requests in flight. What cannot be true is refused, what is contradicted
answers no SLO, what looks odd is flagged.

This page is made from the readers in `advisor/profiles/importers/` by `python docs/formats.py --write`; what
a format leaves open is what its examples in `fixtures/profiles/imports/` do not state.
"""


def page() -> str:
    """The page as it should be."""
    return "\n".join([HEAD, *(_section(form) for form in FORMATS)])


def _section(form: FileFormat) -> str:
    title, *rest = (form.importer.__doc__ or "").strip().split("\n\n")
    words = "\n\n".join([title, *rest]).replace("``", "`").replace("::\n\n", "\n\n")
    marks = ", ".join(f"`{mark}`" for mark in sorted(form.importer.MARKS))
    asked, latencies = _open(form) if examples(form) else ("nothing", "any")
    return (
        f"## {form.name}\n\n{words}\n\n- Told by {marks}\n- Latencies: {latencies}\n"
        f"- To be given where the file does not say: {asked}\n- Written against {form.importer.SOURCE}\n"
    )


def _open(form: FileFormat) -> tuple[str, str]:
    """Options for what no example of a format states, and the latencies that one does."""
    rows = [row for path in examples(form) for row in read_text(path.name, _text(path)).rows]
    silent = [option for field, option in OPTIONS.items() if any(getattr(row, field) is None for row in rows)]
    silent += [LOAD] if any(row.load_mode is None for row in rows) else []
    stated = {found for row in rows for name in row.latencies_ms if (found := stated_in(name))}
    latencies = [metric.label for name, metric in METRICS.items() if any(name == m for m, _ in stated)]
    return ", ".join(f"`{option}`" for option in silent) or "nothing", ", ".join(latencies) or "none"


def examples(form: FileFormat) -> list[Path]:
    """The fixtures that are of a format and can be read."""
    paths = sorted(path for path in EXAMPLES.rglob("*") if path.is_file() and path.name != "origin.toml")
    return [path for path in paths if _is(form, path)]


def _is(form: FileFormat, path: Path) -> bool:
    document = Document(path.name, _text(path))
    if next((known for known in FORMATS if known.importer.recognises(document)), None) is not form:
        return False
    try:
        form.importer.read(document)
    except InputFileError:  # kept to show what is refused
        return False
    return True


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def main() -> int:
    """Compare the page, or write it with ``--write``."""
    if "--write" in sys.argv[1:]:
        PAGE.write_text(page(), encoding="utf-8")
        return 0
    written, wanted = PAGE.read_text(encoding="utf-8").splitlines(), page().splitlines()
    difference = list(difflib.unified_diff(written, wanted, str(PAGE), "the readers", lineterm=""))
    sys.stdout.write("\n".join(difference) + ("\n" if difference else ""))
    return 1 if difference else 0


if __name__ == "__main__":
    raise SystemExit(main())
