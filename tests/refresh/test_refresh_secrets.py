"""No key, token, account or signed address reaches a file or a line, from any provider; nothing is unpickled.

The real command: against vendors that answer, again with a cache somebody poisoned, and against vendors that
refuse and repeat all they were sent. Every byte written is searched, log records of ours and the SDKs' too.
"""

from __future__ import annotations

import base64
import json
import pickle
import pickletools
import re
import sqlite3
import time
from contextlib import ExitStack
from email.utils import formatdate
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import quote

import pytest
from loopback_clouds import SERVED, contents, environ, everyone, warm_server
from replay_cloud import FIXTURES, QuietHandler, Replay, origin_of, question_of, serving

ROOT = Path(__file__).parents[2]
VENDORS = tuple(sorted({*SERVED, "gpuhunt"}))

IN_THE_ENVIRONMENT = {
    # made up, all of them
    "AWS_ACCESS_KEY_ID": "AKIAQ7MADEUPSECRET01",
    "AWS_SECRET_ACCESS_KEY": "aws-s3cret/plus+slash-5d1e",
    "AWS_SESSION_TOKEN": "aws-session-t0ken-77c2",
    "LAMBDA_API_KEY": "lambda-s3cret-0b9f31",
    "RUNPOD_API_KEY": "runpod-s3cret-8d2a44",
    "VAST_API_KEY": "vast-s3cret-51f0aa",
    "GOOGLE_API_KEY": "google-s3cret-e7c933",
    "AZURE_SUBSCRIPTION_ID": "5ec2e700-1111-4222-8333-a1b2c3d4e5f6",
    "AZURE_TENANT_ID": "7e4a4700-1111-4222-8333-a1b2c3d4e5f6",
    "AZURE_CLIENT_ID": "c11e4700-1111-4222-8333-a1b2c3d4e5f6",
    "AZURE_CLIENT_SECRET": "azure-s3cret-62b7d0",
}
PROXY_PASSWORD = "proxy-s3cret-f00d"  # noqa: S105  made up
FROM_THE_VENDOR = (
    "123412341234",
    "arn:aws:iam::123412341234:user/jane",
    "cookie-s3cret-99aa",
    "X-Amz-Signature=5ig4a7u4e",
)
SECRETS = (*IN_THE_ENVIRONMENT.values(), PROXY_PASSWORD, *FROM_THE_VENDOR)

CHILD = """
import logging, sys
logging.basicConfig(level=logging.INFO, filename=sys.argv.pop(1))
def note(event, args, told=open(sys.argv.pop(1), "a", buffering=1)):
    if event.startswith("pickle."):
        told.write(f"{event} {args}\\n")
sys.addaudithook(note)
from advisor.cli.app import main
sys.exit(main())
"""


def vendor(name, world):
    """A vendor that answers as in the contract suite, or one that refuses and repeats what it was sent."""
    folder, answers = FIXTURES / name / "typical", origin_of(name, "typical")["answers"]
    replay = Replay(folder, answers)

    class Handler(QuietHandler):
        def do_GET(self):  # noqa: N802
            self.play(b"")

        def do_POST(self):  # noqa: N802
            self.play(self.body())

        def play(self, raw):
            world.asked.add(name)
            private = {
                "Date": formatdate(time.time(), usegmt=True),
                "Set-Cookie": "session=cookie-s3cret-99aa",
                "X-Account": "123412341234",
                "X-Link": f"https://bucket.example/list?{FROM_THE_VENDOR[3]}",
            }
            if world.hostile:
                said = {"headers": dict(self.headers), "path": self.path, "secrets": FROM_THE_VENDOR}
                message = json.dumps(said) + " ".join(FROM_THE_VENDOR)
                self.send(403, json.dumps({"message": message, "__type": message}).encode(), private)
                return
            answer = replay.choose(question_of(self.path, self.headers, raw))
            content = (folder / answer["file"]).read_bytes() if answer else b"{}"
            self.send(answer.get("status", 200) if answer else 404, content, private)

    return Handler


def registered(folder):
    """An entry point for gpuhunt, for an installation older than the adapter."""
    info = folder / "late_adapters-1.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: late-adapters\nVersion: 1\n")
    (info / "entry_points.txt").write_text(
        "[advisor.providers]\ngpuhunt = providers.gpuhunt_catalog:GpuHunt\n"
    )
    return folder


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """Both refreshes: the folder everything was written below, what was printed, and who was asked."""
    home, outside = tmp_path_factory.mktemp("home"), tmp_path_factory.mktemp("outside")
    sheet = outside / "sheet.csv"
    sheet.write_text(
        "provider,instance_type,region,market,usd_per_hour,accelerator,accelerators,source\n"
        "acme,h100x8,eu-1,on_demand,17.5,h100-sxm-80gb,8,quote 7\n"
    )
    world = SimpleNamespace(urls={}, hostile=False, asked=set())
    with ExitStack() as stack:
        for name in VENDORS:
            world.urls[name] = stack.enter_context(serving(vendor(name, world)))
        proxy = (
            f"http://jane:{PROXY_PASSWORD}@127.0.0.1:9"  # nothing listens there: no test leaves the machine
        )
        environment = environ(world, home, sheet) | IN_THE_ENVIRONMENT | {
            "ADVISOR_GPUHUNT_URL": world.urls["gpuhunt"],
            "ADVISOR_AZURE_MANAGEMENT_URL": "https://127.0.0.1:9",
            "ADVISOR_HTTP_CACHE_S": "300",
            "HTTP_PROXY": proxy,
            "HTTPS_PROXY": proxy,
            "NO_PROXY": "127.0.0.1",
            "PYTHONPATH": f"{ROOT}:{registered(outside / 'site')}",
        }  # fmt: skip
        said = [run(home, outside, environment, "--accept", "all")]
        cached = poison(home / "cache" / "http.sqlite")
        del environment["AZURE_SUBSCRIPTION_ID"]  # it is looked for for seconds, and has been
        said.append(run(home, outside, environment))
        world.hostile = True
        said.append(run(home, outside, environment | {"ADVISOR_HTTP_CACHE_S": "0"}))
    return SimpleNamespace(home=home, outside=outside, said=said, asked=world.asked, cached=cached)


def run(home, outside, environment, *words):
    names = ("sheet", *VENDORS)
    files = (str(home / "refresh.log"), str(outside / "pickles.txt"))
    command = (*files, "refresh", *everyone(names), *words, "--format", "json")
    with warm_server().start(CHILD, *command, environ=environment) as process:
        out, err = process.communicate(timeout=120)
    return SimpleNamespace(returncode=process.wait(), stdout=out, stderr=err)


class Trap:
    """What an attacker would leave in a cache."""

    def __reduce__(self):
        return (print, ("unpickled",))


def poison(path):
    """Every cached answer replaced by a pickle; what they were."""
    with sqlite3.connect(path) as cache:
        values = [value for (value,) in cache.execute("SELECT value FROM responses")]
        assert cache.execute("UPDATE responses SET value = ?", (pickle.dumps(Trap()),)).rowcount > 0
    cache.close()
    return values


def spellings(secret):
    """A secret as it is, in a URL, in JSON, and in base64."""
    plain = secret.encode()
    yield from {plain, quote(secret, safe="").encode(), json.dumps(secret)[1:-1].encode()}
    for start in range(3):  # base64 of anything that holds it, wherever it begins
        coded = base64.b64encode(b"\0" * start + plain)
        yield coded[4 if start else 0 : -4]


def test_the_refreshes_did_what_this_is_about(ran):
    good, again, refused = ran.said
    states = {line["provider"]: line["state"] for line in json.loads(good.stdout)["providers"]}
    assert states == dict.fromkeys(("sheet", *VENDORS), "done"), good.stderr
    assert set(VENDORS) == ran.asked
    assert again.returncode in (0, 5), again.stderr
    states = {line["provider"]: line["state"] for line in json.loads(refused.stdout)["providers"]}
    assert states.pop("sheet") == "done"
    assert set(states.values()) <= {"failed", "partial"}
    written = {path.split("/")[0] for path in contents(ran.home)}
    assert {"advisor", "cache", "refresh.log"} <= written


def test_no_secret_is_in_any_byte_that_was_written_or_shown(ran):
    texts = contents(ran.home)
    for number, done in enumerate(ran.said):
        texts |= {f"stdout {number}": done.stdout.encode(), f"stderr {number}": done.stderr.encode()}
    found = {
        (name, secret)
        for name, content in {**texts, **unpacked(ran.home)}.items()
        for secret in SECRETS
        for spelling in spellings(secret)
        if spelling in content
    }
    assert found == set()


def unpacked(home):
    """Cached answers and evidence without their compression."""
    import gzip
    import zlib

    texts = {}
    for name, content in contents(home).items():
        for method in (gzip.decompress, zlib.decompress):
            try:
                texts[f"{name}, unpacked"] = method(content)
            except (OSError, EOFError, zlib.error):
                continue
        if name.endswith(".parquet"):
            texts[f"{name}, read"] = rows_of(home / name)
    return texts


def rows_of(path):
    """Every cell of a snapshot, and what stands in its footer."""
    import duckdb

    asked = f"SELECT to_json(t)::VARCHAR FROM '{path}' t"  # noqa: S608  a path of this test's own
    footer = f"SELECT key, value FROM parquet_kv_metadata('{path}')"  # noqa: S608
    return repr([duckdb.connect().sql(question).fetchall() for question in (asked, footer)]).encode()


def test_what_the_search_finds_it_would_find():
    """The search itself: a key that was written in any of these ways is found."""
    key = IN_THE_ENVIRONMENT["AWS_SECRET_ACCESS_KEY"]
    for text in (
        f"Authorization: Bearer {key}".encode(),
        b"?key=" + quote(key, safe="").encode(),
        base64.b64encode(f'{{"Authorization": "{key}"}}'.encode()),
        base64.b64encode(b"x" + key.encode() + b"and more"),
    ):
        assert any(spelling in text for spelling in spellings(key)), text


def test_nothing_was_unpickled_not_even_from_a_poisoned_cache(ran):
    assert (ran.outside / "pickles.txt").read_text() == ""
    assert not any("unpickled" in done.stdout + done.stderr for done in ran.said)


def test_no_cached_byte_is_a_pickle(ran):
    assert ran.cached
    for value in ran.cached:
        raw = value.encode() if isinstance(value, str) else value
        assert not is_pickle(raw)
        assert isinstance(json.loads(raw), dict)


def is_pickle(content):
    try:
        return [code.name for code, _, _ in pickletools.genops(content)][-1] == "STOP"
    except Exception:  # noqa: BLE001  whatever it says, it is none
        return False


def test_a_pickle_would_be_known_for_one():
    assert all(is_pickle(pickle.dumps({"a": [1, "b"]}, protocol)) for protocol in range(6))
    assert not is_pickle(b'{"a": 1}')


def test_no_module_of_the_product_names_what_could_unpickle():
    words = r"^\s*(import|from) (pickle|marshal|shelve|dill|cloudpickle|joblib)\b|unsafe_load|UnsafeLoader"
    banned = re.compile(words, re.MULTILINE)
    for folder in ("advisor", "providers", "catalogs"):
        for path in (ROOT / folder).rglob("*.py"):
            assert not banned.search(path.read_text()), path


def test_only_the_user_may_read_what_was_written(ran):
    for path in (ran.home / "cache").rglob("*"):
        assert path.stat().st_mode & 0o077 == 0, path
