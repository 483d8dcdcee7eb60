"""Do the tests bite? Faults are put into the code, one at a time, and the room's own tests are run on each.

    python benchmarks/mutate.py                    the faults that once survived
    python benchmarks/mutate.py --random 200       so many more, drawn at random over the rooms
    python benchmarks/mutate.py --random 20 --room export --seed 7

The tree is copied and the copy is spoilt: nothing here is touched. A fault is killed when a test fails, or
the tests no longer load. Random faults turn a comparison or a sum around, or move a number; one that changes
nothing anybody could see survives rightly, so read the survivors.
"""

from __future__ import annotations

import argparse
import ast
import os
import random
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
ROOMS = {
    "advisor/catalog/gate": "tests/gate",
    "advisor/catalog": "tests/catalog",
    "advisor/documents": "tests/documents",
    "advisor/export": "tests/export",
    "advisor/fleet": "tests/fleet",
    "advisor/optimize": "tests/optimize",
    "advisor/plan": "tests/plan",
    "advisor/profiles": "tests/profiles",
    "advisor/recommendation": "tests/recommendation",
    "advisor/refresh": "tests/refresh",
    "advisor/report": "tests/report",
    "advisor/simulate": "tests/simulate",
    "advisor/workload": "tests/workload",
    "providers": "tests/providers",
}
SECONDS = 600.0
SKIPPED = ("__init__.py", "__main__.py")


@dataclass(frozen=True)
class Fault:
    """One replacement in one file, and where the tests stand that should see it."""

    path: str
    old: str
    new: str
    tests: str
    at: int | None = None  #: offset; None: the text occurs once

    def put_into(self, tree: Path) -> str:
        """Spoil the file; gives its content before."""
        file = tree / self.path
        sound = file.read_text("utf-8")
        at = sound.index(self.old) if self.at is None else self.at
        assert sound[at:].startswith(self.old)
        file.write_text(sound[:at] + self.new + sound[at + len(self.old) :], "utf-8")
        return sound

    def __str__(self) -> str:
        return f"{self.path}: {self.old.strip()!r} -> {self.new.strip()!r}"


SINCE, TOKENS = "advisor/catalog/gate/since.py", "advisor/report/tokens.py"
SURVIVED = (
    Fault(SINCE, "LIST_MOVE: Final = 1.25", "LIST_MOVE: Final = 1.9", "tests/gate"),
    Fault(SINCE, "_LOST_SHARE: Final = 0.3", "_LOST_SHARE: Final = 0.6", "tests/gate"),
    Fault(SINCE, "_LOST_SHARE_LIVE: Final = 0.8", "_LOST_SHARE_LIVE: Final = 0.95", "tests/gate"),
    Fault("providers/aws/prices.py", 'Decimal("0.01")', 'Decimal("0.30")', "tests/providers"),
    Fault("advisor/export/terraform_aws.py", '"max_size": count', '"max_size": count + 1', "tests/export"),
    Fault(
        TOKENS, "b.requests_per_s * b.served_share * SECONDS", "b.requests_per_s * SECONDS", "tests/report"
    ),
    Fault(TOKENS, "held = a.replicas * a.tensor_parallel", "held = a.replicas", "tests/report"),
    Fault("advisor/recommendation/drift_noise.py", '"0.02"', '"0.05"', "tests/recommendation/test_drift.py"),
)
"""Those that the tests of their rooms once let through."""


# --- random ones ----------------------------------------------------------------------------------

_TURNED = {
    ast.Lt: "<=", ast.LtE: "<", ast.Gt: ">=", ast.GtE: ">", ast.Eq: "!=", ast.NotEq: "==",
    ast.Add: "-", ast.Sub: "+", ast.Mult: "/", ast.Div: "*", ast.And: "or", ast.Or: "and",
}  # fmt: skip


def random_faults(count: int, seed: int, room: str | None) -> list[Fault]:
    """Drawn over rooms alike, then over their files and places."""
    chance = random.Random(seed)
    rooms = [own for own in ROOMS if room is None or own.rpartition("/")[2] == room]
    found: list[Fault] = []
    while len(found) < count:
        folder = chance.choice(rooms)
        files = [file for file in sorted((ROOT / folder).rglob("*.py")) if file.name not in SKIPPED]
        file = chance.choice(files)
        places = list(_places(file, ROOMS[folder]))
        if places:
            found.append(chance.choice(places))
    return found


def _places(file: Path, tests: str) -> list[Fault]:
    """Everything in a file that can be turned around."""
    source = file.read_text("utf-8")
    starts = [0]
    for line in source.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))

    def offset(line: int, column: int) -> int:
        text = source[starts[line - 1] : starts[line]]
        return starts[line - 1] + len(text.encode()[:column].decode())

    def between(left: ast.expr, right: ast.expr, new: str) -> Fault:
        at = offset(left.end_lineno or 0, left.end_col_offset or 0)
        old = source[at : offset(right.lineno, right.col_offset)]
        sign = old.strip(" ()\n")
        return Fault(str(file.relative_to(ROOT)), old, old.replace(sign, new, 1), tests, at)

    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Compare) and type(node.ops[0]) in _TURNED:
            found.append(between(node.left, node.comparators[0], _TURNED[type(node.ops[0])]))
        elif isinstance(node, ast.BinOp) and type(node.op) in _TURNED and not _is_text(node):
            found.append(between(node.left, node.right, _TURNED[type(node.op)]))
        elif isinstance(node, ast.BoolOp):
            found.append(between(node.values[0], node.values[1], _TURNED[type(node.op)]))
        elif isinstance(node, ast.Constant) and type(node.value) in (int, float) and node.value:
            at = offset(node.lineno, node.col_offset)
            old = source[at : offset(node.end_lineno or 0, node.end_col_offset or 0)]
            path = str(file.relative_to(ROOT))
            found.append(Fault(path, old, f"({old} * 1.5)" if "." in old else f"({old} + 1)", tests, at))
    return [fault for fault in found if fault.old.strip(" ()\n") and "#" not in fault.old]


def _is_text(node: ast.BinOp) -> bool:
    """Whether it is a sum of strings."""
    sides = (node.left, node.right)
    texts = (side.value for side in sides if isinstance(side, ast.Constant))
    return any(isinstance(text, str) for text in texts) or any(isinstance(s, ast.JoinedStr) for s in sides)


# --- running --------------------------------------------------------------------------------------


def survives(fault: Fault, tree: Path) -> bool:
    """Whether the tests pass with it."""
    sound = fault.put_into(tree)
    quiet = ("-x", "-q", "-n", "0", "-p", "no:cacheprovider")
    own = os.environ | {"PYTHONPATH": str(tree)}
    command = [sys.executable, "-m", "pytest", *quiet, fault.tests]
    try:
        done = subprocess.run(command, cwd=tree, env=own, capture_output=True, check=False, timeout=SECONDS)
        return done.returncode == 0
    except subprocess.TimeoutExpired:
        return False
    finally:
        (tree / fault.path).write_text(sound, "utf-8")


def main() -> int:
    """Exit 1 if any fault survives of those that must not, or more than 5 % of random ones."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--random", type=int, default=0, metavar="N")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--room", help="the last part of its path")
    asked = parser.parse_args()
    faults = random_faults(asked.random, asked.seed, asked.room) if asked.random else list(SURVIVED)
    left = 0
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder) / "tree"
        skipped = shutil.ignore_patterns(".venv", ".git", "__pycache__", ".*_cache")
        shutil.copytree(ROOT, tree, ignore=skipped)
        for fault in faults:
            alive = survives(fault, tree)
            left += alive
            print(f"{'SURVIVES' if alive else 'killed'}  {fault}", flush=True)
    print(f"{len(faults) - left} of {len(faults)} killed")
    return int(left > (0.05 * len(faults) if asked.random else 0))


if __name__ == "__main__":
    sys.exit(main())
