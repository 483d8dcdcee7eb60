"""Every format there is, and which one a file is in: told by its content, never by its name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

from advisor.documents import require_file
from advisor.errors import InputFileError
from advisor.profiles.importers import (
    aibrix,
    aiconfigurator,
    aiperf,
    guidellm,
    inference_perf,
    inferencex,
    llmd_report,
    llmperf,
    measured_csv,
    melange,
    own_profile,
    printed_block,
    sglang_bench,
    trtllm_bench,
    vllm_bench,
)
from advisor.profiles.importers.reading import Document, ImportedFile

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MAX_BYTES: Final = 256 * 2**20
"""GuideLLM reports hold every request; one of this size has some 100,000."""

NEAREST: Final = 2
"""Formats named where none is met, by the share of their marks that is there."""

_UTF_16: Final = (b"\xff\xfe", b"\xfe\xff")  # as PowerShell writes what a command printed


class Importer(Protocol):
    """One module per tool."""

    @property
    def MARKS(self) -> frozenset[str]:  # noqa: N802
        """Fields by which its files are told, or words of its text."""

    @property
    def SOURCE(self) -> str:  # noqa: N802
        """Version and date of what it was written against."""

    def recognises(self, document: Document) -> bool:
        """Whether a file is of it."""

    def read(self, document: Document) -> ImportedFile:
        """What the file states."""


class FileFormat(NamedTuple):
    """One tool's way of writing."""

    name: str
    importer: Importer


FORMATS: Final = (
    FileFormat("advisor profile (JSON)", own_profile),
    FileFormat("InferenceX (aggregate JSON)", inferencex),
    FileFormat("SGLang bench_serving (JSON lines)", sglang_bench),
    FileFormat("vllm bench serve (JSON)", vllm_bench),
    FileFormat("vLLM's and SGLang's printed Serving Benchmark Result (text, logs)", printed_block),
    FileFormat("trtllm-bench (report_json)", trtllm_bench),
    FileFormat("GuideLLM (JSON)", guidellm),
    FileFormat("inference-perf (stage JSON)", inference_perf),
    FileFormat("llm-d benchmark report (YAML, JSON)", llmd_report),
    FileFormat("llmperf (summary JSON)", llmperf),
    FileFormat("AIPerf or genai-perf (profile_export JSON or CSV)", aiperf),
    FileFormat("Mélange (config, printed benchmark)", melange),
    FileFormat("AIBrix (benchmark lines, profile)", aibrix),
    FileFormat("aiconfigurator (CSV)", aiconfigurator),
    FileFormat("CSV", measured_csv),
)
"""Those that share fields: the one with more marks first."""


def read_text(name: str, text: str) -> ImportedFile:
    """What a text states.

    Raises:
        InputFileError: no format recognises it, or a field holds what it cannot hold.
    """
    document = Document(name, text)
    for form in FORMATS:
        if form.importer.recognises(document):
            reading = form.importer.read(document)
            if not reading.rows:
                raise InputFileError(name, "", "no load point", f"{form.name} with at least one measurement")
            return reading
    shown = text.strip()[:40] or "nothing"
    known = f"known formats: {'; '.join(form.name for form in FORMATS)}"
    raise InputFileError(name, "", shown, "; ".join([*_nearest(document), known]))


def _nearest(document: Document) -> Iterator[str]:
    """The formats whose marks are there in part, and which are missing."""
    there = _names(document)
    shares = [(len(form.importer.MARKS & there) / len(form.importer.MARKS), form) for form in FORMATS]
    for share, form in sorted(shares, key=lambda found: -found[0])[:NEAREST]:
        if share:
            yield f"nearest {form.name}, without {', '.join(sorted(form.importer.MARKS - there))}"


def _names(document: Document) -> frozenset[str]:
    """Field names of the first object, two levels deep, or columns, or the marks that a text has."""
    if not document.records:
        marks = {mark for form in FORMATS for mark in form.importer.MARKS if " " in mark}
        return document.columns | {mark for mark in marks if mark in document.text}
    first: dict[str, Any] = document.records[0]
    return frozenset(first).union(*(value for value in first.values() if isinstance(value, dict)))


def read_file(path: Path) -> ImportedFile:
    """What a file states.

    Raises:
        InputFileError: it cannot be read, or see :func:`read_text`.
    """
    require_file(path)
    try:
        with path.open("rb") as stream:
            content = stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise InputFileError(str(path), "", error.strerror, "a readable file is needed") from error
    if len(content) > MAX_BYTES:
        raise InputFileError(
            str(path), "", f"more than {MAX_BYTES} bytes", "a smaller report, without requests"
        )
    try:
        return read_text(path.name, content.decode("utf-16" if content[:2] in _UTF_16 else "utf-8-sig"))
    except UnicodeDecodeError:
        raise InputFileError(str(path), "", "not UTF-8", "a text file is needed") from None
