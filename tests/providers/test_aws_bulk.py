"""AWS without credentials: the public price list files, streamed whole or not at all."""

from __future__ import annotations

import gzip
import json
import time
from decimal import Decimal
from types import SimpleNamespace

import pytest
from aws_builders import COLUMNS, a_file, a_line, offers_of
from conftest import NOW, TOKEN
from replay_cloud import QuietHandler, serving

from advisor.domain import Market
from advisor.errors import AccessDenied, PayloadError, Unavailable
from advisor.provider import Aspect, Scope
from providers.aws import Aws
from providers.aws.bulk import INDEX_PATH, BulkFiles, RegionFile, matching_rows, parse_region_index

VERSION = "20260910195514"


def path_of(region):
    return f"/offers/v1.0/aws/AmazonEC2/{VERSION}/{region}/index.csv"


def an_index(*regions):
    entries = {
        region: {"regionCode": region, "currentVersionUrl": path_of(region).replace("csv", "json")}
        for region in regions
    }
    return json.dumps({"formatVersion": "v1.0", "regions": entries}).encode()


@pytest.fixture
def no_keys(monkeypatch, tmp_path):
    """A machine on which boto3 finds nothing."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))


@pytest.fixture
def public(tmp_path, no_keys):
    """Runs the adapter without keys against files served by path; gives the result and what was asked."""

    def run(files, scope=None, cache="cache", **environ):
        asked = []

        class Handler(QuietHandler):
            def do_GET(self) -> None:  # noqa: N802
                asked.append(self.path)
                file = files.get(self.path, SimpleNamespace(status=404, content=b"", headers={}))
                if isinstance(file, bytes):
                    file = SimpleNamespace(status=200, content=file, headers={})
                time.sleep(getattr(file, "delay_s", 0))
                self.send(file.status, file.content, file.headers)

        with serving(Handler) as url:
            adapter = Aws.from_env(
                {
                    "ADVISOR_AWS_BULK_URL": url,
                    "ADVISOR_AWS_SPOT_ADVISOR_URL": url,
                    "ADVISOR_HTTP_CACHE": str(tmp_path / cache / "http.sqlite"),
                    "ADVISOR_HTTP_BACKOFF_S": "0.001",
                    "ADVISOR_HTTP_TIMEOUT_S": "60",
                    "ADVISOR_HTTP_RETRIES": "1",
                    **environ,
                }
            )
            return adapter.collect(scope or Scope(), NOW), asked

    return run


def two_regions(**east):
    west = {"Region Code": "eu-west-1", "Instance Type": "p4d.24xlarge", "GPU Memory": "320 GB HBM2"}
    return {
        INDEX_PATH: an_index("us-east-1", "eu-west-1"),
        path_of("us-east-1"): a_file(a_line(**east)),
        path_of("eu-west-1"): a_file(a_line(**west)),
    }


def test_without_credentials_list_prices_come_and_the_rest_is_said_to_be_unseen(public):
    result, _ = public(two_regions())
    assert sorted(offers_of(result)) == [
        "aws:eu-west-1:p4d.24xlarge:on_demand",
        "aws:us-east-1:p5.48xlarge:on_demand",
    ]
    assert result.regions_done == ("eu-west-1", "us-east-1")
    assert {(one.what, one.market) for one in result.unseen} == {
        (Aspect.PRICE, Market.SPOT),
        (Aspect.AVAILABILITY, None),
        (Aspect.QUOTA, None),
    }
    assert all("no credentials found" in one.why for one in result.unseen)
    assert result.quotas == ()


def test_only_files_in_scope_are_fetched_and_a_local_zones_file_goes_with_its_region(public):
    local = {"Region Code": "us-east-1-atl-1", "Location Type": "AWS Local Zone"}
    files = {**two_regions(), INDEX_PATH: an_index("us-east-1", "us-east-1-atl-1", "eu-west-1")}
    files[path_of("us-east-1-atl-1")] = a_file(a_line(**local))
    result, asked = public(files, Scope(regions=("us-east-1",)))
    assert sorted(asked) == sorted([INDEX_PATH, path_of("us-east-1"), path_of("us-east-1-atl-1")])
    assert "aws:us-east-1/us-east-1-atl-1:p5.48xlarge:on_demand" in offers_of(result)


HOME = b"""<DescribeRegionsResponse><regionInfo><item><regionName>us-east-1</regionName>
<optInStatus>opt-in-not-required</optInStatus></item></regionInfo></DescribeRegionsResponse>"""


@pytest.fixture
def signed(tmp_path):
    """The adapter with keys, against a signed API that lets nobody in, or knows one region of no prices."""

    def run(files, status):
        class Handler(QuietHandler):
            def do_GET(self) -> None:  # noqa: N802
                content = files.get(self.path)
                self.send(404 if content is None else 200, content or b"")

            def do_POST(self) -> None:  # noqa: N802
                body = self.body()
                if status != 200 or b"Action=DescribeRegions" in body:
                    self.send(status, HOME if status == 200 else b"<Error/>", {"Content-Type": "text/xml"})
                elif b"Action=" in body:
                    self.send(200, b"<Response/>", {"Content-Type": "text/xml"})
                else:
                    self.send(200, b'{"PriceList": [], "Quotas": [], "MetricDataResults": []}')

        with serving(Handler) as url:
            return Aws.from_env(
                {
                    "AWS_ENDPOINT_URL": url,
                    "AWS_ACCESS_KEY_ID": "AKIAMADEUP7EXAMPLE00",
                    "AWS_SECRET_ACCESS_KEY": TOKEN,
                    "AWS_EC2_METADATA_DISABLED": "true",
                    "ADVISOR_AWS_BULK_URL": url,
                    "ADVISOR_AWS_SPOT_ADVISOR_URL": url,
                    "ADVISOR_HTTP_CACHE": str(tmp_path / "signed" / "http.sqlite"),
                    "ADVISOR_HTTP_RETRIES": "0",
                    "ADVISOR_HTTP_TIMEOUT_S": "60",
                }
            ).collect(Scope(), NOW)

    return run


@pytest.mark.parametrize("status", [401, 503])
def test_where_the_signed_api_lets_nobody_in_the_public_files_answer_and_it_is_said(signed, status):
    result = signed(two_regions(), status)
    assert sorted(offers_of(result)) == [
        "aws:eu-west-1:p4d.24xlarge:on_demand",
        "aws:us-east-1:p5.48xlarge:on_demand",
    ]
    (failed,) = (one for one in result.rejections if one.reason == "fetch_failed")
    assert (failed.subject, failed.region) == ("describe_regions", None)
    assert f"HTTP {403 if status == 401 else 503}" in failed.detail or f"HTTP {status}" in failed.detail


def test_a_signed_refresh_brings_local_zones_and_regions_that_are_not_enabled_too(signed):
    local = {"Region Code": "us-east-1-atl-1", "Location Type": "AWS Local Zone"}
    files = {**two_regions(), INDEX_PATH: an_index("us-east-1", "us-east-1-atl-1", "eu-west-1")}
    files[path_of("us-east-1-atl-1")] = a_file(a_line(**local))
    assert sorted(offers_of(signed(files, 200))) == [
        "aws:eu-west-1:p4d.24xlarge:on_demand",
        "aws:us-east-1/us-east-1-atl-1:p5.48xlarge:on_demand",
    ]


def test_spot_alone_cannot_be_had_without_credentials_so_no_file_is_fetched(public):
    result, asked = public(two_regions(), Scope(markets=(Market.SPOT,)))
    assert (asked, result.offers) == ([], ())


@pytest.mark.parametrize("cut", [1, 40, 700])
def test_a_file_that_breaks_off_costs_the_whole_region_and_only_that(public, cut):
    files = two_regions()
    whole = files[path_of("us-east-1")]
    short = SimpleNamespace(status=200, content=whole[:-cut], headers={"Content-Length": str(len(whole))})
    files[path_of("us-east-1")] = short
    result, asked = public(files)
    assert list(offers_of(result)) == ["aws:eu-west-1:p4d.24xlarge:on_demand"]
    assert [(one.region, one.reason) for one in result.rejections] == [("us-east-1", "fetch_failed")]
    assert asked.count(path_of("us-east-1")) == 2  # once more, then given up
    assert result.regions_done == ("eu-west-1",)


def test_a_file_without_a_last_newline_is_not_whole_even_where_no_length_was_stated(public):
    files = two_regions()
    files[path_of("us-east-1")] = files[path_of("us-east-1")][:-1]
    result, _ = public(files)
    assert "not whole" in result.rejections[0].detail


def test_a_compressed_file_is_read_and_a_compressed_stump_is_not(public):
    files = two_regions()
    packed = gzip.compress(files[path_of("us-east-1")])
    files[path_of("us-east-1")] = SimpleNamespace(
        status=200, content=packed, headers={"Content-Encoding": "gzip"}
    )
    assert len(public(files)[0].offers) == 2
    files[path_of("us-east-1")].content = packed[:-30]
    assert len(public(files, cache="other")[0].offers) == 1


@pytest.mark.parametrize(
    ("status", "error", "words"),
    [(403, AccessDenied, "HTTP 403"), (503, Unavailable, "HTTP 503"), (302, PayloadError, "HTTP 302")],
)
def test_where_no_file_can_be_had_the_first_error_is_raised(public, status, error, words):
    files = {INDEX_PATH: an_index("us-east-1")}
    files[path_of("us-east-1")] = SimpleNamespace(status=status, content=b"", headers={"Location": "/x"})
    with pytest.raises(error, match=words):
        public(files)


def test_a_late_file_is_unavailable(public):
    slow = SimpleNamespace(status=200, content=b"", headers={}, delay_s=0.5)
    with pytest.raises(Unavailable, match=r"no answer within 0\.1 s"):
        public(
            {INDEX_PATH: an_index("us-east-1"), path_of("us-east-1"): slow},
            ADVISOR_HTTP_TIMEOUT_S="0.1",
            ADVISOR_HTTP_RETRIES="0",
        )


def test_the_lines_of_a_version_are_kept_for_their_owner_alone(public, tmp_path):
    files = two_regions()
    public(files, ADVISOR_HTTP_CACHE_S="600")
    kept = sorted((tmp_path / "cache" / "aws-bulk").iterdir())
    assert [file.name for file in kept] == [f"eu-west-1-{VERSION}.json", f"us-east-1-{VERSION}.json"]
    assert {file.stat().st_mode & 0o777 for file in kept} == {0o600}


def test_a_version_read_once_is_not_fetched_again_and_a_new_one_is(tmp_path):
    asked = []

    class Handler(QuietHandler):
        def do_GET(self) -> None:  # noqa: N802
            asked.append(self.path)
            self.send(200, a_file(a_line()))

    from providers._settings import http_settings

    settings = http_settings({"ADVISOR_HTTP_CACHE": str(tmp_path / "http.sqlite")})
    with serving(Handler) as url:
        files = BulkFiles(url, settings)
        file = RegionFile("us-east-1", VERSION, path_of("us-east-1"))
        first, again = files.offers(file), files.offers(file)
        newer = RegionFile("us-east-1", "20260911000000", path_of("us-east-1"))
        files.offers(newer)
    assert first.payload == again.payload
    assert len(asked) == 2
    assert [one.name for one in (tmp_path / "aws-bulk").iterdir()] == ["us-east-1-20260911000000.json"]


def test_a_broken_kept_file_is_fetched_anew(tmp_path):
    from providers._settings import http_settings

    class Handler(QuietHandler):
        def do_GET(self) -> None:  # noqa: N802
            self.send(200, a_file(a_line()))

    settings = http_settings({"ADVISOR_HTTP_CACHE": str(tmp_path / "http.sqlite")})
    with serving(Handler) as url:
        files = BulkFiles(url, settings)
        file = RegionFile("us-east-1", VERSION, path_of("us-east-1"))
        whole = files.offers(file).payload
        kept = tmp_path / "aws-bulk" / f"us-east-1-{VERSION}.json"
        for broken in (b"", b"{", b'{"base": "https://elsewhere", "rows": []}', b"[]"):
            kept.write_bytes(broken)
            assert files.offers(file).payload == whole


# --- the stream


def rows_of(content, size=7, most=10**9):
    chunks = [content[start : start + size] for start in range(0, len(content), size)]
    return list(matching_rows("aws: test", chunks, most))


@pytest.mark.parametrize("size", [1, 7, 100, 10**6])
def test_rows_do_not_depend_on_where_the_stream_is_cut_into_pieces(size):
    content = a_file(a_line(), a_line(TermType="Reserved"), a_line(**{"Instance Type": "g6.xlarge"}))
    assert [row["Instance Type"] for row in rows_of(content, size)] == ["p5.48xlarge", "g6.xlarge"]


def test_only_rows_of_accelerators_are_kept_even_those_whose_gpu_is_blank():  # W14
    kinds = [("m5.large", ""), ("p5e.48xlarge", ""), ("x9.large", "1"), ("m5.large", "NA")]
    lines = [a_line(**{"Instance Type": kind, "GPU": gpu}) for kind, gpu in kinds]
    assert [row["Instance Type"] for row in rows_of(a_file(*lines))] == ["p5e.48xlarge", "x9.large"]


def test_lines_end_as_they_end_on_any_system():
    assert rows_of(a_file(a_line()).replace(b"\n", b"\r\n")) == rows_of(a_file(a_line()))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "no header"),
        (b"<html>proxy</html>\n", "no header"),
        (
            a_file(a_line(), columns=[one for one in COLUMNS if one != "MarketOption"]),
            "no column MarketOption",
        ),
        (a_file(a_line(extra="x")), "a row of 29 fields"),
        (a_file(a_line()).replace(b'"p5.48xlarge"', b'"p5.48xlarge'), "not CSV|a row of"),
        (a_file(a_line(Location="\udcff"[:0])).replace(b"NA", b"\xff\xfe"), "not CSV"),
        (a_file(a_line())[:-1], "not whole"),
    ],
)
def test_a_file_of_another_shape_is_a_payload_error(content, words):
    with pytest.raises(PayloadError, match=words):
        rows_of(content)


def test_a_file_longer_than_is_believed_is_left():
    with pytest.raises(PayloadError, match="more than 1000 bytes"):
        rows_of(a_file(*[a_line()] * 10), most=1000)


def test_a_line_without_end_is_left():
    with pytest.raises(PayloadError, match="a line of more than"):
        rows_of(b"x" * (3 << 20), size=1 << 20)


@pytest.mark.parametrize(
    "url",
    [
        None,
        "",
        "/offers/v1.0/aws/AmazonEC2/current/us-east-1/index.json",
        "https://elsewhere.example/x",
        f"/offers/v1.0/aws/AmazonEC2/{VERSION}/eu-west-1/index.json",
        f"/offers/v1.0/aws/AmazonEC2/{VERSION}/../../etc/index.json",
    ],
)
def test_an_index_that_leads_elsewhere_is_not_followed(url):
    from advisor.provider import Ledger

    ledger = Ledger("aws")
    files = parse_region_index({"regions": {"us-east-1": {"currentVersionUrl": url}}}, ledger)
    assert files == []
    assert [one.reason for one in ledger.reading().rejections] == ["malformed_item"]


def test_a_price_of_the_file_keeps_its_digits(public):
    result, _ = public(two_regions(PricePerUnit="21.9576420000"), Scope(regions=("us-east-1",)))
    assert [one.usd_per_hour for one in offers_of(result).values()] == [Decimal("21.957642")]
