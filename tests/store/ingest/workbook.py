"""Workbooks of Excel that tests write: the few parts that every reader needs."""

import zipfile
from collections.abc import Mapping, Sequence
from datetime import date, datetime, time
from pathlib import Path
from xml.sax.saxutils import escape, quoteattr

Cell = None | bool | int | float | str | date | datetime | time

#: Styles of cells: plain, date, date with time, time.
STYLES = """<styleSheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main">
<fonts count="1"><font/></fonts><fills count="1"><fill/></fills><borders count="1"><border/></borders>
<cellStyleXfs count="1"><xf/></cellStyleXfs><cellXfs count="4">
<xf numFmtId="0"/><xf numFmtId="14" applyNumberFormat="1"/><xf numFmtId="22" applyNumberFormat="1"/>
<xf numFmtId="21" applyNumberFormat="1"/></cellXfs></styleSheet>"""
TYPES = "http://schemas.openxmlformats.org/package/2006/content-types"
RELATIONS = "http://schemas.openxmlformats.org/package/2006/relationships"
OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"


def write_workbook(
    path: Path, sheets: Mapping[str, Sequence[Sequence[Cell]]], merged: Sequence[str] = (), hidden: str = ""
) -> Path:
    """Write sheets, whose rows begin at A1; `merged` are ranges of cells in each of them."""
    names = list(sheets)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(
            "[Content_Types].xml",
            f'<Types xmlns="{TYPES}"><Default Extension="xml" ContentType="application/xml"/>'
            '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
            "</Types>",
        )
        archive.writestr(
            "_rels/.rels",
            f'<Relationships xmlns="{RELATIONS}"><Relationship Id="r1" Type="{OFFICE}/officeDocument" '
            'Target="xl/workbook.xml"/></Relationships>',
        )
        tags = "".join(
            f'<sheet name={quoteattr(name)} sheetId="{n}" r:id="r{n}" '
            f'state="{"hidden" if name == hidden else "visible"}"/>'
            for n, name in enumerate(names, 1)
        )
        archive.writestr(
            "xl/workbook.xml",
            f'<workbook xmlns="{MAIN}" xmlns:r="{OFFICE}"><sheets>{tags}</sheets></workbook>',
        )
        targets = "".join(
            f'<Relationship Id="r{n}" Type="{OFFICE}/worksheet" Target="worksheets/sheet{n}.xml"/>'
            for n in range(1, len(names) + 1)
        )
        archive.writestr(
            "xl/_rels/workbook.xml.rels",
            f'<Relationships xmlns="{RELATIONS}">{targets}<Relationship Id="rs" Type="{OFFICE}/styles" '
            'Target="styles.xml"/></Relationships>',
        )
        archive.writestr("xl/styles.xml", STYLES)
        ranges = "".join(f'<mergeCell ref="{reference}"/>' for reference in merged)
        merges = f'<mergeCells count="{len(merged)}">{ranges}</mergeCells>' if merged else ""
        for n, rows in enumerate(sheets.values(), 1):
            data = "".join(_row(number, row) for number, row in enumerate(rows, 1))
            archive.writestr(
                f"xl/worksheets/sheet{n}.xml",
                f'<worksheet xmlns="{MAIN}"><sheetData>{data}</sheetData>{merges}</worksheet>',
            )
    return path


def _row(number: int, cells: Sequence[Cell]) -> str:
    text = "".join(
        _cell(f"{chr(65 + place)}{number}", cell) for place, cell in enumerate(cells) if cell is not None
    )
    return f'<row r="{number}">{text}</row>'


def _cell(reference: str, value: Cell) -> str:
    match value:
        case bool():
            return f'<c r="{reference}" t="b"><v>{int(value)}</v></c>'
        case int() | float():
            return f'<c r="{reference}"><v>{value!r}</v></c>'
        case str() if value.startswith("#"):
            return f'<c r="{reference}" t="e"><v>{value}</v></c>'
        case str():
            return f'<c r="{reference}" t="inlineStr"><is><t>{escape(value)}</t></is></c>'
        case datetime():
            return f'<c r="{reference}" s="2"><v>{_days(value)!r}</v></c>'
        case date():
            return f'<c r="{reference}" s="1"><v>{(value - date(1899, 12, 30)).days}</v></c>'
        case time():
            return (
                f'<c r="{reference}" s="3"><v>{_days(datetime.combine(date(1899, 12, 30), value))!r}</v></c>'
            )
    raise TypeError(value)


def _days(moment: datetime) -> float:
    return (moment - datetime(1899, 12, 30)).total_seconds() / 86400
