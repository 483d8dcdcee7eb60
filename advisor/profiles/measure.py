"""Measuring a running endpoint: every request size, load by load, until the SLO is broken.

A load generator does the measuring, as a process of its own; what it writes is read by its importer. Each
finished load is a file in the state folder, so a run that was interrupted goes on where it stopped.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Final, Protocol
from urllib.parse import urlsplit

from advisor.errors import InputFileError, UsageError
from advisor.profiles.importers.registry import read_file

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from advisor.profiles.importers.reading import ImportedFile, ImportedRow

PLAN: Final = "campaign.json"
TIME_LIMIT_S: Final = 3600.0
"""Of one load; a replica that takes longer for a few hundred requests is not serving."""


@dataclass(frozen=True, slots=True)
class Campaign:
    """What to measure."""

    url: str
    model: str  #: its name at the endpoint
    tokenizer: str  #: a folder or a repository name
    sizes: tuple[tuple[int, int], ...]  #: (input, output) tokens
    concurrencies: tuple[int, ...]  #: rising
    tpot_ms: float
    ttft_ms: float | None
    requests_each: int  #: per unit of concurrency
    replica: str = ""  #: what runs there; an address alone may be forwarded to another one tomorrow

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise UsageError(f"{self.url!r} is not an address; http://HOST:PORT is")
        if parts.username or parts.password:
            raise UsageError(
                "a password in the address would end up in files; use the generator's own settings"
            )

    @property
    def fingerprint(self) -> str:
        """Of all that makes an earlier result another measurement; sizes, loads and limits may change."""
        what = {key: value for key, value in asdict(self).items() if key not in ("sizes", "concurrencies")}
        what = {key: value for key, value in what.items() if key not in ("tpot_ms", "ttft_ms")}
        return hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()[:12]

    def meets(self, row: ImportedRow) -> bool:
        """Whether a load keeps the limits; one without a TPOT cannot."""
        tpot, ttft = row.ms("tpot"), row.ms("ttft")
        if tpot is None or tpot > self.tpot_ms:
            return False
        return self.ttft_ms is None or (ttft is not None and ttft <= self.ttft_ms)


class Generator(Protocol):
    """What drives load: writes one result file for one size and load."""

    def run(self, campaign: Campaign, size: tuple[int, int], concurrency: int, result: Path) -> None:
        """Write ``result`` whole, or raise."""


@dataclass(frozen=True, slots=True)
class GuideLlm:
    """GuideLLM 0.8 as a process."""

    command: str = "guidellm"

    def arguments(
        self, campaign: Campaign, size: tuple[int, int], concurrency: int, result: Path
    ) -> list[str]:
        """Its command line. Settings go as JSON, so that no character of a name can break out."""
        backend = {
            "kind": "openai_http",
            "target": campaign.url,
            "model": campaign.model,
            "request_format": "/v1/completions",
        }
        data = {"kind": "synthetic_text", "prompt_tokens": size[0], "output_tokens": size[1]}
        count = campaign.requests_each * concurrency
        options: dict[str, dict[str, object]] = {
            "--backend": {**backend},
            "--profile": {"kind": "concurrent", "streams": concurrency},
            "--constraint": {"kind": "max_requests", "count": count},
            "--tokenizer": {"kind": "huggingface_auto", "model": campaign.tokenizer},
            "--data": {**data},
            "--metrics": {"kind": "generative", "sample_size": 0},
            "--output": {"kind": "json", "path": str(result)},
        }
        words = [word for name, value in options.items() for word in (name, json.dumps(value))]
        return [self.command, "run", *words, "--disable-console"]

    def run(self, campaign: Campaign, size: tuple[int, int], concurrency: int, result: Path) -> None:
        """One load.

        Raises:
            UsageError: GuideLLM is not there, failed, or wrote nothing.
        """
        if shutil.which(self.command) is None:
            raise UsageError(
                f"{self.command} is not there: pip install 'llm-fleet-advisor[measure]', or --guidellm PATH"
            )
        part = result.with_name(f"{result.stem}.part.json")
        part.unlink(missing_ok=True)
        try:
            code, said = _run_whole(self.arguments(campaign, size, concurrency, part))
        except subprocess.TimeoutExpired:
            raise UsageError(
                f"{self.command} took more than {TIME_LIMIT_S:g} s for {size} at {concurrency}"
            ) from None
        if code != 0 or not part.is_file():
            last = said.strip().splitlines()[-1:] or ["no message"]
            raise UsageError(
                f"{self.command} failed for {size[0]}x{size[1]} at {concurrency}: {last[0][:300]}"
            )
        part.replace(result)


def _run_whole(words: Sequence[str]) -> tuple[int, str]:
    """Exit code and last words of a process that leaves nobody behind.

    GuideLLM's workers outlive it when it is killed, and would go on loading the endpoint: they share a
    session, which ends with any interruption.
    """
    with subprocess.Popen(  # noqa: S603
        words,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        start_new_session=True,
    ) as process:
        try:
            out, err = process.communicate(timeout=TIME_LIMIT_S)
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            raise
    return process.returncode, err or out


def run_campaign(
    campaign: Campaign, state: Path, generator: Generator, say: Callable[[str], None]
) -> list[ImportedFile]:
    """Everything measured, earlier runs of the same campaign included.

    A size ends with the first load beyond the limits; that load is kept, it shows where the limit bites.

    Raises:
        UsageError: the state folder is of another campaign, or the generator failed.
    """
    _prepare(campaign, state)
    readings: list[ImportedFile] = []
    for size in campaign.sizes:
        for concurrency in campaign.concurrencies:
            result = state / f"{size[0]}x{size[1]}-c{concurrency}.json"
            reading = _earlier(result)
            if reading is None:
                generator.run(campaign, size, concurrency, result)
                reading = read_file(result)
            readings.append(reading)
            load = reading.rows[0]
            say(f"{size[0]}x{size[1]} at {concurrency}: {_shown(load)}")
            if not campaign.meets(load):
                break
    return readings


def _prepare(campaign: Campaign, state: Path) -> None:
    plan = state / PLAN
    try:
        state.mkdir(parents=True, exist_ok=True)
        if not plan.exists():
            plan.write_text(json.dumps({"campaign": campaign.fingerprint}), encoding="utf-8")
        known = json.loads(plan.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"cannot use {state}: {error.strerror or error}") from error
    except ValueError:
        known = None
    if not isinstance(known, dict) or known.get("campaign") != campaign.fingerprint:
        raise UsageError(
            f"{state} holds another measurement (address, replica, tokenizer or requests differ): --state"
        )


def _earlier(result: Path) -> ImportedFile | None:
    """A load measured before; one that cannot be read is measured again."""
    if not result.is_file():
        return None
    try:
        return read_file(result)
    except InputFileError:
        return None


def _shown(row: ImportedRow) -> str:
    rate, tpot = row.requests_per_s, row.ms("tpot")
    return f"{rate or 0:.3g} requests/s, TPOT {'unknown' if tpot is None else f'{tpot:.3g} ms'}"
