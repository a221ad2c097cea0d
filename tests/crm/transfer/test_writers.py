"""Workbooks as other programs write them: LibreOffice's, WPS's, those that leave out what the standard lets them."""

import io
import json
import zipfile
from datetime import date, datetime
from pathlib import Path
from typing import Any

import openpyxl
import pytest
import xlsxwriter

from wsapp.crm.transfer.cells import Unreadable, text_of
from wsapp.crm.transfer.reading import read_book
from wsapp.problems import Invalid

MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
RELATIONS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
PACKAGE = "http://schemas.openxmlformats.org/package/2006"
HEAD = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
# Styles 0–3: general, a day (14), a moment (a format of LibreOffice's own), an hour
STYLES = f"""{HEAD}<styleSheet xmlns="{MAIN}"><numFmts count="2">
<numFmt numFmtId="164" formatCode="General"/><numFmt numFmtId="165" formatCode="yyyy\\-mm\\-dd\\ hh:mm"/></numFmts>
<fonts count="1"><font><sz val="10"/><name val="宋体"/></font></fonts><fills count="1"><fill/></fills>
<borders count="1"><border/></borders><cellStyleXfs count="1"><xf numFmtId="164"/></cellStyleXfs>
<cellXfs count="4"><xf numFmtId="164"/><xf numFmtId="14" applyNumberFormat="1"/><xf numFmtId="165"/><xf numFmtId="20"/>
</cellXfs></styleSheet>"""


def book(rows: str, *, strings: str = "", since_1904: bool = False, before: str = "", sheets: str = "") -> bytes:
    """Return a workbook whose sheet holds `rows`; `strings` are the shared ones, `before` stands before the rows."""
    kind = "application/vnd.openxmlformats-officedocument.spreadsheetml"
    parts = {
        "[Content_Types].xml": f'{HEAD}<Types xmlns="{PACKAGE}/content-types">'
        '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        '<Default Extension="xml" ContentType="application/xml"/>'
        f'<Override PartName="/xl/workbook.xml" ContentType="{kind}.sheet.main+xml"/>'
        f'<Override PartName="/xl/worksheets/sheet1.xml" ContentType="{kind}.worksheet+xml"/></Types>',
        "_rels/.rels": f'{HEAD}<Relationships xmlns="{PACKAGE}/relationships"><Relationship Id="rId1" '
        f'Type="{RELATIONS}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'{HEAD}<workbook xmlns="{MAIN}" xmlns:r="{RELATIONS}">'
        f'<workbookPr date1904="{"true" if since_1904 else "false"}"/>'
        f'<sheets>{sheets}<sheet name="客户" sheetId="1" r:id="rId1"/></sheets></workbook>',
        "xl/_rels/workbook.xml.rels": f'{HEAD}<Relationships xmlns="{PACKAGE}/relationships">'
        f'<Relationship Id="rId1" Type="{RELATIONS}/worksheet" Target="worksheets/sheet1.xml"/>'
        f'<Relationship Id="rId2" Type="{RELATIONS}/styles" Target="styles.xml"/>'
        f'<Relationship Id="rId3" Type="{RELATIONS}/sharedStrings" Target="sharedStrings.xml"/>'
        f'<Relationship Id="rId4" Type="{RELATIONS}/worksheet" Target="worksheets/sheet2.xml"/></Relationships>',
        "xl/styles.xml": STYLES,
        "xl/sharedStrings.xml": f'{HEAD}<sst xmlns="{MAIN}">{strings}</sst>',
        "xl/worksheets/sheet1.xml": f'{HEAD}<worksheet xmlns="{MAIN}">{before}'
        f"<sheetData>{rows}</sheetData></worksheet>",
        "xl/worksheets/sheet2.xml": f'{HEAD}<worksheet xmlns="{MAIN}"><sheetData><row r="1"><c r="A1" t="inlineStr">'
        "<is><t>藏起来的</t></is></c></row></sheetData></worksheet>",
    }
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w", zipfile.ZIP_DEFLATED) as made:
        for name, text in parts.items():
            made.writestr(name, text)
    return body.getvalue()


def read(body: bytes, folder: Path) -> list[list[Any]]:
    """Return [row number, cells] of each row that is not empty."""
    source, rows = folder / "book.xlsx", folder / "rows"
    source.write_bytes(body)
    read_book(source, rows)
    return [json.loads(line) for line in rows.read_text(encoding="utf-8").splitlines()]


def test_what_libreoffice_writes(tmp_path: Path) -> None:
    strings = "".join(
        f'<si><t xml:space="preserve">{words}</t></si>'
        for words in ("客户名称", "手机", "下次跟进", "合计", "华星木业")
    )
    rows = (
        '<row r="1" customFormat="false" ht="12.8" hidden="false" customHeight="false" outlineLevel="0">'
        '<c r="A1" s="0" t="s"><v>0</v></c><c r="B1" s="0" t="s"><v>1</v></c><c r="C1" s="0" t="s"><v>2</v></c>'
        '<c r="D1" s="0" t="s"><v>3</v></c></row>'
        '<row r="2" customFormat="false" ht="12.8"><c r="A2" s="0" t="s"><v>4</v></c>'
        '<c r="B2" s="0" t="n"><v>13800138000</v></c><c r="C2" s="1" t="n"><v>47604</v></c>'
        '<c r="D2" s="0" t="n"><f aca="false">B2*0+1.5</f><v>1.5</v></c>'
        '<c r="E2" s="2" t="n"><v>47604.3958333333</v></c>'
        '<c r="F2" t="b"><v>1</v></c><c r="G2" t="e"><v>#N/A</v></c>'
        '<c r="H2" t="str"><f aca="false">A2</f><v>华星木业</v></c>'
        "</row>"
    )
    before = '<sheetPr filterMode="false"/><dimension ref="A1:H2"/><cols><col min="1" max="4" width="11.5"/></cols>'
    found = read(book(rows, strings=strings, before=before), tmp_path)
    assert found[0] == [1, ["客户名称", "手机", "下次跟进", "合计"]]
    number, cells = found[1]
    assert (number, cells[:2], cells[3]) == (2, ["华星木业", 13800138000], 1.5)
    assert cells[2]["d"].startswith("2030-05-01")
    assert cells[4]["d"].startswith("2030-05-01T09:30")
    assert (cells[5], cells[7]) == (True, "华星木业")


def test_what_wps_writes(tmp_path: Path) -> None:
    strings = (
        "<si><t>客户名称</t></si><si><r><rPr><b/></rPr><t>华星</t></r><r><t>木业</t></r></si>"
        "<si><t>備註</t><rPh sb='0' eb='1'><t>びこう</t></rPh></si>"
    )
    rows = (
        '<row r="1" spans="1:3"><c r="A1" t="s"><v>0</v></c><c r="C1" t="s"><v>2</v></c></row>'
        '<row r="4"><c r="A4" t="s"><v>1</v></c><c r="C4" t="inlineStr"><is><t>写在格子里</t></is></c></row>'
        '<row r="9"><c r="A9" t="inlineStr"><is><r><t>恒昌</t></r><r><t>家具</t></r></is></c></row>'
    )
    found = read(book(rows, strings=strings, before='<dimension ref="A1"/>'), tmp_path)
    assert [number for number, _cells in found] == [1, 4, 9]
    assert found[0][1][0] == "客户名称"
    assert found[0][1][2].startswith("備註")
    assert found[1][1][::2] == ["华星木业", "写在格子里"]
    assert found[2][1][0] == "恒昌家具"


def test_days_are_counted_from_1904_where_the_book_says_so(tmp_path: Path) -> None:
    rows = '<row r="1"><c r="A1" s="1"><v>46142</v></c><c r="B1" s="3"><v>0.395833333333333</v></c></row>'
    assert read(book(rows, since_1904=True), tmp_path) == [[1, [{"d": "2030-05-01"}, "09:30:00"]]]


def test_rows_and_cells_without_addresses_stand_one_after_the_other(tmp_path: Path) -> None:
    cell = '<c t="inlineStr"><is><t>{}</t></is></c>'
    rows = "".join(f"<row>{cell.format(name)}{cell.format(phone)}</row>" for name, phone in (("甲", "1"), ("乙", "2")))
    assert read(book(rows), tmp_path) == [[1, ["甲", "1"]], [2, ["乙", "2"]]]


def test_hidden_sheets_are_passed_over(tmp_path: Path) -> None:
    hidden = '<sheet name="藏" sheetId="2" state="hidden" r:id="rId4"/>'
    row = '<row r="1"><c r="A1" t="inlineStr"><is><t>看得见的</t></is></c></row>'
    assert read(book(row, sheets=hidden), tmp_path) == [[1, ["看得见的"]]]


def test_what_xlsxwriter_writes(tmp_path: Path) -> None:
    body = io.BytesIO()
    with xlsxwriter.Workbook(body, {"in_memory": True}) as made:
        sheet = made.add_worksheet()
        day = made.add_format({"num_format": "yyyy年m月d日"})
        moment = made.add_format({"num_format": "yyyy/mm/dd hh:mm"})
        sheet.write_row(0, 0, ["客户名称", "日期", "时刻", "电话"])
        sheet.write(5, 0, "华星木业")
        sheet.write_datetime(5, 1, date(2030, 5, 1), day)
        sheet.write_datetime(5, 2, datetime.fromisoformat("2030-05-01T09:30"), moment)
        sheet.write_number(5, 3, 13800138000)
    found = read(body.getvalue(), tmp_path)
    assert [number for number, _cells in found] == [1, 6]
    assert found[1][1][0] == "华星木业"
    assert [cell["d"][:16] for cell in found[1][1][1:3]] == ["2030-05-01", "2030-05-01T09:30"]
    assert found[1][1][3] == 13800138000


def test_cells_merged_downwards_in_the_last_column(tmp_path: Path) -> None:
    body = io.BytesIO()
    with xlsxwriter.Workbook(body, {"in_memory": True}) as made:
        sheet = made.add_worksheet()
        for row, name in enumerate(["客户名称", "甲", "乙", "丙"]):
            sheet.write(row, 0, name)
        sheet.write(0, 1, "区域")
        sheet.merge_range(1, 1, 3, 1, "华东")
    assert [cells for _number, cells in read(body.getvalue(), tmp_path)][1:] == [
        ["甲", "华东"],
        ["乙", "华东"],
        ["丙", "华东"],
    ]


def test_a_book_without_a_sheet_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Invalid):
        read(book(""), tmp_path)


def test_a_formula_that_nobody_has_calculated_is_no_empty_cell(tmp_path: Path) -> None:
    body = io.BytesIO()
    made = openpyxl.Workbook()
    sheet = made.active
    for row in (["客户名称", "电话", "备注"], ["华星木业", "=B3", None], ["恒昌家具", "13800138001", "=A2&A3"]):
        sheet.append(row)
    made.save(body)
    rows = [cells for _number, cells in read(body.getvalue(), tmp_path)]
    assert rows[1:] == [["华星木业", {"f": True}], ["恒昌家具", "13800138001", {"f": True}]]
    with pytest.raises(Unreadable, match="没有保存计算结果"):
        text_of(rows[1][1])


def test_what_openpyxl_writes(tmp_path: Path) -> None:
    """Merged in both directions, hidden rows and columns, a hidden first sheet and one more behind."""
    made = openpyxl.Workbook()
    made.active.title = "参数"
    made.active.append(["看不见的"])
    made.active.sheet_state = "hidden"
    sheet = made.create_sheet("客户")
    made.create_sheet("第二页").append(["客户名称", "不看的"])
    sheet.append(["客户名称", "电话", "卡号", "日期", "时刻", "区域", "城市"])
    sheet.append(["华星木业", 13800138000.0, "6217001234567890123", date(2030, 5, 1), "2030年5月1日", "华东", "杭州"])
    sheet.append(["恒昌家具", "13800138001", 6217001234567890123, 47604, datetime(2030, 5, 1, 9, 30)])  # noqa: DTZ001
    sheet.append(["宏远灯饰", 1.38e10, None, 47604.5, True])
    sheet.merge_cells("F2:G3")
    sheet.row_dimensions[3].hidden = True
    sheet.column_dimensions["C"].hidden = True
    body = io.BytesIO()
    made.save(body)
    found = [cells for _number, cells in read(body.getvalue(), tmp_path)]
    assert found[1] == ["华星木业", 13800138000, "6217001234567890123", {"d": "2030-05-01"}, "2030年5月1日", "华东"]
    assert (found[2][:2], set(found[2][2]), found[2][3]) == (["恒昌家具", "13800138001"], {"n"}, 47604)
    assert (found[2][4], found[2][5]) == ({"d": "2030-05-01T09:30:00"}, "华东")
    assert found[3] == ["宏远灯饰", 13800000000, "", 47604.5, True]


def test_a_gbk_file_with_quotes_and_line_breaks_in_its_cells(tmp_path: Path) -> None:
    text = '"客户\n名称",电话,备注\r\n"华星""木业""","138-0013-8000","第一行\r\n第二行，有逗号,和""引号"""\r\n'
    text += "\r\n恒昌,1,\r\n"
    found = read(text.encode("gbk"), tmp_path)
    assert found == [
        [1, ["客户\n名称", "电话", "备注"]],
        [2, ['华星"木业"', "138-0013-8000", '第一行\r\n第二行，有逗号,和"引号"']],
        [4, ["恒昌", "1"]],
    ]
