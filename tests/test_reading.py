"""From files to columns: formats, encodings and delimiters, found or said."""

import json
import zipfile
from pathlib import Path

import openpyxl
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.corpora import reading
from helpers.corpora.reading import TableError

ROWS = [("schön", "gut"), ("nicht so schön, für mich", "schlecht"), ("großartig", "gut"), ("Käse mit Löchern", "gut")]


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def read(path, columns=("text", "label"), **options):
    return reading.read(columns, path=Path(path), **options)


def write_csv(path, rows=ROWS, encoding="utf-8", delimiter=","):
    quoted = [['"' + cell.replace('"', '""') + '"' for cell in row] for row in [("text", "label"), *rows]]
    Path(path).write_bytes("\n".join(delimiter.join(row) for row in quoted).encode(encoding))
    return path


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32", "cp1252"])
def test_encoding_and_delimiter_are_found(encoding, delimiter):
    table = read(write_csv("a.csv", encoding=encoding, delimiter=delimiter))
    assert list(zip(table.columns["text"], table.columns["label"], strict=True)) == ROWS
    assert table.detected.get("delimiter", ",") == delimiter
    assert table.detected.get("encoding") == (None if encoding.startswith("utf-8") else encoding)


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("cp932", "この商品はとても良いです。また買いたいと思います。"),
        ("gb18030", "这个产品非常好，我会再次购买。服务态度也不错。"),
        ("cp1251", "Отличный товар, всем советую, куплю ещё раз без сомнений."),
        ("cp932", "この映画はとても楽しかった"),
        ("cp1252", "Le garçon était très fâché à cause de la forêt"),
        ("cp1252", "Jag såg ön på fjället, det är fött"),
        ("cp1252", "une déception: a dull film, and so very long"),
        ("cp1250", "A fost un film foarte bun şi frumos, din ţară"),
        ("cp1250", "Árvíztűrő tükörfúrógép, nagyon jó film volt"),
        ("cp1250", "Příliš žluťoučký kůň úpěl ďábelské ódy"),
        ("cp949", "이 제품은 정말 좋습니다. 다시 구매하고 싶습니다."),
        ("utf-16-le", "plain letters without a mark, more than a few of them"),
        ("utf-16-be", "plain letters without a mark, more than a few of them"),
    ],
)
def test_encodings_of_other_scripts(encoding, text):
    rows = [(f"{text} {i}", "ab"[i % 2]) for i in range(20)]
    assert read(write_csv("a.csv", rows, encoding)).columns["text"] == [row[0] for row in rows]


def test_what_is_said_is_not_looked_for():
    write_csv("a.csv", encoding="cp1252", delimiter=";")
    table = read("a.csv", encoding="cp1252", delimiter="semicolon")
    assert table.columns["text"][0] == "schön"
    assert table.detected == {}
    with pytest.raises(TableError, match=r"not utf-8: near line \d"):
        read("a.csv", encoding="utf-8")
    with pytest.raises(TableError, match="there is no encoding 'klingon'"):
        read("a.csv", encoding="klingon")
    with pytest.raises(TableError, match="`delimiter` is 'xx'"):
        read("a.csv", delimiter="xx")


@pytest.mark.parametrize("text", ["schön und größer", "a café for £5", "“quoted” – so"])
@pytest.mark.parametrize("odd", [3, 1500])
def test_a_damaged_line_does_not_change_the_others(text, odd):
    """As cp1252 the whole file would be readable, and no letter of it right."""
    lines = [f"{text} {i},a".encode() for i in range(2000)]
    lines[odd] = "fâché,a".encode("cp1252")
    Path("a.csv").write_bytes(b"\n".join([b"text,label", *lines]))
    with pytest.raises(TableError, match=f"^line {odd + 2} is not UTF-8, and 1999 other lines"):
        read("a.csv")
    assert read("a.csv", encoding="latin-1").columns["text"][odd] == "fâché"


@pytest.mark.parametrize("encoding", [None, "utf-8", "utf8", "UTF-8", "utf_8", "U8"])
@pytest.mark.parametrize("path", ["a.csv", "a.jsonl"])
def test_a_byte_order_mark_is_no_part_of_a_name(path, encoding):
    content = "text,label\nä,b\n" if path == "a.csv" else '{"text": "ä", "label": "b"}\n'
    Path(path).write_text(content, encoding="utf-8-sig")
    assert read(path, encoding=encoding).columns == {"text": ["ä"], "label": ["b"]}


def test_the_delimiter_is_the_one_that_makes_the_columns():
    """Although commas are more frequent here."""
    Path("a.csv").write_text("id, or key, or number;text;label\n1, 2, 3;so, so, so;x\n", encoding="utf-8")
    assert read("a.csv").columns == {"text": ["so, so, so"], "label": ["x"]}


QUOTES = ['"Good" film', '"No', 'so "they" say', '"all of it"', '""', 'no"', '""Hm""']


def test_quotes_that_are_characters():
    """Where a tab-separated file makes no table otherwise, or where it is said."""
    Path("a.tsv").write_text("text\tlabel\n" + "".join(f"{cell}\tx\n" for cell in QUOTES), encoding="utf-8")
    table = read("a.tsv")
    assert table.columns == {"text": QUOTES, "label": ["x"] * len(QUOTES)}
    assert table.detected == {"quotes": "plain"}
    assert read("a.tsv", quotes="plain").columns == table.columns
    assert read("a.tsv", quotes="plain").detected == {}
    Path("a.csv").write_text('text,label\n"Good" film,x\n', encoding="utf-8")
    with pytest.raises(
        TableError, match=r"line 2: .*, or say `quotes: plain` if no quote here is more than a character"
    ):
        read("a.csv")
    assert read("a.csv", quotes="plain").columns == {"text": ['"Good" film'], "label": ["x"]}
    with pytest.raises(TableError, match="`quotes` is 'none', but can only be plain"):
        read("a.csv", quotes="none")


@pytest.mark.parametrize(
    "content",
    [
        'text\tlabel\n"Good" film\tx\n"so ""they"" say"\tx\n',  # one is quoted, so the other should be
        'text\tlabel\n"Good" film\tx\n"over\ttwo"\tx\n',
        '"text"\t"label"\n"Good" film\t"x"\n',
    ],
)
def test_quotes_that_are_more_are_not_taken_for_characters(content):
    Path("a.tsv").write_text(content, encoding="utf-8")
    with pytest.raises(TableError, match=r"line 2: .*double the quotes inside"):
        read("a.tsv")


def test_quotes_that_would_draw_rows_together_are_characters():
    Path("a.tsv").write_text('text\tlabel\n"No\tx\nfine\tx\nno"\tx\n', encoding="utf-8")
    assert read("a.tsv").columns["text"] == ['"No', "fine", 'no"']


def test_quotes_of_a_column_that_nobody_asked_for_draw_no_rows_together():
    rows = 'text\tlabel\tnote\none\tx\t"No\ntwo\tx\tso\nthree\ty\tno"\n'
    Path("a.tsv").write_text(rows, encoding="utf-8")
    assert read("a.tsv").columns == {"text": ["one", "two", "three"], "label": ["x", "x", "y"]}


def test_cells_stay_as_they_are():
    cells = ["NA", "None", "007", "=1+1", "true", " padded ", 'with "quotes"', "two\nlines", "nul\0inside"]
    write_csv("a.csv", [(cell, "x") for cell in cells])
    assert read("a.csv").columns["text"] == cells


def test_a_cell_of_ten_megabytes():
    rows = [("word " * 2_000_000, "a"), ("short", "b")]
    assert len(read(write_csv("a.csv", rows)).columns["text"][0]) == 10_000_000


def test_excel(tmp_path):
    book = openpyxl.Workbook()
    page = book.active
    for row in [["text", "label", None], ["fine", 1], [2024, 0], [None, None], ["last", 1], [None, None]]:
        page.append(row)
    second = book.create_sheet("more")
    second.append(["body", "tone"])
    second.append(["x", "y"])
    book.save("a.xlsx")
    table = read("a.xlsx")
    # A number among texts is a text; a column of numbers stays one; formatted rows without anything are no rows.
    assert table.columns == {"text": ["fine", "2024", None, "last"], "label": [1, 0, None, 1]}
    assert table.detected == {"sheet": "Sheet"}
    assert read("a.xlsx", columns=["body"], sheet="more").columns == {"body": ["x"]}
    with pytest.raises(TableError, match="there is no sheet 'none', only 'Sheet', 'more'"):
        read("a.xlsx", sheet="none")


def test_excel_sheets_that_say_little_of_themselves():
    """A size that is too small, controls spelt out, and formulas that failed."""
    book = openpyxl.Workbook()
    for row in [["text", "label"], ["one", "a"], ["two_x000D_\nlines", "b"], ["#N/A", "b"], ["four", "a"]]:
        book.active.append(row)
    book.save("whole.xlsx")
    with zipfile.ZipFile("whole.xlsx") as whole, zipfile.ZipFile("a.xlsx", "w") as small:
        for name in whole.namelist():
            small.writestr(name, whole.read(name).replace(b'<dimension ref="A1:B5"', b'<dimension ref="A1:A2"'))
    assert b'"A1:A2"' in zipfile.ZipFile("a.xlsx").read("xl/worksheets/sheet1.xml")
    columns = read("a.xlsx").columns
    assert columns == {"text": ["one", "two\r\nlines", None, "four"], "label": ["a", "b", "b", "a"]}
    assert reading.clean(columns["text"][1]) == "two\nlines"


def test_excel_rows_that_no_sheet_has():
    """A row may say which it is; those before it are then blank."""
    book = openpyxl.Workbook()
    for row in [["text", "label"], ["one", "a"], ["two", "b"]]:
        book.active.append(row)
    book.save("whole.xlsx")
    with zipfile.ZipFile("whole.xlsx") as whole, zipfile.ZipFile("a.xlsx", "w") as far:
        for name in whole.namelist():
            far.writestr(
                name,
                whole.read(name)
                .replace(b'<row r="3"', b'<row r="2000000000"')
                .replace(b'"A3"', b'"A2000000000"')
                .replace(b'"B3"', b'"B2000000000"'),
            )
    with pytest.raises(TableError, match="there are rows beyond 1,048,576, which is the last that Excel has"):
        read("a.xlsx")


def test_parquet_of_more_rows_than_are_read(monkeypatch):
    pd.DataFrame({"text": ["same"] * 30, "label": ["a"] * 30}).to_parquet("a.parquet")
    monkeypatch.setattr(reading, "_MOST_ROWS", 20)
    with pytest.raises(TableError, match="there are 30 rows, and 20 are the most"):
        read("a.parquet")


def test_json_by_line_or_as_one_array():
    rows = [{"text": "a", "label": 1}, {"text": "b", "extra": None}]
    Path("a.jsonl").write_text("\n\n".join(map(json.dumps, rows)), encoding="utf-8")
    Path("a.json").write_text(json.dumps(rows, indent=1), encoding="utf-8")
    for path in ("a.jsonl", "a.json"):
        assert read(path).columns == {"text": ["a", "b"], "label": [1, None]}
        assert read(path, columns=["extra"]).columns == {"extra": [None, None]}
        assert read(path).names == ["text", "label", "extra"]


@pytest.mark.parametrize(
    ("path", "options", "said"),
    [
        ("a.csv", {"sheet": "x"}, "`sheet` means nothing for a text file"),
        ("a.jsonl", {"quotes": "plain"}, "`quotes` means nothing for a JSON file"),
        ("a.parquet", {"encoding": "utf-8"}, "`encoding` means nothing for a Parquet file"),
        ("a.xls", {}, r"save it as \.xlsx"),
    ],
)
def test_options_that_mean_nothing(path, options, said):
    Path(path).write_bytes(b"x")
    with pytest.raises(TableError, match=said):
        read(path, **options)


def test_cleaning_leaves_no_controls_and_no_halves():
    dirty = "\x1b[31mred\x1b[0m\ttab\nline\x00\x07 \x9bend \ud83d!"
    assert reading.clean(dirty) == "red\ttab\nline end �!"
    assert reading.clean("👩‍💻 ‏مرحبا") == "👩‍💻 ‏مرحبا"
    assert reading.clean(17) == 17
    assert reading.clean("one\rtwo\r\nthree\x0bfour\x0cfive") == "one\ntwo\nthree\nfour\nfive"


#: So that what follows is read, and not refused for want of a column.
_BEGINNINGS = {".csv": b"id,text\n", ".tsv": b"id\ttext\n", ".jsonl": b'{"text": ""}\n', ".json": b'[{"text": ""}, '}


@settings(max_examples=200)
@given(st.binary(max_size=300), st.sampled_from([".csv", ".tsv", ".jsonl", ".json", ".parquet", ".xlsx"]))
def test_any_bytes_give_a_table_or_one_line(tmp_path_factory, content, suffix):
    file = tmp_path_factory.getbasetemp() / f"bytes{suffix}"
    file.write_bytes(_BEGINNINGS.get(suffix, b"") + content)
    said = ""
    try:
        reading.read(["text"], path=file)
    except TableError as error:
        said = str(error)
    assert "\n" not in said
