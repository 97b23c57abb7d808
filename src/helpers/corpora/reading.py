"""From a file, a folder or the hub to columns of cells: formats, encodings and delimiters.

Cells come as they are written: no word is taken for a missing value and no text for a number. What the reader had to
find out by itself, such as an encoding, is in `Table.detected`; whoever knows better says so.
"""

import codecs
import csv
import json
import re
import sys
import zipfile
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, time
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from helpers import hub as hubs
from helpers import places
from helpers.errors import first_line

if TYPE_CHECKING:
    from charset_normalizer import CharsetMatch

FORMATS = {
    ".csv": "csv",
    ".tsv": "csv",
    ".txt": "csv",
    ".jsonl": "json",
    ".ndjson": "json",
    ".json": "json",
    ".parquet": "parquet",
    ".xlsx": "excel",
}
#: The column that says which split a row is from, where several are read; the mark keeps it apart from others.
SPLIT = "@split"
_DELIMITERS = (",", ";", "\t", "|")
_NAMES = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}
#: Of the option `quotes`.
_PLAIN = "plain"
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16: its mark begins like that of UTF-16
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
#: What people's spreadsheets and older tools write, most common first. Others can be named.
_ENCODINGS = (
    *("cp1252", "cp1250", "cp1251", "cp1253", "cp1254", "cp1255", "cp1256", "koi8_r"),
    *("cp932", "euc_jp", "gb18030", "big5", "cp949"),
)
_BINARY = {
    b"PK\x03\x04": "a ZIP archive, as Excel writes",
    b"\xd0\xcf\x11\xe0": "an old Excel file; save it as .xlsx",
    b"PAR1": "a Parquet file",
    b"%PDF": "a PDF",
    b"\x1f\x8b": "compressed; unpack it first",
    b"SQLite format": "a database",
    b"\x89PNG": "a picture",
}
_SAMPLE_BYTES = 64_000
_COLUMNS_SHOWN = 12
#: The last row that a sheet can have, and the most rows of a Parquet file.
_EXCEL_ROWS, _MOST_ROWS = 1_048_576, 20_000_000


class TableError(Exception):
    """What is wrong with a table; `helpers.corpora.tables` adds with which."""


class NoColumnError(TableError):
    """A table has no column of a name that was asked for."""


@dataclass(frozen=True)
class Table:
    """Columns of one length.

    Attributes
    ----------
    columns
        Name -> cells, None where there is none.
    names
        All columns of the source, also those that were not asked for.
    classes
        Column -> names of its classes, where the source says that it holds indices of such (`ClassLabel`).
    first_row
        What a person would call the first row: 2 where the header is row 1, else 1.
    detected
        What was found out and could have been said: `encoding`, `delimiter`, `quotes`, `sheet`.
    """

    columns: dict[str, list]
    names: list[str]
    classes: dict[str, list[str]] = field(default_factory=dict)
    first_row: int = 1
    detected: dict[str, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(next(iter(self.columns.values())))


def read(
    columns: Sequence[str],
    *,
    path: Path | None = None,
    hub: str | None = None,
    config: str | None = None,
    split: str | None = None,
    encoding: str | None = None,
    delimiter: str | None = None,
    quotes: str | None = None,
    sheet: str | None = None,
) -> Table:
    """Read columns of a file, of a folder that `datasets` saved, or of a data set on the hub.

    Parameters
    ----------
    columns
        The columns to keep, one or more. Only what is asked for takes memory.
    split
        Which split of a data set to read, or several, as `train+test`: then there is a column `@split`, too, with the
        name of each row's. On the hub it may be a part of one, as `train[:5000]`.
    encoding, delimiter
        Of a CSV, TSV or JSON file; found out by default. Without a byte order mark, what is valid UTF-8 is UTF-8, and
        anything else is guessed by charset-normalizer among encodings in use. The delimiter is the first of comma,
        semicolon, tab and bar that makes the columns that are asked for.
    quotes
        `plain`: in this CSV or TSV file a double quote is a character like others. By default it opens a quoted cell,
        unless that makes no table of a file with tabs, which often has no quoted cells, and this does.
    sheet
        Of an Excel file; by default the first.

    Raises
    ------
    TableError
        If this is not the table that it was said to be; the message names the line or the row.
    """
    wanted = list(dict.fromkeys(columns))
    with _reading():
        if hub is not None:
            return _take(wanted, *_from_hub(hub, config, split))
        said = {"encoding": encoding, "delimiter": delimiter, "quotes": quotes, "sheet": sheet}
        return _from_path(path, wanted, split, said)


@contextmanager
def _reading() -> Iterator[None]:
    """Turn whatever a reader raises into one message.

    The readers of the formats and the client of the hub raise dozens of types, and here each means the same. The
    original stays attached as the cause.
    """
    try:
        yield
    except TableError:
        raise
    except MemoryError:
        raise TableError("does not fit into memory; take fewer rows or columns") from None
    except Exception as error:
        root: BaseException = error
        while root.__cause__ is not None:
            root = root.__cause__
        raise TableError(f"cannot be read: {first_line(root, 300)} ({type(root).__name__})") from error


def _from_path(path: Path, wanted: list[str], split: str | None, options: dict[str, str | None]) -> Table:
    if not path.exists():
        raise TableError(f"there is no such file (the working folder is {Path.cwd()})")
    if path.is_dir():
        _refuse(options, (), "a folder")
        return _take(wanted, *_saved(path, split))
    suffix = path.suffix.lower()
    if suffix == ".xls":
        raise TableError("this is the old format of Excel; save it as .xlsx or as CSV")
    if suffix not in FORMATS:
        raise TableError(f"the format is not known; the name of a file must end in {', '.join(FORMATS)}")
    if split is not None:
        raise TableError("a file has no splits; leave `split` out (a column that says it is `split_by`)")
    if not path.stat().st_size:
        raise TableError("the file is empty")
    kind = FORMATS[suffix]
    if kind == "csv":
        _refuse(options, ("encoding", "delimiter", "quotes"), "a text file")
        return _csv(path, wanted, options["encoding"], options["delimiter"], options["quotes"])
    if kind == "json":
        _refuse(options, ("encoding",), "a JSON file")
        return _json(path, wanted, options["encoding"])
    if kind == "excel":
        _refuse(options, ("sheet",), "an Excel file")
        return _excel(path, wanted, options["sheet"])
    _refuse(options, (), "a Parquet file")
    return _parquet(path, wanted)


def _refuse(options: Mapping[str, str | None], known: Iterable[str], what: str) -> None:
    for name, value in options.items():
        if value is not None and name not in known:
            raise TableError(f"`{name}` means nothing for {what}; leave it out")


def _check(names: Sequence[str], wanted: Iterable[str]) -> None:
    """Refuse a table that lacks a column, or has it twice."""
    for column in wanted:
        if column not in names:
            more = f" and {len(names) - _COLUMNS_SHOWN} more" if len(names) > _COLUMNS_SHOWN else ""
            shown = ", ".join(repr(str(name)[:60]) for name in names[:_COLUMNS_SHOWN])
            raise NoColumnError(f"there is no column {column!r}, only {shown}{more}")
        if list(names).count(column) > 1:
            raise TableError(f"there are two columns {column!r}; rename one")


# Text: which encoding


def detect_encoding(path: Path) -> str:
    """Name of the encoding of a text file.

    Raises
    ------
    TableError
        If the bytes are no text.
    """
    with path.open("rb") as stream:
        head = stream.read(_SAMPLE_BYTES)
    for mark, name in _MARKS:
        if head.startswith(mark):
            return name
    for start, what in _BINARY.items():
        if head.startswith(start):
            raise TableError(f"this is no text file: by its first bytes it is {what}")
    if head.count(0) > len(head) / 5:  # every other byte of Latin letters in UTF-16; a stray NUL is none of it
        return "utf-16-be" if head[::2].count(0) > head[1::2].count(0) else "utf-16-le"
    odd = _not_utf8(path)
    if not odd:
        return "utf-8"
    from charset_normalizer import from_bytes

    matches = list(from_bytes(odd, cp_isolation=list(_ENCODINGS), enable_fallback=False))
    if matches and all(_is_strange(match) for match in matches):  # then be content with less, of the others
        others = [name for name in _ENCODINGS if name not in {match.encoding for match in matches}]
        matches = list(from_bytes(odd, cp_isolation=others, threshold=0.5, enable_fallback=False)) or matches
    if not matches:
        raise TableError(
            "neither UTF-8 nor any encoding that was tried makes sense of it: name its `encoding`, or save the "
            "table as UTF-8 (spreadsheets call it “CSV UTF-8”); or it is no text file"
        )
    guess = _likeliest(matches)
    # Several may read the same letters, as those of German: then the most common one it is.
    read = _decoded(odd, guess.encoding)
    return next((name for name in _ENCODINGS if _decoded(odd, name) == read), guess.encoding)


def _likeliest(matches: "list[CharsetMatch]") -> "CharsetMatch":
    """The best match that does not read one script as another; of those that score the same, the most common.

    Scores are of the whole text. Where most of it is ASCII, or is short, they are the same for several encodings, which
    then come by the alphabet: French would be read as Central European.
    """
    usable = [match for match in matches if not _is_strange(match)] or matches
    best = usable[0].chaos, usable[0].coherence
    equal = [match for match in usable if (match.chaos, match.coherence) == best]
    rank = {name: place for place, name in enumerate(_ENCODINGS)}
    return min(equal, key=lambda match: (_strange(str(match)), rank.get(match.encoding, len(rank))))


def _is_strange(match: "CharsetMatch") -> bool:
    return _strange(str(match)) > 0.1


def _strange(text: str) -> float:
    """Share of the characters beyond ASCII that nobody writes there, as far as a look at them can tell.

    Signs within words; syllables that the older Korean standard had no need of, which is what most Japanese becomes
    when it is read as Korean; and Portuguese or French vowels among nothing but Hungarian ones.
    """
    beyond = [character for character in text if not character.isascii()]
    within = len(re.findall(r"[ªº¹²³¼½¾¤¦¬](?=[^\W\d_])|(?<=[^\W\d_])[¹²³¼½¾¤¦¬]", text))
    syllables = re.findall(r"[\uac00-\ud7a3]", text)
    rare = sum(_is_rare(syllable) for syllable in syllables)
    vowels = {character.lower() for character in beyond if character.isalpha()}
    misread = sum(text.count(vowel) for vowel in "õûÕÛ") if "õ" in vowels and vowels <= set("áéíóöõúüû") else 0
    return (within + rare + misread) / max(1, len(beyond))


@cache
def _is_rare(syllable: str) -> bool:
    return len(syllable.encode("euc_kr", "replace")) != 2  # those that it lacks are spelt out, in eight bytes


def _decoded(content: bytes, encoding: str) -> str | None:
    try:
        return content.decode(encoding)
    except UnicodeDecodeError:
        return None


def _not_utf8(path: Path) -> bytes:
    """Lines with letters beyond ASCII, up to a sample's size; nothing if the whole file is UTF-8.

    Raises
    ------
    TableError
        If most of these lines are UTF-8: as anything else they would be read as letters that nobody wrote.
    """
    odd, size, valid = [], 0, 0
    invalid: list[int] = []
    with path.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            if line.isascii():
                continue
            if _decoded(line, "utf-8") is None:
                invalid.append(number)
            else:
                valid += 1
            if size < _SAMPLE_BYTES:
                odd.append(line[:_SAMPLE_BYTES])
                size += len(line)
    if 0 < len(invalid) < valid:
        which = f"line {invalid[0]} is" if len(invalid) == 1 else f"{len(invalid)} lines, as line {invalid[0]}, are"
        raise TableError(
            f"{which} not UTF-8, and {valid} other lines with letters beyond ASCII are: mend what differs, or name the "
            "file's `encoding`"
        )
    return b"".join(odd) if invalid else b""


def _encoding_of(path: Path, said: str | None) -> tuple[str, dict[str, str]]:
    """The encoding to read a file in, and what of it was found out and is worth saying."""
    found = detect_encoding(path) if said is None else said
    detected = {"encoding": found} if said is None and found not in ("utf-8", "utf-8-sig") else {}
    return _passing_mark(found), detected


def _passing_mark(encoding: str) -> str:
    """The encoding, for UTF-8 the one that passes over a byte order mark: it would become part of the first column."""
    try:
        name = codecs.lookup(encoding).name
    except LookupError:
        raise TableError(f"there is no encoding {encoding!r}: utf-8, cp1252, shift_jis, gb18030 are some") from None
    return "utf-8-sig" if name == "utf-8" else encoding


def _lines(path: Path, encoding: str) -> Iterator[str]:
    """The lines of a text file with their ends; says which line cannot be decoded."""
    number = 0
    with path.open(encoding=encoding, newline="") as lines:
        try:
            for line in lines:
                number += 1
                yield line
        except UnicodeError as error:
            # The decoder reads ahead: the line is this one or one soon after.
            what, why = encoding.removesuffix("-sig"), str(error).rsplit(":", 1)[-1].strip()
            raise TableError(
                f"not {what}: near line {number + 1}, {why}; the line is damaged, or it is another `encoding`: left "
                "out, it is looked for"
            ) from None


# CSV


def _csv(path: Path, wanted: list[str], encoding: str | None, delimiter: str | None, quotes: str | None) -> Table:
    if quotes not in (None, _PLAIN):
        raise TableError(f"`quotes` is {quotes!r}, but can only be {_PLAIN}: characters like any other")
    encoding, detected = _encoding_of(path, encoding)
    if delimiter is None:
        usual = "\t" if path.suffix.lower() == ".tsv" else ","
        delimiter = _detect_delimiter(path, encoding, wanted, usual)
        if delimiter != usual:
            detected["delimiter"] = delimiter
    elif delimiter in _NAMES.values():
        delimiter = next(mark for mark, name in _NAMES.items() if name == delimiter)
    elif len(delimiter) != 1 or delimiter in '"\r\n':
        raise TableError(f"`delimiter` is {delimiter!r}, but must be one character, or comma, semicolon, tab or bar")
    with _large_fields():
        try:
            names, columns = _fields(path, wanted, encoding, delimiter, plain=quotes == _PLAIN)
        except TableError as error:
            if delimiter != "\t" or quotes == _PLAIN:
                raise
            try:
                names, columns = _fields(path, wanted, encoding, delimiter, plain=True)
            except TableError:
                raise error from None
            if any(_is_quoted(cell) for cells in columns.values() for cell in cells if cell):
                raise  # quotes are more than characters, and then one is wrong
            detected["quotes"] = _PLAIN
    return Table(columns, names, {}, 2, detected)


def _is_quoted(cell: str) -> bool:
    """Whether a cell can only be a quoted one: quotes inside are doubled."""
    inner = cell[1:-1]
    return cell[0] == cell[-1] == '"' and '""' in inner and '"' not in inner.replace('""', "")


def _fields(
    path: Path, wanted: list[str], encoding: str, delimiter: str, *, plain: bool
) -> tuple[list[str], dict[str, list[str | None]]]:
    """The names of all columns, and the cells of those that are wanted."""
    rows = _rows(path, encoding, delimiter, plain=plain)
    names = next(rows, (1, []))[1]
    if not "".join(names).strip():
        raise TableError("the first line is blank; it must name the columns")
    _check(names, wanted)
    chosen = [names.index(name) for name in wanted]
    cells: list[list[str | None]] = [[] for _ in chosen]
    for number, (line, row) in enumerate(rows, 2):
        if not row:  # a blank line is a row without anything, as spreadsheets count
            row = [""] * len(names)
        if len(row) != len(names):
            raise TableError(_ragged(number, line, row, names, delimiter))
        if delimiter == "\t" and not plain:
            _check_quotes(number, row, names)
        for column, index in zip(cells, chosen, strict=True):
            column.append(row[index] or None)
    if cells and not cells[0]:
        raise TableError("there is a header and nothing below it")
    return names, {names[i]: column for i, column in zip(chosen, cells, strict=True)}


def _rows(path: Path, encoding: str, delimiter: str, *, plain: bool) -> Iterator[tuple[int, list[str]]]:
    """The line that each row ends on, and its fields."""
    quoting = csv.QUOTE_NONE if plain else csv.QUOTE_MINIMAL
    reader = csv.reader(_lines(path, encoding), delimiter=delimiter, strict=True, quoting=quoting)
    start = 1
    try:
        for row in reader:
            yield reader.line_num, row
            start = reader.line_num + 1
    except csv.Error as error:
        way_out = "double the quotes inside, or say `quotes: plain` if no quote here is more than a character"
        if "end of data" in str(error):
            raise TableError(f"line {start} opens a quote that is never closed; {way_out}") from None
        raise TableError(
            f"line {reader.line_num}: {error}: in a quoted cell, {way_out}; or is the delimiter "
            f"not {_NAMES.get(delimiter, delimiter)}?"
        ) from None


def _ragged(number: int, line: int, row: list[str], names: list[str], delimiter: str) -> str:
    at = f"row {number}" if line == number else f"row {number} (it ends on line {line})"
    advice = f"put texts with a {delimiter!r} in quotes" if len(row) > len(names) else "fill it up or remove it"
    return f"{at} has {len(row)} fields, the header has {len(names)}; {advice}"


@contextmanager
def _large_fields() -> Iterator[None]:
    """Let cells be as long as they are; the limit of 128 kB is the module's own and global."""
    before = csv.field_size_limit(min(sys.maxsize, 2**31 - 1))
    try:
        yield
    finally:
        csv.field_size_limit(before)


def _detect_delimiter(path: Path, encoding: str, wanted: Sequence[str], usual: str) -> str:
    """The first delimiter whose header has the columns that are wanted, else the one that makes most columns."""
    with _large_fields():
        line = next(_lines(path, encoding), "")
        headers = {}
        for mark in dict.fromkeys([usual, *_DELIMITERS]):
            # Not strict: with another delimiter, a quote may well stand in the middle of a cell.
            headers[mark] = next(csv.reader([line], delimiter=mark), [])
    for mark, header in headers.items():
        if set(wanted) <= set(header):
            return mark
    return max(headers, key=lambda mark: len(headers[mark]))


def _check_quotes(number: int, row: list[str], names: list[str]) -> None:
    """Refuse a cell into which a text that opens with a quote has drawn the rows after it; any cell of the row."""
    for name, cell in zip(names, row, strict=True):
        if "\t" in cell and "\n" in cell:
            raise TableError(
                f"row {number} runs on over the next: its column {name!r} opens with a quote, so it lasts until "
                "another quote; double the quotes inside and put the whole in quotes, or save the table as Parquet"
            )


# JSON


def _json(path: Path, wanted: list[str], encoding: str | None) -> Table:
    encoding, detected = _encoding_of(path, encoding)
    names: dict[str, None] = {}
    columns: dict[str, list] = {name: [] for name in wanted}
    count = 0
    for where, row in _objects(path, encoding):
        if not isinstance(row, dict):
            raise TableError(f"{where} is {json.dumps(row)[:60]}, but must be an object with the columns as its keys")
        names |= dict.fromkeys(row)
        for name, cells in columns.items():
            cells.append(row.get(name))
        count += 1
    if not count:
        raise TableError("there are no rows")
    if count == 1 and all(isinstance(cells[0], dict) for cells in columns.values()):
        raise TableError("it lists columns and not rows: with pandas, write it with `orient='records'`")
    _check(list(names), wanted)
    return Table(columns, list(names), {}, 1, detected)


def _objects(path: Path, encoding: str) -> Iterator[tuple[str, Any]]:
    """What the file lists, each with where it stands: one a line, or the items of one array."""
    if next((line for line in _lines(path, encoding) if line.strip()), "").lstrip().startswith("["):
        content = _parse("".join(_lines(path, encoding)), 1)
        yield from ((f"item {number}", row) for number, row in enumerate(content, 1))
        return
    for number, line in enumerate(_lines(path, encoding), 1):
        if line.strip():
            yield f"line {number}", _parse(line, number)


def _parse(text: str, first_line: int) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise TableError(
            f"line {first_line + error.lineno - 1}, character {error.colno}: not JSON, "
            f"{error.msg[0].lower()}{error.msg[1:]}; there must be one object a line, or one array of objects"
        ) from None
    except RecursionError:
        raise TableError(f"line {first_line}: the JSON is nested too deeply") from None


# Parquet, Excel


def _parquet(path: Path, wanted: list[str]) -> Table:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(path)
    except pa.ArrowInvalid as error:
        raise TableError(f"this is no Parquet file: {first_line(error)}") from None
    names = file.schema_arrow.names
    _check(names, wanted)
    if file.metadata.num_rows > _MOST_ROWS:  # equal rows take next to no room in the file
        raise TableError(f"there are {file.metadata.num_rows:,} rows, and {_MOST_ROWS:,} are the most that are read")
    data = file.read(columns=wanted)
    classes = {}
    if b"huggingface" in (data.schema.metadata or {}):
        import datasets

        classes = _class_labels(datasets.Features.from_arrow_schema(data.schema))
    if not data.num_rows:
        raise TableError("there are no rows")
    return Table({name: data[name].to_pylist() for name in wanted}, names, classes)


def _excel(path: Path, wanted: list[str], sheet: str | None) -> Table:
    import openpyxl
    from openpyxl.cell.cell import ERROR_CODES
    from openpyxl.utils.escape import unescape

    try:
        book = openpyxl.load_workbook(path, read_only=True, data_only=True)
    except (zipfile.BadZipFile, KeyError, ValueError) as error:
        raise TableError(f"this is no Excel file (.xlsx), or a damaged one: {str(error)[:200]}") from None
    try:
        if sheet is not None and sheet not in book.sheetnames:
            raise TableError(f"there is no sheet {sheet!r}, only {', '.join(map(repr, book.sheetnames))}")
        detected = {} if sheet is not None or len(book.sheetnames) < 2 else {"sheet": book.sheetnames[0]}
        page = book[sheet or book.sheetnames[0]]
        if hasattr(page, "reset_dimensions"):
            page.reset_dimensions()  # what some programs say of their sheets' size is too little
        rows = page.iter_rows(values_only=True) if hasattr(page, "iter_rows") else iter(())
        header = ["" if name is None else str(name).strip() for name in next(rows, ())]
        while header and not header[-1]:
            header.pop()
        if not header:
            raise TableError("the first row is blank; it must name the columns")
        _check(header, wanted)
        chosen = [header.index(name) for name in wanted]
        cells: list[list] = [[] for _ in chosen]
        for number, row in enumerate(rows, start=2):
            if number > _EXCEL_ROWS:  # a file of a few lines can say that they stand in the row of two billion
                raise TableError(f"there are rows beyond {_EXCEL_ROWS:,}, which is the last that Excel has")
            for column, index in zip(cells, chosen, strict=True):
                column.append(_cell(row[index] if index < len(row) else None, unescape, ERROR_CODES))
    finally:
        book.close()
    while cells and cells[0] and all(column[-1] is None for column in cells):  # formatted rows with nothing in them
        for column in cells:
            column.pop()
    if not cells[0]:
        raise TableError("there is a header and nothing below it")
    columns = {header[i]: _one_kind(column) for i, column in zip(chosen, cells, strict=True)}
    return Table(columns, header, {}, 2, detected)


def _cell(value: Any, unescape: Callable[[str], str], errors: Collection[str]) -> Any:
    if isinstance(value, bool | date | time):
        return str(value)
    if isinstance(value, str):
        value = unescape(value)  # control characters, as `_x000D_`
    return None if value == "" or value in errors else value


def _one_kind(cells: list) -> list:
    """In a column of texts, the cells that the spreadsheet took for numbers are texts too."""
    if not any(isinstance(cell, str) for cell in cells):
        return cells
    return [str(cell) if isinstance(cell, int | float) else cell for cell in cells]


# `datasets`


@contextmanager
def _quiet() -> Iterator[None]:
    import datasets

    verbosity = datasets.logging.get_verbosity()
    datasets.logging.set_verbosity(datasets.logging.CRITICAL)  # what it logs as an error it also raises
    try:
        yield
    finally:
        datasets.logging.set_verbosity(verbosity)


def _from_hub(name: str, config: str | None, split: str | None) -> tuple:
    import datasets

    at, revision = hubs.located(name)
    names = None if split is None else [name.strip() for name in split.split("+")]
    cache = str(places.cache() / "datasets")
    try:
        with _quiet():
            data = datasets.load_dataset(at, config, split=names, revision=revision, cache_dir=cache)
    except datasets.exceptions.DatasetNotFoundError as error:
        # Its cause is a mere number of HTTP.
        raise TableError(f"cannot be read: {error}") from None
    return (_joined(names, data) if names is not None else _one_split(data, None),)


def _saved(path: Path, split: str | None) -> tuple:
    import datasets

    with _quiet():
        return (_one_split(datasets.load_from_disk(str(path)), split),)


def _one_split(data, split: str | None):
    import datasets

    if isinstance(data, datasets.Dataset):
        if split is not None:
            raise TableError("this data set has no splits; leave `split` out")
        return data
    if split is None and len(data) == 1:
        return next(iter(data.values()))
    if split is None:
        raise TableError(
            f"the splits are {', '.join(data)}: name one with `split`, or some, as {'+'.join(list(data)[:2])} (then "
            f"`split_by: {SPLIT!r}` keeps them apart)"
        )
    names = [name.strip() for name in split.split("+")]
    for name in names:
        if name not in data:
            raise TableError(f"the splits are {', '.join(data)}: {name!r} is none of them")
    return _joined(names, [data[name] for name in names])


def _joined(names: Sequence[str], parts: Sequence):
    """One data set of some splits; of several, with a column that says which, unless there is one of that name."""
    import datasets

    if len(parts) == 1:
        return parts[0]
    whole = datasets.concatenate_datasets(list(parts))
    if SPLIT in whole.column_names:
        return whole
    said = [name.partition("[")[0] for name, part in zip(names, parts, strict=True) for _ in range(len(part))]
    return whole.add_column(SPLIT, said)


def _take(wanted: list[str], data) -> Table:
    _check(data.column_names, wanted)
    if not len(data):
        raise TableError("there are no rows")
    return Table(
        data.select_columns(wanted).with_format(None).to_dict(), data.column_names, _class_labels(data.features)
    )


def _class_labels(features: Mapping) -> dict[str, list[str]]:
    import datasets

    return {name: kind.names for name, kind in features.items() if isinstance(kind, datasets.ClassLabel)}


#: Terminal escapes whole; then control characters but tab, newline and next line.
_CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|[\x00-\x08\x0b-\x1f\x7f-\x84\x86-\x9f]")
_LONE = re.compile(r"[\ud800-\udfff]")
#: Line ends of other systems, line breaks of word processors and page breaks: words on either side are two.
_BREAK = re.compile(r"\r\n?|[\x0b\x0c]")


def clean(value: Any) -> Any:
    """A text without control characters and halves of characters, stripped; others as is.

    Tab and newline stay, and breaks of other kinds become a newline.
    """
    if not isinstance(value, str):
        return value
    return _LONE.sub("\N{REPLACEMENT CHARACTER}", _CONTROL.sub("", _BREAK.sub("\n", value))).strip()
