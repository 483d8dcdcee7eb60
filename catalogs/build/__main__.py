"""``python -m catalogs.build --from DIR``: make the shipped catalog again."""

from __future__ import annotations

import argparse
import sys
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Final

from advisor.errors import AdvisorError

if TYPE_CHECKING:
    from collections.abc import Sequence

PARTS: Final = (
    "offers", "facts", "quota", "docs", "profiles", "estimator", "workloads", "history", "hosted", "places",
    "price_moves",
)  # fmt: skip
_MODULE_OF_PART: Final = {
    "profiles": "catalogs.build.profiles",
    "estimator": "catalogs.build.estimator",
    "workloads": "catalogs.build.traces",
    "history": "catalogs.build.history",
    "hosted": "catalogs.build.hosted",
    "places": "catalogs.build.places",
    "price_moves": "catalogs.build.price_moves",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Build the parts asked for; 0, or the exit code of the error that stopped it."""
    options = _parser().parse_args(arguments)
    try:
        for part in options.only or PARTS:
            build_part(part, options.source, options.target)
    except AdvisorError as error:
        print(f"refused: {error}", file=sys.stderr)
        return error.exit_code
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m catalogs.build", description=__doc__)
    here = Path(__file__).resolve().parent.parent
    parser.add_argument(
        "--from", dest="source", type=Path, required=True, help="folder of collected source files"
    )
    parser.add_argument(
        "--to", dest="target", type=Path, default=here, help="catalog folder to write (default: ours)"
    )
    parser.add_argument(
        "--only", action="append", choices=PARTS, help="one part; repeatable (default: every part)"
    )
    return parser


def build_part(part: str, source: Path, target: Path) -> None:
    """Write one part of the catalog and say what was written."""
    if part in _MODULE_OF_PART:
        import_module(_MODULE_OF_PART[part]).build(source, target)
    else:
        _build_from_prices(part, source, target)
    print(f"{part}: done")


def _build_from_prices(part: str, source: Path, target: Path) -> None:
    from catalogs.build.collect import collect_offers
    from catalogs.build.dictionary import build_dictionary
    from catalogs.build.facts import build_facts
    from catalogs.build.provenance import build_provenance
    from catalogs.build.quota import build_quota
    from catalogs.build.snapshot import assembled_on, publish

    if part == "quota":
        build_quota(source, target)
        return
    collected = collect_offers(source / "prices")
    assembled = assembled_on(source / "prices")
    if part == "offers":
        path = publish(collected.offers, assembled, target / "snapshots")
        print(f"{len(collected.offers)} offers in {path.name}")
        print(*(f"note: {sentence}" for sentence in collected.notes), sep="\n")
    elif part == "facts":
        build_facts(source, target, collected.offers)
    else:
        build_dictionary(target)
        build_provenance(collected, assembled, target)


if __name__ == "__main__":
    sys.exit(main())
