"""The text of a table that people write, CSV or YAML, as rows of text cells with their places."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Any, Final

from advisor.errors import InputFileError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

MOST_ROWS: Final = 100_000
MAX_BYTES: Final = 16 * 2**20


def read_text(path: Path) -> str:
    """The text of a sheet.

    Raises:
        InputFileError: it cannot be read, is too large or is not UTF-8.
    """
    try:
        with path.open("rb") as stream:
            content = stream.read(MAX_BYTES + 1)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise InputFileError(str(path), "", reason, "a readable file is needed") from None
    if len(content) > MAX_BYTES:
        raise InputFileError(str(path), "", f"more than {MAX_BYTES} bytes", "a price sheet is far smaller")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputFileError(
            str(path), f"byte {error.start}", error.reason, "the file must be UTF-8"
        ) from None


def csv_rows(file: str, text: str, columns: Sequence[str]) -> list[tuple[str, Mapping[str, object]]]:
    """Rows below the header with their line; blank lines and those that begin with # are left out.

    Raises:
        InputFileError: it is no CSV, or a column is not one of ``columns`` or is there twice.
    """
    reader = csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline=""), strict=True)
    rows: list[tuple[str, Mapping[str, object]]] = []
    header: list[str] | None = None
    try:
        for cells in reader:
            place = f"line {reader.line_num}"
            if not any(cell.strip() for cell in cells) or cells[0].lstrip().startswith("#"):
                continue
            if header is None:
                header = _header(file, [cell.strip() for cell in cells], columns)
            elif len(cells) != len(header):
                allowed = f"{len(header)} cells, one per column (quote a cell that holds a comma)"
                raise InputFileError(file, place, f"{len(cells)} cells", allowed)
            else:
                rows.append((place, dict(zip(header, cells, strict=True))))
            if len(rows) > MOST_ROWS:
                raise InputFileError(
                    file, place, f"more than {MOST_ROWS} rows", "a price sheet is far smaller"
                )
    except csv.Error as error:
        raise InputFileError(file, f"line {reader.line_num}", str(error), "the file must be CSV") from None
    if header is None:
        raise InputFileError(file, "line 1", "", f"a header line is needed, of: {', '.join(columns)}")
    return rows


def _header(file: str, names: list[str], columns: Sequence[str]) -> list[str]:
    for name in names:
        if name not in columns or names.count(name) > 1:
            allowed = f"each column once, of: {', '.join(columns)}"
            raise InputFileError(file, "line 1", name, allowed)
    return names


def listed(file: str, document: Mapping[str, object], key: str) -> list[tuple[str, Mapping[str, object]]]:
    """The mappings of a list under a key, with their places.

    Raises:
        InputFileError: it is no list of mappings.
    """
    entries = document.get(key, [])
    if not isinstance(entries, list) or len(entries) > MOST_ROWS:
        raise InputFileError(file, key, type(entries).__name__, f"a list of up to {MOST_ROWS} entries")
    for number, entry in enumerate(entries):
        if not isinstance(entry, dict):
            raise InputFileError(file, f"{key}[{number}]", entry, "a mapping of fields")
    return [(f"{key}[{number}]", entry) for number, entry in enumerate(entries)]


def yaml_document(file: str, text: str, keys: Sequence[str]) -> Mapping[str, object]:
    """The mapping at the top of a YAML text; all scalars are text.

    Raises:
        InputFileError: it is no YAML, no mapping, or has a key that is not one of ``keys``.
    """
    import yaml

    try:
        document = yaml.load(text, _loader())  # noqa: S506  BaseLoader makes text, lists and mappings only
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        problem = getattr(error, "problem", None) or "not YAML"
        place = f"line {mark.line + 1}" if mark else ""
        raise InputFileError(file, place, problem, "the file must be YAML") from None
    except (ValueError, RecursionError) as error:
        raise InputFileError(file, "", str(error), "the file must be YAML") from None
    if not isinstance(document, dict):
        raise InputFileError(file, "", type(document).__name__, f"a mapping with the keys {', '.join(keys)}")
    for key in document:
        if key not in keys:
            raise InputFileError(file, str(key), document[key], f"known keys: {', '.join(keys)}")
    return document


def _loader() -> type[Any]:
    """YAML whose scalars are all text, without keys given twice and without aliases."""
    import yaml

    class Loader(yaml.BaseLoader):
        def compose_node(self, parent: Any, index: Any) -> Any:
            if self.check_event(yaml.events.AliasEvent):
                mark = self.get_event().start_mark  # type: ignore[no-untyped-call]
                raise yaml.composer.ComposerError(None, None, "aliases (*name) are not read", mark)
            return super().compose_node(parent, index)

        def construct_mapping(self, node: Any, deep: bool = False) -> Any:
            seen: set[str] = set()
            for key, _ in node.value:
                name = str(key.value)
                if name in seen:
                    raise yaml.constructor.ConstructorError(
                        None, None, f"'{name}' given twice", key.start_mark
                    )
                seen.add(name)
            return super().construct_mapping(node, deep)

    return Loader
