import csv
import hashlib
import io
import json
import re
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any, Final

import duckdb
import psutil
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from registrail.export import COLUMNS, Columns, Format, Kind, cell, file_name, pages, undefused, write
from registrail.instants import LAST_TICK, Instant

FEW: Final[Columns] = {"name": "text", "size": "integer", "at": "time", "more": "json"}
EPOCH: Final = Instant.parse("1970-01-01T00:00:00Z").ticks

ANY_TEXT: Final = st.text(st.characters(exclude_categories=["Cs"]))
HOSTILE: Final = ANY_TEXT | st.builds(
    "".join,
    st.lists(
        st.sampled_from([*"=+-@\t\r\n '\",;|`0A", "\N{FULLWIDTH EQUALS SIGN}", "\ufeff", "=cmd|' /C calc'!A0"]),
        max_size=6,
    ),
)
ROWS: Final = st.lists(
    st.fixed_dictionaries(
        {
            "name": st.none() | HOSTILE,
            "size": st.none() | st.integers(-(2**63), 2**63 - 1),
            "at": st.none() | st.integers(0, LAST_TICK).map(lambda ticks: Instant(ticks).isoformat()),
            "more": st.none() | st.lists(HOSTILE, max_size=2) | st.dictionaries(HOSTILE, HOSTILE, max_size=2),
        }
    ),
    max_size=20,
)


async def written(form: Format, rows: Sequence[dict[str, Any]], columns: Columns = FEW, size: int = 7) -> bytes:
    """Write rows in batches; the whole file."""

    async def batches() -> AsyncIterator[Sequence[dict[str, Any]]]:
        for start in range(0, len(rows), size):
            yield rows[start : start + size]

    return b"".join([piece async for piece in write(form, columns, batches())])


def read_csv(content: bytes) -> list[list[str]]:
    """As anybody's program would; the header comes first."""
    return list(csv.reader(io.StringIO(content.decode(), newline=""), strict=True))


def in_json(value: object) -> str | None:
    """A value in a column of JSON."""
    return None if value is None else json.dumps(value, ensure_ascii=False, separators=(",", ":"))


@given(ROWS)
async def test_csv_gives_every_row_back(rows: list[dict[str, Any]]) -> None:
    """RFC 4180 with a header; what was defused is told from what was not."""
    header, *found = read_csv(await written("csv", rows))
    assert header == list(FEW)
    assert [[undefused(name), size, at, undefused(more)] for name, size, at, more in found] == [
        [
            row["name"] or "",
            "" if row["size"] is None else str(row["size"]),
            row["at"] or "",
            in_json(row["more"]) or "",
        ]
        for row in rows
    ]


@given(HOSTILE)
@example("=1+1")
@example("  =1+1")
@example("'=1+1")
@example("\t=1")
@example('"=1"')
@example("\N{FULLWIDTH EQUALS SIGN}1")
@example("@SUM(A1)")
def test_no_text_is_a_formula(text: str) -> None:
    """Whatever blanks and quotes a spreadsheet drops, no formula begins behind them."""
    [[found]] = read_csv(cell(text, "text").encode() + b"\r\n")
    bare = found.lstrip(' "`\ufeff')
    assert not bare.startswith(
        (
            "=",
            "+",
            "-",
            "@",
            "\t",
            "\r",
            "\n",
            "\N{FULLWIDTH EQUALS SIGN}",
            "\N{FULLWIDTH PLUS SIGN}",
            "\N{FULLWIDTH HYPHEN-MINUS}",
            "\N{FULLWIDTH COMMERCIAL AT}",
        )
    )
    assert undefused(found) == text


@pytest.mark.parametrize(
    ("value", "column", "expected"),
    [
        (None, "text", ""),
        ("", "text", '""'),
        ("team/app", "text", "team/app"),
        ("a,b", "text", '"a,b"'),
        ('a"b', "text", '"a""b"'),
        ("a\nb", "text", '"a\nb"'),
        ("=1", "text", "'=1"),
        (-5, "integer", "-5"),
        (["a"], "json", '"[""a""]"'),
        ({}, "json", "{}"),
        ("-1", "json", '"""-1"""'),
        (-1, "json", "'-1"),
    ],
)
def test_cells(value: object, column: Any, expected: str) -> None:
    """Null is nothing and an empty text is not; numbers stay numbers, texts never become formulas."""
    assert cell(value, column) == (expected if value != "-1" else "\"'" + expected[1:])


@given(ROWS)
async def test_ndjson_gives_every_row_back(rows: list[dict[str, Any]]) -> None:
    """An object a line."""
    content = (await written("ndjson", rows)).decode()
    assert content == "" or content.endswith("\n")
    assert [json.loads(line) for line in content.split("\n")[:-1]] == rows


@settings(max_examples=50)
@given(ROWS)
async def test_parquet_gives_every_row_back(
    tmp_path_factory: pytest.TempPathFactory, rows: list[dict[str, Any]]
) -> None:
    """Times as times, exact to 100 ns, where 64 bits hold them, and as text everywhere."""
    file = tmp_path_factory.mktemp("export") / "rows.parquet"
    file.write_bytes(await written("parquet", rows))
    with duckdb.connect() as database:
        found = database.execute(
            'SELECT name, size, epoch_ns("at"), more, at_text FROM read_parquet($1)', [str(file)]
        ).fetchall()
    expected = []
    for row in rows:
        nanoseconds = (Instant.parse(row["at"]).ticks - EPOCH) * 100 if row["at"] else None
        held = nanoseconds is not None and -(2**63) < nanoseconds < 2**63
        expected.append(
            (row["name"], row["size"], nanoseconds if held else None, in_json(row["more"]), row["at"]),
        )
    assert found == expected


@pytest.mark.parametrize("kind", ["events", "pushes", "timeline"])
@pytest.mark.parametrize("form", ["csv", "ndjson", "parquet"])
async def test_nothing_is_a_file_too(kind: Kind, form: Format, tmp_path: Path) -> None:
    """With a header or a schema, so that programs need no special case."""
    content = await written(form, [], COLUMNS[kind])
    if form == "csv":
        assert read_csv(content) == [list(COLUMNS[kind])]
    elif form == "ndjson":
        assert content == b""
    else:
        (tmp_path / "none.parquet").write_bytes(content)
        with duckdb.connect() as database:
            found = database.execute("DESCRIBE SELECT * FROM read_parquet($1)", [f"{tmp_path}/none.parquet"]).fetchall()
        types = {name: column for name, column, *_ in found}
        times = [name for name, column in COLUMNS[kind].items() if column == "time"]
        assert list(types) == [*COLUMNS[kind], *(f"{name}_text" for name in times)]
        assert {types[name] for name in times} == {"TIMESTAMPTZ_NS"}


async def test_what_is_no_column_is_left_out() -> None:
    """And a column that a row lacks is null."""
    assert await written("ndjson", [{"name": "a", "new": 1}]) == b'{"name":"a","size":null,"at":null,"more":null}\n'


@pytest.mark.parametrize("form", ["csv", "ndjson", "parquet"])
async def test_memory_does_not_grow(form: Format) -> None:
    """200,000 events take no more than a few row groups, whatever the length of the file."""

    async def batches() -> AsyncIterator[Sequence[dict[str, Any]]]:
        for number in range(200):
            yield [
                {
                    "id": f"{number:09}{row:09}~{'0' * 32}",
                    "registry": "myregistry.azurecr.io",
                    "repository": f"team/app-{row % 50}",
                    "digest": f"sha256:{hashlib.sha256(b'%d %d' % (number, row)).hexdigest()}",
                    "occurred_at": f"2026-06-15T12:{row % 60:02}:00.{row:07}Z",
                    "deliveries": {"acr": f"acr~{number:09}{row:09}~{'1' * 12}"},
                }
                for row in range(1000)
            ]

    await written(form, [{}], COLUMNS["events"])  # what is imported stays
    process = psutil.Process()
    before = most = process.memory_info().rss
    length = 0
    async for piece in write(form, COLUMNS["events"], batches()):
        length += len(piece)
        most = max(most, process.memory_info().rss)
    assert length > 5_000_000
    assert most - before < 100 * 1024 * 1024


async def test_all_pages_are_read() -> None:
    """Until there is no cursor; an empty page in between ends nothing."""
    given: dict[str | None, tuple[list[dict[str, int]], str | None]] = {
        None: ([{"n": 1}], "a"),
        "a": ([], "b"),
        "b": ([{"n": 2}, {"n": 3}], None),
    }

    async def read(cursor: str | None) -> tuple[list[dict[str, int]], str | None]:
        return given[cursor]

    assert [page async for page in pages(read)] == [[{"n": 1}], [{"n": 2}, {"n": 3}]]


@pytest.mark.parametrize(
    ("registry", "expected"),
    [
        ("r.azurecr.io", "registrail-events-r.azurecr.io-20260601T000000Z-20260615T120000Z.csv"),
        ("localhost:5000", "registrail-events-localhost-5000-20260601T000000Z-20260615T120000Z.csv"),
        ('a"\r\nx: /é', "registrail-events-a-x-20260601T000000Z-20260615T120000Z.csv"),
        (None, "registrail-events-all-20260601T000000Z-20260615T120000Z.csv"),
    ],
)
def test_file_names(registry: str | None, expected: str) -> None:
    """They say what is inside, and are good on every system."""
    since, until = Instant.parse("2026-06-01T00:00:00Z"), Instant.parse("2026-06-15T12:00:00Z")
    assert file_name("events", "csv", registry=registry, since=since, until=until) == expected


def test_the_columns_are_documented() -> None:
    """Each with its type."""
    page = (Path(__file__).parents[2] / "docs" / "export.md").read_text("utf-8")
    for kind, columns in COLUMNS.items():
        text = page.split(f"\n`{kind}`\n: ")[1].split("\n\n")[0]
        documented = {name: part.split()[0] for part in text.split(";") for name in re.findall(r"`(\w+)`", part)}
        assert documented == dict(columns)
