"""Write the table of docs/exports.md: plans by targets, what judged each, and whether it says the plan.

    python docs/export_table.py [--write]

Tools are those of PATH (``sky``, ``terraform``, ``kubernetes-validate``, ``dstack``, ``litellm``): what is
not installed is not run, and the table says so. Nothing is rented and no account is asked.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

PAGE = Path(__file__).parent / "exports.md"
BEGIN, END = "<!-- plans by targets -->", "<!-- end of plans by targets -->"
TARGETS = ("skypilot", "skypilot-service", "terraform", "karpenter", "kubernetes", "gateway", "aibrix",
           "litellm", "dstack")  # fmt: skip
TWO = {
    "schema_version": 1, "regions": ["aws:us-east-1"], "markets": ["on_demand"],
    "services": [
        {"name": "chat", "model": "Llama-3.1-8B-Instruct", "workload": "azure-2023-conv",
         "rate_requests_per_s": 16, "slo": {"tpot_ms": 60}},
        {"name": "big", "model": "Llama-3.3-70B", "precision": "fp8", "workload": "azure-2023-code",
         "rate_requests_per_s": 2, "slo": {"tpot_ms": 80}},
    ],
}  # fmt: skip
SAME: dict[str, Any] = {
    **TWO,
    "services": [{**TWO["services"][0], "name": "chat"}, {**TWO["services"][0], "name": "tools"}],  # type: ignore[index]
}
EAST = ("--region", "us-east-1", "--market", "on_demand")
PLANS: dict[str, tuple[tuple[str, ...], Any]] = {
    "one service, on demand": (EAST, None),
    "spot, with its fallback": (("--region", "us-east-1", "--market", "spot", "--stale-spot", "use"), None),
    "a fine-tune": ((*EAST, "--model", "Qwen2.5-Coder-7B-Instruct"), None),
    "two clouds": (("--region", "us-*", "--market", "on_demand", "--survive", "provider=0.5"), None),
    "two services": ((), TWO),
    "two services of one model": ((), SAME),
    "a choice of two types": (
        (*EAST, "--rate", "4", "--coverage", "99", "--accelerator", "L4", "--accelerator", "L40S"), None
    ),
    "671 GB of weights": (("--region", "us-*", "--model", "DeepSeek-R1", "--rate", "1", "--tpot-ms", "100",
                           "--ttft-ms", "5000", "--market", "on_demand"), None),
    "marketplaces": (("--provider", "vast", "--provider", "runpod", "--allow-unknown-availability"), None),
    "SGLang": ((*EAST, "--engine", "SGLang"), None),
    "TensorRT-LLM": ((*EAST, "--engine", "TensorRT-LLM"), None),
}  # fmt: skip
STARTS = ("skypilot", "skypilot-service", "terraform", "kubernetes", "dstack")
"""Targets in which an engine's command stands."""


def main() -> int:
    """Print the table, or put it into its page."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--write", action="store_true")
    written = "\n".join([_HEAD, *rows()])
    if parser.parse_args().write:
        text = PAGE.read_text()
        before, after = text.partition(BEGIN)[0], text.partition(END)[2]
        PAGE.write_text(f"{before}{BEGIN}\n{written}\n{END}{after}")
    else:
        sys.stdout.write(written + "\n")
    return 0


_HEAD = """| plan | `--to` | judged by | files say | model, degree, disk | left out |
| --- | --- | --- | --- | --- | --- |"""


def rows() -> list[str]:
    """One per plan and target."""
    found = []
    with tempfile.TemporaryDirectory() as name:
        for title, (options, service) in PLANS.items():
            plan = Path(name) / "plan.json"
            plan.unlink(missing_ok=True)
            words = ["recommend", *options, "--no-replay", "--format", "json", "-o", str(plan)]
            if service is not None:
                (Path(name) / "service.yaml").write_text(json.dumps(service))
                words += ["--service", str(Path(name) / "service.yaml")]
            said = advisor(*words)
            if not plan.exists():
                found.append(f"| {title} | | | no plan: {said.stderr.strip().splitlines()[0]} | | |")
                continue
            found += [row(title, plan, target, Path(name) / "out") for target in TARGETS]
    return found


def row(title: str, plan: Path, target: str, folder: Path) -> str:
    """What one target makes of one plan."""
    said = advisor("export", str(plan), "--to", target, "--check", "-o", str(folder), "--force")
    verdicts = said.stdout.splitlines()
    out = sum(line.startswith("left out:") for line in said.stderr.splitlines())
    if not verdicts:
        why = said.stderr.strip().splitlines()[-1].rpartition(": ")[2]
        return f"| {title} | {target} | | refused: {why} | | all |"
    judges = "; ".join(line.replace("|", "/") for line in verdicts[1:])
    return f"| {title} | {target} | {judges} | {verdicts[0]} | {facts(plan, target, folder)} | {out or ''} |"


def facts(plan: Path, target: str, folder: Path) -> str:
    """Whether the checkpoint, the degrees and a disk that holds both weights and image stand in the files."""
    document = json.loads(plan.read_text())
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    text = "\n".join(path.read_text() for path in files)
    for path in files:
        path.unlink()
    checkpoints = {one["checkpoint"] for one in document["services"]}
    if target not in STARTS:
        return "model" if target == "litellm" and all(one in text for one in checkpoints) else ""
    flags = r"--(?:tensor-parallel-size|tp-size|tp_size)[\s\"',-]+(\d+)"
    degrees = {int(one) for one in re.findall(flags, text)}
    planned = {one["tensor_parallel"] for one in document["allocations"]}
    model = "model" if any(one in text for one in checkpoints) else "**another model**"
    degree = f"tp {', '.join(map(str, sorted(degrees)))}"
    degree += "" if degrees <= planned else " **not planned**"
    sizes = re.findall(r"(?:disk_size|disk_size_gb|volume_size|disk|ephemeral-storage)\"?: \"?(\d+)", text)
    return f"{model}, {degree}, {min(map(int, sizes), default=0)} GB"


def advisor(*words: str) -> subprocess.CompletedProcess[str]:
    """The command line's answer."""
    return subprocess.run(  # noqa: S603
        [sys.executable, "-m", "advisor", *words], capture_output=True, text=True, check=False
    )


if __name__ == "__main__":
    raise SystemExit(main())
