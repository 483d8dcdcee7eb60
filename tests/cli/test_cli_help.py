"""Every command has help with an example that runs, and the README names no command that does not exist."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

import pytest
from cli_harness import ROOT, call

from advisor.cli.app import COMMANDS, load_command

if TYPE_CHECKING:
    from pathlib import Path


def subcommands(name: str) -> list[str]:
    """The commands of a group; none where it is a command itself."""
    return sorted(getattr(load_command(name), "commands", {}))


EVERY: list[tuple[str, ...]] = sorted(
    (name, *sub) for name in COMMANDS for sub in ([(word,) for word in subcommands(name)] or [()])
)


def help_text(words: tuple[str, ...]) -> str:
    said = call(*words, "--help", COLUMNS="200")
    assert said.code == 0, said.err
    return said.out


def example(words: tuple[str, ...]) -> str:
    """The command line after "Example:"."""
    found = re.search(r"Example: +(advisor [^\n]+)", help_text(words))
    assert found, f"{' '.join(words)} has no example"
    return found.group(1).strip().rstrip("│ ").strip()


def test_every_command_is_known() -> None:
    assert {
        ("catalog", "status"), ("offers",), ("profile", "list"), ("profile", "show"), ("recommend",),
        ("schema",), ("solve",), ("verify",), ("workload", "fit"),
        ("workload", "list"), ("workload", "show"),
    } <= set(EVERY)  # fmt: skip


NEEDS_MORE_THAN_THE_CHECKOUT = {
    ("refresh",): "a network",
    ("profile", "measure"): "a running endpoint",
    ("profile", "forget"): "a profile of one's own",
    ("profile", "simulate"): "the package aiconfigurator",
    ("catalog", "evidence"): "a refreshed snapshot",
    ("catalog", "diff"): "two snapshots",
    ("drift",): "fresh prices",
}
RUNS_ANYWHERE = [words for words in EVERY if words not in NEEDS_MORE_THAN_THE_CHECKOUT]


@pytest.mark.parametrize("words", sorted(NEEDS_MORE_THAN_THE_CHECKOUT), ids=" ".join)
def test_an_example_that_needs_more_than_the_checkout_names_its_command(words: tuple[str, ...]) -> None:
    assert example(words).startswith(" ".join(("advisor", *words)))


@pytest.mark.parametrize("words", RUNS_ANYWHERE, ids=" ".join)
def test_its_example_runs(words: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a folder where what it reads lies about, as in the checkout."""
    line = example(words)
    (tmp_path / "requests.csv").write_text("input_tokens,output_tokens\n120,30\n900,200\n4000,15\n")
    (tmp_path / "fixtures").symlink_to(ROOT / "fixtures")
    monkeypatch.chdir(tmp_path)
    piped = ""
    for part in line.split(" | "):
        given = shlex.split(part)
        assert given.pop(0) == "advisor", line
        assert tuple(given[: len(words)]) == words or " | " in line, line
        said = call(*given, piped=piped)
        assert said.code == 0, (part, said.err)
        piped = said.out


@pytest.mark.parametrize(
    "words", [(), ("catalog",), ("profile",), ("workload",)], ids=lambda w: " ".join(w) or "advisor"
)
def test_a_group_lists_what_it_has(words: tuple[str, ...]) -> None:
    text = help_text(words)
    for command in EVERY:
        if command[: len(words)] == words:
            assert command[len(words)] in text


@pytest.mark.parametrize(
    "default",
    ["Llama-3.1-8B-Instruct", "azure-2023-conv", "[default: 16]", "[default: 60]", "[default: 0.15]"],
)
def test_help_states_the_defaults(default: str) -> None:
    assert default in help_text(("recommend",))


DOCUMENTED = [  # interfaces.md
    "--region",
    "--provider",
    "--near",
    "--market",
    "--model",
    "--workload",
    "--rate",
    "--tpot-ms",
    "--ttft-ms",
    "--slo-stat",
    "--accelerator",
    "--exclude-accelerator",
    "--headroom",
    "--coverage",
    "--allow-unknown-availability",
    "--max-usd-per-hour",
    "--quota",
    "--service",
    "--snapshot",
    "--evidence",
    "--time-limit-s",
    "--format",
    "-o",
]


def test_every_documented_option_of_recommend_is_there() -> None:
    text = help_text(("recommend",))
    assert [option for option in DOCUMENTED if option not in text] == []


def test_the_readme_names_only_commands_that_exist() -> None:
    known = {" ".join(words) for words in EVERY} | {words[0] for words in EVERY}
    named = re.findall(r"(?:^|[`\s/])advisor ([a-z]+)(?: ([a-z]+))?", (ROOT / "README.md").read_text())
    in_code = re.findall(r"`advisor ([a-z]+)[^`]*`", (ROOT / "README.md").read_text())
    assert {first for first, _ in named} & known
    assert {word for word in in_code if word not in known} == set()


@pytest.mark.parametrize("words", EVERY, ids=" ".join)
def test_every_command_is_in_the_readme(words: tuple[str, ...]) -> None:
    assert f"advisor {words[0]}" in (ROOT / "README.md").read_text()
