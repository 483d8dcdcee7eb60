"""Handing an export to the tools it is for: what they say, and whether the files still say the plan.

Tools are asked where they are installed (on PATH), in a folder of their own and without an account; nothing
is rented. What is not installed is not run, and that is said.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Final

from advisor.export.targets import Target
from advisor.fleet.exports import documents_of, read_export
from advisor.fleet.found import Found
from advisor.text import printable
from advisor.units import decimal_text

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from advisor.export.bundle import Bundle
    from advisor.export.order import Order

SECONDS: Final = 300
"""A tool that has not answered by then is not waited for."""
_SKY: Final = """
import sys, yaml, sky
for path in sys.argv[1:]:
    task = sky.Task.from_yaml_config(yaml.safe_load(open(path)))
    for one in task.resources:
        assert one.instance_type and one.disk_size, path
"""
_DSTACK: Final = """
import sys, yaml
from dstack._internal.core.models.configurations import parse_apply_configuration
for path in sys.argv[1:]:
    parse_apply_configuration(yaml.safe_load(open(path)))
"""
_LITELLM: Final = """
import os, re, sys, yaml
from litellm import Router
for path in sys.argv[1:]:
    text = open(path).read()
    for name in re.findall(r"os\\.environ/(\\w+)", text):
        os.environ[name] = "http://127.0.0.1:9/v1" if name.endswith("_URL") else "sk-x"
    config = yaml.safe_load(text)
    Router(model_list=config["model_list"], **config["router_settings"])
"""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of one check."""

    judge: str
    holds: bool | None  #: None: not run
    detail: str

    def __str__(self) -> str:
        word = {True: "ok", False: "refused", None: "not run"}[self.holds]
        return f"{word}: {self.judge}{self.detail and ': '}{self.detail}"


def check(order: Order, target: Target, bundle: Bundle) -> list[Verdict]:
    """What the files say, against the plan; then what the target's own tool says of them."""
    with tempfile.TemporaryDirectory(prefix="advisor-check-") as name:
        folder = Path(name)
        for file in bundle.files:
            path = folder / file.name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(file.text, encoding="utf-8")
        return [says_the_plan(order, bundle), *_TOOLS[target](folder)]


def says_the_plan(order: Order, bundle: Bundle) -> Verdict:
    """Whether instances and dollars, read back from the files, are those of the lines not left out."""
    gone = {one.line for one in bundle.left_out}
    bought = [line.purchase for line in order.lines if line.purchase.offer_id not in gone]
    wanted = {one.offer_id: (one.instances, one.usd_per_hour_each) for one in bought}
    documents = [one for file in bundle.files for one in documents_of(file.text, file.name)]
    found = {
        one.what: (one.instances, one.usd_per_hour_each)
        for one in read_export(documents)
        if isinstance(one, Found)
    }
    if found != wanted:
        odd = next(iter(sorted(found.keys() ^ wanted.keys() or wanted.keys())), "")
        return Verdict("the plan", holds=False, detail=f"{odd}: the files do not say what the plan bought")
    instances = sum(one.instances for one in bought)
    chips = sum(one.instances * one.accelerators_per_instance for one in bought)
    usd = sum((one.usd_per_hour for one in bought), Decimal(0))
    said = f"{instances} instances, {chips} accelerators, ${decimal_text(usd)}/h, as bought"
    return Verdict("the plan", holds=True, detail=said)


def _asked(tool: str, words: Callable[[str], Sequence[str]], folder: Path) -> Verdict:
    """What a program of PATH says; ``words`` are its arguments, given where it is."""
    program = shutil.which(tool)
    if program is None:
        return Verdict(tool, holds=None, detail="it is not installed")
    try:
        said = _run(words(program), folder)
    except subprocess.TimeoutExpired:
        return Verdict(tool, holds=None, detail=f"no answer in {SECONDS} s")
    return Verdict(tool, holds=said.returncode == 0, detail="" if said.returncode == 0 else _complaint(said))


def _complaint(said: subprocess.CompletedProcess[str]) -> str:
    """The line that says what is wrong: the first that speaks of an error, else the last."""
    lines = [line.strip(" │╷╵") for line in (said.stderr.strip() or said.stdout.strip()).splitlines()]
    lines = [line for line in lines if line]
    return printable(next((line for line in lines if "rror" in line), (lines or [""])[-1]))


def _run(words: Sequence[str], folder: Path) -> subprocess.CompletedProcess[str]:
    home = {"HOME": str(folder / ".home"), "SKYPILOT_DISABLE_USAGE_COLLECTION": "1", "NO_COLOR": "1"}
    return subprocess.run(  # noqa: S603 (a program of the user's own PATH, without a shell)
        list(words), cwd=folder, capture_output=True, text=True, timeout=SECONDS, check=False,
        env={**os.environ, **home}, stdin=subprocess.DEVNULL,
    )  # fmt: skip


def _python_of(program: str) -> str:
    """The interpreter that a Python program's first line names."""
    with Path(program).open("rb") as stream:
        first = stream.readline().decode(errors="replace").strip()
    return first.removeprefix("#!").strip() if first.startswith("#!") else program


def _in_python(tool: str, code: str) -> Callable[[Path], list[Verdict]]:
    def ask(folder: Path) -> list[Verdict]:
        files = [str(path) for path in _files(folder)]
        return [_asked(tool, lambda program: [_python_of(program), "-c", code, *files], folder)]

    return ask


def _terraform(folder: Path) -> list[Verdict]:
    """Each module on its own: a provider that cannot be had leaves it unjudged."""
    return [_module(path.parent) for path in _files(folder)]


_INIT: Final = ("init", "-backend=false", "-input=false", "-no-color")


def _module(folder: Path) -> Verdict:
    name = f"terraform validate, {folder.name}"
    ready = _asked("terraform", lambda program: [program, *_INIT], folder)
    if not ready.holds:
        return Verdict(name, holds=None, detail=ready.detail and f"init: {ready.detail}")
    said = _asked("terraform", lambda program: [program, "validate", "-no-color"], folder)
    return Verdict(name, said.holds, said.detail)


def _kubernetes(folder: Path) -> list[Verdict]:
    files = [str(path) for path in _files(folder)]
    return [_asked("kubernetes-validate", lambda program: [program, "--strict", *files], folder)]


def _no_tool(what: str) -> Callable[[Path], list[Verdict]]:
    return lambda _: [Verdict(what, holds=None, detail="no tool that judges it without a cluster is known")]


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


_TOOLS: Final[dict[Target, Callable[[Path], list[Verdict]]]] = {
    Target.SKYPILOT: _in_python("sky", _SKY),
    Target.SKYPILOT_SERVICE: _in_python("sky", _SKY),
    Target.TERRAFORM: _terraform,
    Target.KARPENTER: _no_tool("Karpenter"),
    Target.KUBERNETES: _kubernetes,
    Target.GATEWAY: _no_tool("the inference gateway"),
    Target.AIBRIX: _no_tool("AIBrix"),
    Target.LITELLM: _in_python("litellm", _LITELLM),
    Target.DSTACK: _in_python("dstack", _DSTACK),
}
