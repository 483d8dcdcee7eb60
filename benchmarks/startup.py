"""How long a command takes from a cold process, beside a bare `import typer, rich` in the same run.

    python -m benchmarks.startup [--runs 7]

Commands take turns (A B C A B C …), so that a machine that speeds up or slows down does so for all of them.
Wall and CPU seconds are medians; memory is the largest resident set of any run.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass, field

BASELINE = "import typer, rich"
COMMANDS: dict[str, list[str]] = {
    BASELINE: [sys.executable, "-c", BASELINE],
    "advisor --version": [sys.executable, "-m", "advisor", "--version"],
    "advisor --help": [sys.executable, "-m", "advisor", "--help"],
    "advisor recommend --region us-east-1": [
        sys.executable, "-m", "advisor", "recommend", "--region", "us-east-1",
    ],
    "advisor recommend (everything)": [sys.executable, "-m", "advisor", "recommend"],
}  # fmt: skip


@dataclass
class Timing:
    """Figures of the runs of one command."""

    wall_s: list[float] = field(default_factory=list)
    cpu_s: list[float] = field(default_factory=list)
    peak_mb: float = 0.0

    def run(self, command: list[str]) -> None:
        """Run it once more."""
        started = time.perf_counter()
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        self.wall_s.append(time.perf_counter() - started)
        if status != 0:
            raise SystemExit(f"{' '.join(command)} ended with status {status}")
        self.cpu_s.append(usage.ru_utime + usage.ru_stime)
        self.peak_mb = max(self.peak_mb, usage.ru_maxrss / 1024)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=7, help="counted runs of each command, after one warm-up")
    runs = parser.parse_args().runs
    timings = {name: Timing() for name in COMMANDS}
    for name, command in COMMANDS.items():
        Timing().run(command)
        print(f"warmed up: {name}", file=sys.stderr)
    for _ in range(runs):
        for name, command in COMMANDS.items():
            timings[name].run(command)
    base = statistics.median(timings[BASELINE].wall_s)
    print("| command | wall s, median (min-max) | CPU s | peak MB | x baseline |")
    print("| --- | ---: | ---: | ---: | ---: |")
    for name, timing in timings.items():
        wall = statistics.median(timing.wall_s)
        spread = f"{wall:.2f} ({min(timing.wall_s):.2f}-{max(timing.wall_s):.2f})"
        cpu = statistics.median(timing.cpu_s)
        print(f"| `{name}` | {spread} | {cpu:.2f} | {timing.peak_mb:.0f} | {wall / base:.1f} |")


if __name__ == "__main__":
    main()
