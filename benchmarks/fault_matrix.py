"""Every built-in adapter against every scenario of the contract suite, over HTTP, as a Markdown table.

    python benchmarks/fault_matrix.py             prints the document
    python benchmarks/fault_matrix.py --check     whether docs/fault-matrix.md still says so (exit 1 if not)
    python benchmarks/fault_matrix.py --write     writes docs/fault-matrix.md

Nothing here decides what is right: tests/providers/test_provider_contract.py does.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import warnings
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Final

from advisor.errors import ProviderError
from advisor.provider import Scope

ROOT: Final = Path(__file__).resolve().parents[1]
sys.path.append(str(ROOT / "tests" / "providers"))  # the contract suite's own servers

from conftest import ADAPTERS, NOW, loopback_environ  # noqa: E402
from replay_cloud import SCENARIOS, origin_of, providers_with_fixtures, replaying  # noqa: E402

if TYPE_CHECKING:
    from advisor.provider import Collected

DOCUMENT: Final = ROOT / "docs" / "fault-matrix.md"
COMMAND: Final = "python benchmarks/fault_matrix.py --write"
ADAPTED: Final = sorted(set(ADAPTERS) & set(providers_with_fixtures()))
IMPATIENT: Final = {"time-out": {"ADVISOR_HTTP_TIMEOUT_S": "0.1", "ADVISOR_HTTP_RETRIES": "0"}}
"""As in the contract suite: so that the late answer is late, and the wait for it short."""

HEAD: Final = f"""# What a refresh makes of each fault

Written by `{COMMAND}` (`--check` compares). Each cell is one run of the adapter's
genuine client against a server on the loopback address that plays the scenario. The contract suite
(`tests/providers/test_provider_contract.py`) says what each must come to; the answers played are in
`fixtures/providers`, and `origin.toml` beside them says which are recorded, documented or made up.

- `12 offers` were read; reasons and numbers after it are what could not be, counted.
- An error's name in **bold** means that the provider brought nothing: its old rows stay in the catalog with
  their old time stamps, and the refresh ends with exit code 5, or 6 where nobody else brought anything.
- A dash means that the scenario cannot arise; the reason is below the table.
"""


def main() -> int:
    """Print, check or write the document."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    text = document()
    if options.check:
        found = DOCUMENT.read_text() if DOCUMENT.exists() else ""
        print("true" if found == text else f"not true any more: run {COMMAND}")
        return int(found != text)
    if options.write:
        DOCUMENT.write_text(text)
    else:
        print(text, end="")
    return 0


def document() -> str:
    """The whole document."""
    adapters = [name for name in ADAPTED if any(applies(name, scenario) for scenario in SCENARIOS)]
    head = "| scenario | " + " | ".join(adapters) + " |"
    rows = [
        f"| {scenario} | " + " | ".join(cell(name, scenario) for name in adapters) + " |"
        for scenario in SCENARIOS
    ]
    table = "\n".join([head, "|---" * (len(adapters) + 1) + "|", *rows])
    return f"{HEAD}\n{table}\n\n## What cannot arise\n\n{exempt()}\n"


def applies(provider: str, scenario: str) -> bool:
    """Whether the scenario can arise at this provider."""
    return bool(origin_of(provider, scenario)["applies"])


def exempt() -> str:
    """Why some scenarios cannot arise, one line for each reason of a provider."""
    lines = []
    for provider in ADAPTED:
        reasons: dict[str, list[str]] = {}
        for scenario in SCENARIOS:
            if not applies(provider, scenario):
                reasons.setdefault(origin_of(provider, scenario)["reason"], []).append(scenario)
        for reason, scenarios in reasons.items():
            which = "any" if len(scenarios) == len(SCENARIOS) else ", ".join(scenarios)
            lines.append(f"- {provider}, {which}: {reason}.")
    return "\n".join(lines)


def cell(provider: str, scenario: str) -> str:
    """What came of one scenario at one provider."""
    if not applies(provider, scenario):
        return "–"
    with (
        tempfile.TemporaryDirectory() as folder,
        replaying(provider, scenario, NOW.timestamp()) as (url, _),
    ):
        environ = loopback_environ(provider, url, Path(folder), **IMPATIENT.get(scenario, {}))
        try:
            return told(ADAPTERS[provider].from_env(environ).collect(Scope(), NOW))
        except ProviderError as error:
            kinds = (kind for kind in type(error).__mro__ if kind.__module__ == ProviderError.__module__)
            return f"**{next(kinds).__name__}**"


def told(collected: Collected) -> str:
    """What an adapter brought, in a few words."""
    number = len(collected.offers)
    parts = [f"{number} {'offer' if number == 1 else 'offers'}" if number else "no offer"]
    if not number and not collected.rejections:
        parts += [f"“{unseen.why}”" for unseen in collected.unseen if "empty" in unseen.why]
    counts = Counter(rejection.reason for rejection in collected.rejections)
    parts += [f"{reason} {count}" for reason, count in sorted(counts.items())]
    if collected.retries:
        parts.append(f"{collected.retries} {'retry' if collected.retries == 1 else 'retries'}")
    if stamps := {priced.offer.collected_at for priced in collected.offers} - {NOW}:
        parts.append(f"stamped {min(stamps):%Y-%m-%d %H:%M}Z")
    if collected.warnings:
        number = len(collected.warnings)
        parts.append(f"{number} {'warning' if number == 1 else 'warnings'}")
    return "; ".join(parts)


if __name__ == "__main__":
    warnings.simplefilter("error")
    sys.exit(main())
