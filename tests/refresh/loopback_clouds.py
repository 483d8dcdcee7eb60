"""All vendors at once on this machine, playing the providers' fixtures, for refreshes from end to end.

They may be told to ask other prices, or to be down, between two refreshes.
"""

from __future__ import annotations

import atexit
import os
import sys
import time
import urllib.request
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from email.utils import formatdate
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.append(str(Path(__file__).parents[1] / "providers"))  # the contract suite's own servers

from replay_cloud import FIXTURES, QuietHandler, Replay, origin_of, question_of, serving
from warm import ADVISOR, Process, Server

from advisor.provider import registered

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).parents[2]
ALL = registered()
SERVED = tuple(name for name in ALL if name != "sheet")
HARDWARE = ("DescribeInstanceTypes", "DescribeInstanceTypeOfferings")
SECRET = "s3cret-of-nobody-41d8cd98"  # noqa: S105  made up


@dataclass
class Clouds:
    """The vendors, their addresses, and what they are told to do."""

    urls: dict[str, str] = field(default_factory=dict)
    replays: dict[str, Replay] = field(default_factory=dict)
    down: set[str] = field(default_factory=set)
    said: Callable[[str, bytes], bytes] = lambda provider, content: content  #: what becomes of an answer
    moto: str | None = None  #: where EC2's hardware and offerings are asked instead
    delay_s: float = 0.0

    def reset(self) -> None:
        """Up, with the prices of the fixtures, from the first page on."""
        self.down, self.said, self.delay_s = set(), lambda provider, content: content, 0.0
        self.rewind()

    def rewind(self) -> None:
        """From the first page on: some fixtures are a sequence of answers."""
        for provider in SERVED:
            self.replays[provider] = _replay(provider)


def _replay(provider: str) -> Replay:
    return Replay(FIXTURES / provider / "typical", origin_of(provider, "typical")["answers"])


@contextmanager
def loopback_clouds() -> Iterator[Clouds]:
    """All of them, until the end of the block."""
    clouds = Clouds()
    clouds.rewind()
    with ExitStack() as stack:
        for provider in SERVED:
            clouds.urls[provider] = stack.enter_context(serving(_handler(clouds, provider)))
        yield clouds


def _handler(clouds: Clouds, provider: str) -> type[QuietHandler]:
    class Handler(QuietHandler):
        def do_GET(self) -> None:  # noqa: N802
            self._play(b"")

        def do_POST(self) -> None:  # noqa: N802
            self._play(self.body())

        def _play(self, raw: bytes) -> None:
            time.sleep(clouds.delay_s)
            if provider in clouds.down:
                self.send(503, b"{}")
                return
            question = question_of(self.path, self.headers, raw)
            if clouds.moto and isinstance(question, dict) and question.get("Action") in HARDWARE:
                self._forward(clouds.moto, raw)
                return
            replay = clouds.replays[provider]
            answer = replay.choose(question)
            if answer is None:
                self.send(404, b"{}")
                return
            content = clouds.said(provider, (replay.folder / answer["file"]).read_bytes())
            self.send(answer.get("status", 200), content, {"Date": _now(), **answer.get("headers", {})})

        def _forward(self, url: str, raw: bytes) -> None:
            sent = {name: self.headers[name] for name in ("Authorization", "Content-Type", "X-Amz-Date")}
            with urllib.request.urlopen(urllib.request.Request(url, raw, sent), timeout=20) as answer:  # noqa: S310
                self.send(200, answer.read(), {"Content-Type": "text/xml", "Date": _now()})

    return Handler


def _now() -> str:
    return formatdate(time.time(), usegmt=True)


def environ(clouds: Clouds, home: Path, sheet: Path | None = None) -> dict[str, str]:
    """What a refresh against these clouds finds in its environment: keys for all, real addresses of none."""
    urls = clouds.urls
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "VIRTUAL_ENV") if name in os.environ}
    return kept | {
        "HOME": str(home),
        "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep),
        "ADVISOR_HOME": str(home / "advisor"),
        "ADVISOR_HTTP_CACHE": str(home / "cache" / "http.sqlite"),
        "ADVISOR_HTTP_CACHE_S": "0",
        "ADVISOR_HTTP_STALE_S": "0",
        "ADVISOR_HTTP_RETRIES": "0",
        "COLUMNS": "120",
        "AWS_ENDPOINT_URL": urls["aws"],
        "AWS_ACCESS_KEY_ID": "AKIAMADEUP7EXAMPLE00",
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_EC2_METADATA_DISABLED": "true",
        "ADVISOR_AWS_BULK_URL": urls["aws"],
        "ADVISOR_AWS_SPOT_ADVISOR_URL": urls["aws"],
        "ADVISOR_AZURE_RETAIL_URL": urls["azure"],
        "ADVISOR_GCP_BILLING_URL": urls["gcp"],
        "ADVISOR_GCP_COMPUTE_URL": urls["gcp"],
        "ADVISOR_GCP_QUOTAS_URL": urls["gcp"],
        "GOOGLE_API_KEY": SECRET,
        "GOOGLE_CLOUD_PROJECT": "example-project",
        "ADVISOR_GPUHUNT_URL": urls.get("gpuhunt", ""),
        "ADVISOR_LAMBDA_URL": urls["lambda"],
        "LAMBDA_API_KEY": SECRET,
        "ADVISOR_RUNPOD_URL": urls["runpod"],
        "RUNPOD_API_KEY": SECRET,
        "ADVISOR_VAST_URL": urls["vast"],
        **({"ADVISOR_SHEET": str(sheet)} if sheet else {}),
    }


@cache
def warm_server() -> Server:
    """Has loaded what a refresh, and what comes after one, loads: the clouds' SDKs take seconds."""
    commands = ("advisor.cli.refresh", "advisor.cli.catalog", "advisor.cli.recommend")
    adapters = ("providers.aws", "providers.azure", "providers.gcp", "providers.runpod", "providers.vast")
    amazons = ("boto3", "botocore.config")
    googles = ("google.cloud.compute_v1", "google.oauth2.service_account", "google.auth.transport.requests")
    others = ("azure.identity", "azure.mgmt.compute", "duckdb", "requests_cache")
    server = Server(*commands, "advisor.recommendation.recommend", *adapters, *amazons, *googles, *others)
    atexit.register(server.close)
    return server


def start(environment: dict[str, str], *words: str) -> Process:
    """A running `advisor`, in a process of its own."""
    return warm_server().start(ADVISOR, *words, environ=environment, folder=ROOT)


def advisor(environment: dict[str, str], *words: str) -> tuple[int, str, str]:
    """Exit code, stdout, stderr of a whole run."""
    with start(environment, *words) as process:
        out, err = process.communicate(timeout=120)
    return process.wait(), out, err


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below, byte by byte."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def everyone(names: tuple[str, ...] = ALL) -> list[str]:
    """The options that ask these providers and nobody else."""
    return [word for name in names for word in ("-p", name)]
