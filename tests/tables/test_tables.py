"""Tables as programs save them: the same people come out of every dialect, and what is unclear is named."""

import csv
import datetime
import hashlib
import io
import json
import re
import unicodedata
import zipfile
from dataclasses import asdict
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from openpyxl import Workbook

from meeting_agent.common.files import InputError
from meeting_agent.common.text import comparison_key
from meeting_agent.tables.rows import read_table
from meeting_agent.world.attendees import read_attendees, under_known_names
from meeting_agent.world.past_meetings import read_meetings
from meeting_agent.world.training_rows import read_training_rows

DATA, ATTENDEES, MEETINGS = (
    Path("data") / name for name in ("sft_training_data.csv", "sample_attendees.csv", "sample_meetings.csv")
)
# Of the rows, people and meetings that the reference run was made from.
COMMITTED = {
    "rows": "d4fcaf6081934126de6d338b5bdc8a4cf81c6dba9d536743a500e68c7e291c7c",
    "people": "e4ef58d60667e8f8cabfac1c3069b09370ec9d00fc0704dd8f8baf63e5555632",
    "meetings": "e159a54e9fd96a690e6753053a11aac1fecec41986a05238f9b4daa6dbbcd5d1",
}


def digest(records):
    """As computed before tables were read in more than one dialect."""
    return hashlib.sha256(json.dumps([asdict(r) for r in records], default=lambda e: e.value).encode()).hexdigest()


def test_the_committed_files_hold_what_they_held():
    people = read_attendees(ATTENDEES)
    assert digest(people) == COMMITTED["people"]
    assert digest(read_training_rows(DATA)) == COMMITTED["rows"]
    assert digest(read_meetings(MEETINGS, under_known_names(people))) == COMMITTED["meetings"]


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("\n", "\r\n"),
        lambda text: text.replace("\n", "\r"),
        lambda text: "\ufeff" + text,
        lambda text: unicodedata.normalize("NFD", text),
    ],
    ids=["CRLF", "CR", "BOM", "NFD"],
)
def test_a_copy_of_the_training_data_holds_the_same_rows(change, tmp_path):
    copy = tmp_path / "copy.csv"
    copy.write_bytes(change(DATA.read_bytes().decode()).encode())
    assert digest(read_training_rows(copy)) == COMMITTED["rows"]


# ----------------------------------------------------------------------------- dialects

COLUMNS = ("name", "role", "seniority", "interests", "seeking", "offering", "energy", "mood", "meetings_today")
PEOPLE = [
    ("Zoë Müller", "vc_partner", "", ["security", "café culture"], "funding", ["hiring"], 0.31, 1.0, 2),
    ("José Núñez", "City planner, North", "4", ["Café Culture"], "", ["funding", "mentorship"], 0.07, 0.5, 0),
    ('Joe "The Host" O\'Neill', "Researcher", "", ["fintech", "soil"], "hiring", [], 0.9, 0.25, 6),
]
ENCODINGS = ("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp1252")
HEADERS = {
    "as asked": str,
    "title case": lambda name: name.replace("_", " ").title(),
    "dashes": lambda name: f" {name.replace('_', '-')} ",
    "capitals": str.upper,
}
NUMBERS = {
    "points": lambda value, share: repr(value),
    "decimal commas": lambda value, share: repr(float(value)).replace(".", ","),
    "percent": lambda value, share: f"{value * 100:.0f}%" if share else f"{value}.0",
}


def cells(header, number, joint):
    """PEOPLE as a grid of text."""
    show, written = HEADERS[header], NUMBERS[number]
    yield [show(column) for column in COLUMNS]
    for name, role, seniority, interests, seeking, offering, energy, mood, meetings in PEOPLE:
        yield [
            *(name, role, seniority, joint.join(interests), seeking, joint.join(offering)),
            *(written(energy, True), written(mood, True), written(meetings, False)),
        ]


def saved(path, grid, encoding="utf-8", separator=",", line_end="\n", quoting=csv.QUOTE_MINIMAL, above="", below=()):
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=separator, lineterminator=line_end, quoting=quoting)
    writer.writerows([*grid, *below])
    path.write_bytes((above + text.getvalue()).encode(encoding))
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("dialects")


@pytest.fixture(scope="module")
def people(folder):
    return read_attendees(saved(folder / "plain.csv", cells("as asked", "points", ";")))


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    encoding=st.sampled_from(ENCODINGS),
    separator=st.sampled_from(",;\t|"),
    line_end=st.sampled_from(["\n", "\r\n", "\r"]),
    header=st.sampled_from(sorted(HEADERS)),
    number=st.sampled_from(sorted(NUMBERS)),
    joint=st.sampled_from([";", ", ", "|", " / ", "\n"]),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    stated=st.booleans(),
    title=st.sampled_from(["", "\n", "Attendees of 2026\n\n"]),
    index=st.sampled_from([None, "", "Unnamed: 0"]),
    below=st.integers(0, 3),
)
def test_the_same_people_come_out_of_every_dialect(
    folder, people, encoding, separator, line_end, header, number, joint, quoting, stated, title, index, below
):
    grid = list(cells(header, number, joint))
    if index is not None:
        grid = [[index if i == 0 else str(i - 1), *row] for i, row in enumerate(grid)]
    empty = [[""] * len(grid[0]), []]
    above = (f"sep={separator}\n" if stated else "") + title
    above = above.replace("\n", line_end)
    grid.insert(2, empty[below % 2])
    if joint == "\n":  # Python's writer does not quote a line feed where lines end with carriage returns
        quoting = csv.QUOTE_ALL
    path = saved(folder / "saved", grid, encoding, separator, line_end, quoting, above, empty * below)
    assert read_attendees(path) == people


def test_a_workbook_holds_the_same_people(folder, people, capsys):
    book = Workbook()
    sheet = book.active
    sheet.append(["Attendees", None, None, datetime.date(2026, 12, 1)])
    sheet.append([])
    for i, row in enumerate(cells("title case", "points", "\r\n")):
        sheet.append([None, *(float(c) if i and c.replace(".", "").isdigit() else c for c in row), "", True])
    for row in range(4, 7):
        sheet.cell(row, 8).number_format = "0%"
    for _ in range(5):
        sheet.append([None, "", " "])
    book.create_sheet("empty")
    book.save(folder / "people.csv")  # told by its content, not by its name
    assert read_attendees(folder / "people.csv") == people
    said = capsys.readouterr().out
    assert "column names are in line 3" in said
    assert "sheet" not in said


def test_the_first_sheet_that_shows_anything_is_read_and_named(folder, people, capsys):
    book = Workbook()
    for title in ("People", "Prices"):
        sheet = book.create_sheet(title)
        for row in cells("as asked", "points", ";"):
            sheet.append(row)
    hidden = book.create_sheet("Lists", 0)
    hidden.append(["hidden"])
    hidden.sheet_state = "hidden"
    book.save(folder / "sheets.xlsx")
    assert read_attendees(folder / "sheets.xlsx") == people
    assert "sheet 'People' is read, 'Prices' not" in capsys.readouterr().out


TRAINING = ("input_text", "target_probability", "target_reason", "ground_truth_prob")


@pytest.mark.parametrize(
    ("probability", "truth", "read"),
    [
        (0.84, True, (0.84, 1.0)),
        ("84 %", "No", (0.84, 0.0)),
        ("0,837", "FALSE", (0.837, 0.0)),
        ("8,5%", "y", (0.085, 1.0)),
        (1, "1.0", (1.0, 1.0)),
        (".5", "0,25", (0.5, 0.25)),
    ],
)
def test_numbers_and_answers_in_the_ways_people_write_them(tmp_path, probability, truth, read):
    book = Workbook()
    for row in (TRAINING, ("two\nlines", probability, "energy", truth)):
        book.active.append(row)
    book.save(tmp_path / "data.xlsx")
    saved(tmp_path / "data.csv", [TRAINING, ("two\nlines", probability, "energy", truth)])
    for name in ("data.xlsx", "data.csv"):
        (row,) = read_training_rows(tmp_path / name)
        assert (row.target_probability, row.ground_truth_prob) == read
        assert row.input_text == "two\nlines"


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp", "Cn"]), max_size=30), min_size=2))
def test_any_name_comes_back(folder, names):
    unique = {comparison_key(name): name for name in names if comparison_key(name)}
    rows = [[name, *"abc"] for name in unique.values() if not name.startswith("#")]
    path = saved(folder / "names.csv", [["name", "x", "y", "z"], *rows])
    assert [comparison_key(row.text("name")) for row in read_table(path, ["name"], "--x")] == [
        comparison_key(row[0]) for row in rows
    ]


# ----------------------------------------------------------------------------- older encodings

ABROAD = {
    "cp1252": ("Zoë Müller", "José Núñez", "François Lefèvre", "Søren Ångström"),
    "cp1250": ("Łukasz Żak", "Jiří Dvořák", "Małgorzata Wiśniewska", "Zoltán Szűcs"),
    "cp1251": ("Иван Петров", "Ольга Смирнова", "Дмитрий Жуков"),
    "cp1253": ("Γιώργος Παπαδόπουλος", "Ελένη Ιωάννου", "Νίκος Χατζής"),
    "cp1254": ("Ayşe Yılmaz", "Çağrı Öztürk", "İbrahim Şahin"),
    "cp1255": ("דוד כהן", "שרה לוי", "משה מזרחי"),
    "cp1256": ("محمد علي", "فاطمة الزهراء", "أحمد حسن"),
    "cp1257": ("Jānis Bērziņš", "Rūta Žemaitė", "Mārtiņš Kļaviņš"),
    "cp932": ("山田 太郎", "佐藤 花子", "鈴木 一郎"),
    "gb18030": ("李小明", "王红梅", "张伟", "欧阳娜娜"),
    "big5": ("陳大文", "林小美", "黃志明"),
    "cp949": ("김민수", "이영희", "박지훈"),
    "mac_roman": ("Zoë Müller", "José Núñez", "François Lefèvre"),
    "cp850": ("Zoë Müller", "José Núñez", "François Lefèvre"),
}


@pytest.mark.parametrize("encoding", ABROAD)
def test_names_in_older_encodings_come_out_right_and_a_line_says_which_was_taken(tmp_path, capsys, encoding):
    rows = [["name", "role"], *([name, "researcher"] for name in ABROAD[encoding])]
    path = saved(tmp_path / "people.csv", rows, encoding, line_end="\r\n")
    assert [row.text("name") for row in read_table(path, ["name", "role"], "--x")] == list(ABROAD[encoding])
    (line,) = capsys.readouterr().out.splitlines()
    assert "is not UTF-8, it was read as " in line
    assert line.endswith("check accented names, or save it as UTF-8")


def test_english_with_typographic_quotes_is_windows_text(tmp_path):
    path = tmp_path / "text.csv"
    path.write_bytes("name,role\n“Joe” Don’t – the host,x\n".encode("cp1252"))
    assert read_table(path, ["name"], "--x")[0].text("name") == "“Joe” Don’t – the host"


def test_garbled_letters_are_warned_of(tmp_path, capsys):
    path = saved(tmp_path / "people.csv", [["name"], ["José"], ["Jos\u00c3\u00a9"], ["Jos\ufffd"]])
    assert len(read_table(path, ["name"], "--x")) == 3
    assert "row 2: name is 'Jos\u00c3\u00a9', whose letters some program garbled (2 such" in capsys.readouterr().out


# ----------------------------------------------------------------------------- what is refused


def refusal(path, read=lambda path: read_table(path, ["name", "energy"], "--x", several_lines=["name"])):
    with pytest.raises(InputError) as refused:
        read(path)
    assert "\n" not in str(refused.value)
    assert str(refused.value).startswith(str(path))
    return str(refused.value)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (
            "names;energies\nAda;1",
            "column name is missing (needed: name, energy; found between commas: names;energies)",
        ),
        ("name;Energie\nAda;1", "column energy is missing (needed: name, energy; found between semicolons: name, Ener"),
        ("sep=^\nname;energy\n", "found between '^': name;energy)"),
        ("Guests\n\n, ,\n", "column name is missing (needed: name, energy; found between commas: Guests)"),
        ("name,energy,Energy \nAda,1,1", "column energy is there 2 times: leave only one"),
        ("name,energy\nAda,1\n\n,,\nBo,1,2", "row 4 has not as many fields as the first line (3, not 2)"),
        (
            "name\tenergy\nAda\t1\tx",
            "row 1 has not as many fields as the first line (3, not 2): put text that holds tabs",
        ),
        ('name,energy\n"Ada,1\nBo,"1', "row 1 has a quote that is not closed"),
        ('name,energy\nAda,1\n"Bo" x,1', "row 2 has a quote that is not closed, or text behind it"),
        ("name,energy\nAda,#DIV/0!", "row 1: energy is '#DIV/0!', a spreadsheet's error"),
        ("name,energy\nA\x07da,1", "row 1: name holds the control character '\\x07'"),
        ("", "is empty: give --x a table with the columns name, energy"),
        (f"{'x' * 5000},y\n", f"found between commas: {'x' * 200}...)"),
    ],
)
def test_what_cannot_be_used_is_named_in_one_line(tmp_path, text, says):
    path = tmp_path / "table.csv"
    path.write_text(text, newline="")
    assert says in refusal(path)


def test_a_folder_and_a_missing_file_are_named(tmp_path):
    assert "cannot be read (Is a directory): give --attendees a CSV or .xlsx file" in refusal(tmp_path, read_attendees)
    assert "cannot be read (No such file" in refusal(tmp_path / "none.csv")


def test_a_header_alone_holds_nobody(tmp_path):
    assert "holds 0 attendees: give at least two" in refusal(
        saved(tmp_path / "people.csv", [COLUMNS, [""] * len(COLUMNS)]), read_attendees
    )


def test_a_formula_whose_value_was_never_computed_is_named(tmp_path):
    book = Workbook()
    for row in (["name", "energy", "notes"], ["Ada", "=1/2", "=A1"]):
        book.active.append(row)
    book.save(tmp_path / "book.xlsx")
    assert "row 1: energy is '#FORMULA!', a spreadsheet's error" in refusal(tmp_path / "book.xlsx")


def test_a_workbook_that_shows_nothing_is_named(tmp_path):
    book = Workbook()
    book.create_sheet("Lists").append(["name", "energy"])
    book["Lists"].sheet_state = "hidden"
    book.save(tmp_path / "book.xlsx")
    assert "has no sheet with anything to read: save it as .xlsx" in refusal(tmp_path / "book.xlsx")


def test_a_workbook_is_read_to_its_end_and_its_empty_texts_are_empty(tmp_path):
    """Some programs state a size that leaves out rows; a formula may come to an empty text."""
    book = Workbook()
    for row in (["name", "energy"], ["Ada", "1"], ["Bo", "0"]):
        book.active.append(row)
    book.save(tmp_path / "book.xlsx")
    with zipfile.ZipFile(tmp_path / "book.xlsx") as before, zipfile.ZipFile(tmp_path / "after.xlsx", "w") as after:
        for name in before.namelist():
            text = before.read(name).decode()
            text = text.replace('<dimension ref="A1:B3"', '<dimension ref="A1"')
            empty = '<c r="B3" t="str"><f>IF(1,"","")</f><v></v></c>'
            after.writestr(name, re.sub('<c r="B3".*?</c>', empty, text))
    rows = read_table(tmp_path / "after.xlsx", ["name", "energy"], "--x")
    assert [row.fields for row in rows] == [{"name": "Ada", "energy": "1"}, {"name": "Bo", "energy": ""}]


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(["utf-8", "utf-16", "xlsx"]), st.integers(0), st.integers(0, 40), st.binary(max_size=20))
def test_no_bytes_break_the_reader(folder, kind, at, taken, put):
    path = folder / f"broken {kind}"
    if kind == "xlsx":
        book = Workbook()
        for row in cells("as asked", "points", ";"):
            book.active.append(row)
        book.save(path)
    else:
        saved(path, cells("as asked", "points", ";"), kind)
    data = path.read_bytes()
    at %= len(data)
    path.write_bytes(data[:at] + put + data[at + taken :])
    said = "nothing"
    try:
        read_attendees(path)
    except InputError as error:
        said = str(error)
    assert "\n" not in said


def test_what_nobody_uses_does_no_harm(tmp_path):
    """Long notes, line breaks, control characters, errors, the same column twice: of columns that are not ours."""
    grid = [["name", "notes", "notes", "energy"], ["Ada", "x" * 200_000, 'a "b"\n\x07', "1"], ["Bo", "#REF!", "", "1"]]
    path = saved(tmp_path / "table.csv", grid, quoting=csv.QUOTE_ALL)
    assert [row.text("name") for row in read_table(path, ["name", "energy"], "--x")] == ["Ada", "Bo"]
