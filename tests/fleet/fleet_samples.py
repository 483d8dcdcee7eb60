"""Where the samples are, and the instance types the tests' catalog knows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from advisor.fleet.importing import Imported, Tool, import_fleet

FIXTURES = Path(__file__).parents[2] / "fixtures" / "fleet"

KNOWN = frozenset(
    {
        ("aws", "g6.xlarge"),
        ("aws", "g6e.2xlarge"),
        ("aws", "g6e.12xlarge"),
        ("aws", "p4d.24xlarge"),
        ("aws", "p5.4xlarge"),
        ("aws", "p5.48xlarge"),
        ("azure", "Standard_NC40ads_H100_v5"),
        ("azure", "Standard_NV36ads_A10_v5"),
        ("gcp", "a2-highgpu-1g"),
        ("gcp", "g2-standard-8"),
        ("gcp", "n1-standard-8+1xt4"),
        ("lambda", "gpu_1x_h100_pcie"),
    }
)


def imported(name: str, tool: Tool | None = None) -> Imported:
    """A sample as a fleet."""
    return import_fleet(FIXTURES / name, tool, KNOWN)


def imported_json(document: Any, folder: Path, tool: Tool | None = None) -> Imported:
    """A document written to a file and imported."""
    path = folder / "sample.json"
    path.write_text(json.dumps(document))
    return import_fleet(path, tool, KNOWN)


def lines(found: Imported) -> dict[str, int]:
    """Instances by offer id."""
    return {line.offer_id: line.instances for line in found.fleet.lines}


def reasons(found: Imported) -> dict[str, str]:
    """Why each unknown thing is no line."""
    return {one.what: one.why for one in found.fleet.unknown}
