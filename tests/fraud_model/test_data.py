"""Reading, checking and writing transactions: what is wrong is said in one line, or in one report."""

import codecs
import os
import resource
import signal
import weakref
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from fraud_model.data import TableWriter, iter_transactions, read_transactions, validate, write_table
from fraud_model.errors import DataError, InputError
from fraud_model.schema import CARDS, PAYSIM

HEADER = "step,type,amount,nameOrig,nameDest,isFraud\n"
GOOD = HEADER + "1,PAYMENT,12.50,C1,M1,0\n2,TRANSFER,100,C2,C3,1\n3,PAYMENT,7.25,C1,M2,\n"
CARD_HEADER = "TRANSACTION_ID,TX_DATETIME,CUSTOMER_ID,TERMINAL_ID,TX_AMOUNT,TX_FRAUD\n"


def write(path: Path, content: str | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def row(step="1", kind="PAYMENT", amount="5", payer="C1", payee="M1", label="0"):
    return f"{step},{kind},{amount},{payer},{payee},{label}\n"


def cards(rows):
    return pd.DataFrame(rows, columns=CARD_HEADER.strip().split(","))


CARD_ROWS = [(1, "2026-06-01T10:00:00", 7, 9, 5.0, 0), (2, "2026-06-01T11:00:00", 8, 9, 6.0, 1)]


# Reading what is right


def test_a_csv_file_in_the_types_of_the_package(tmp_path):
    frame = read_transactions(write(tmp_path / "t.csv", GOOD), PAYSIM)
    assert list(frame.columns) == list(PAYSIM.columns)
    assert frame["step"].tolist() == [1, 2, 3]
    assert frame.dtypes.astype(str).to_dict() == {
        "step": "int64",
        "nameOrig": "object",
        "nameDest": "object",
        "amount": "float64",
        "type": "object",
        "isFraud": "float64",
    }
    assert frame["amount"].tolist() == [12.5, 100.0, 7.25]
    assert np.isnan(frame["isFraud"].iloc[2])


@pytest.mark.parametrize(
    "content",
    [
        codecs.BOM_UTF8 + GOOD.encode(),
        GOOD.replace("\n", "\r\n"),
        GOOD.replace("\n", "\n\n"),
        GOOD.rstrip("\n"),
        GOOD.replace("C1", '"C1"').replace("12.50", '" 12.50 "'),
        GOOD.replace("C1,", " C1 ,"),
        GOOD.replace("isFraud", "isFraud,note")
        .replace(",0\n", ",0,\xe9\n")
        .replace(",1\n", ',1,"a, ""b"""\n')
        .replace(",\n", ",,two\n"),
    ],
    ids=["byte-order-mark", "windows-lines", "blank-lines", "no-last-line-end", "quoted", "padded", "other-columns"],
)
def test_the_same_rows_however_the_csv_is_written(tmp_path, content):
    expected = read_transactions(write(tmp_path / "plain.csv", GOOD), PAYSIM)
    pd.testing.assert_frame_equal(read_transactions(write(tmp_path / "t.csv", content), PAYSIM), expected)


def test_a_quoted_value_may_span_lines(tmp_path):
    frame = read_transactions(write(tmp_path / "t.csv", GOOD.replace("C3", '"C\n3"')), PAYSIM)
    assert frame["nameDest"].iloc[1] == "C\n3"


@pytest.mark.parametrize("parts", [["a.csv", "b.parquet"], ["part=1/a.parquet", "part=2/b.csv"]])
def test_a_folder_is_read_in_order_of_name(tmp_path, parts):
    whole = read_transactions(write(tmp_path / "t.csv", GOOD), PAYSIM)
    for number, part in enumerate(parts):
        write_table(whole.iloc[number * 2 : number * 2 + 2], tmp_path / "in" / part)
    write(tmp_path / "in" / "_SUCCESS", "")
    write(tmp_path / "in" / ".hidden.csv", "nonsense")
    write(tmp_path / "in" / "notes.txt", "nonsense")
    pd.testing.assert_frame_equal(read_transactions(tmp_path / "in", PAYSIM), whole)


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
@pytest.mark.parametrize("chunk_rows", [1, 2, 3, 100])
def test_chunks_are_the_whole_in_file_order(tmp_path, suffix, chunk_rows):
    rng = np.random.default_rng(3)
    many = cards([(i, f"2026-06-01T10:00:{i % 60:02d}", int(rng.integers(9)), i % 4, i + 0.5, i % 2) for i in range(7)])
    path = tmp_path / f"t.{suffix}"
    write_table(many, path)
    chunks = list(iter_transactions(path, CARDS, chunk_rows))
    assert [chunk.first_row for chunk in chunks] == list(range(1, 8, chunk_rows))
    assert all(len(chunk.frame) <= chunk_rows for chunk in chunks)
    whole = pd.concat([chunk.frame for chunk in chunks], ignore_index=True)
    pd.testing.assert_frame_equal(whole, read_transactions(path, CARDS))


def test_ids_have_one_type_in_all_chunks(tmp_path):
    """The first rows look like integers, the last do not: all are text, and nothing loses its leading zero."""
    rows = "".join(f"{i},2026-06-01,{i},007,1,0\n" for i in range(1, 6)) + "X6,2026-06-01,6,8,1,0\n"
    chunks = list(iter_transactions(write(tmp_path / "t.csv", CARD_HEADER + rows), CARDS, 2))
    assert {str(chunk.frame["TRANSACTION_ID"].dtype) for chunk in chunks} == {"object"}
    assert {str(chunk.frame["CUSTOMER_ID"].dtype) for chunk in chunks} == {"int64"}
    assert chunks[0].frame["TERMINAL_ID"].tolist() == ["007", "007"]
    assert chunks[0].frame["TRANSACTION_ID"].tolist() == ["1", "2"]


@pytest.mark.parametrize(
    ("stored", "expected"),
    [
        ([7, 8], [7, 8]),
        (["7", "8"], [7, 8]),
        ([7.0, 8.0], [7, 8]),
        (["07", "8"], ["07", "8"]),
        ([7.0, None], ["7", None]),
        (["7", None], ["7", None]),
        (["-7", "+8"], ["-7", "+8"]),
        (["99999999999999999999", "8"], ["99999999999999999999", "8"]),
        (np.array([7, 2**63 + 1], dtype=np.uint64), ["7", "9223372036854775809"]),
        (pd.Categorical(["a", "b"]), ["a", "b"]),
        ([7, "b"], ["7", "b"]),
    ],
)
def test_accounts_are_whole_numbers_throughout_or_text(tmp_path, stored, expected):
    frame = cards(CARD_ROWS)
    frame["CUSTOMER_ID"] = pd.Series(stored)
    if frame["CUSTOMER_ID"].map(type).nunique() > 1 and "b" in list(stored):
        frame["CUSTOMER_ID"] = frame["CUSTOMER_ID"].astype(str)  # Parquet itself refuses mixed types
    path = tmp_path / "t.parquet"
    frame.to_parquet(path)
    read = read_transactions(path, CARDS)["CUSTOMER_ID"]
    assert [None if pd.isna(value) else value for value in read] == expected


def test_times_become_utc(tmp_path):
    rows = "1,2026-06-01T12:00:00+02:00,7,9,5,0\n2,2026-06-01 10:00:00.25,7,9,5,0\n3,2026-06-01,7,9,5,0\n"
    times = read_transactions(write(tmp_path / "t.csv", CARD_HEADER + rows), CARDS)["TX_DATETIME"]
    assert str(times.dtype) == "datetime64[ns, UTC]"
    assert times.dt.strftime("%H:%M:%S.%f").str[:11].tolist() == ["10:00:00.00", "10:00:00.25", "00:00:00.00"]


@pytest.mark.parametrize("zone", [None, "UTC", "Europe/Berlin"])
@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_parquet_times_of_all_units_and_zones(tmp_path, zone, unit):
    frame = cards(CARD_ROWS)
    frame["TX_DATETIME"] = (
        pd.to_datetime(frame["TX_DATETIME"]).dt.as_unit(unit).dt.tz_localize("UTC").dt.tz_convert(zone)
    )
    frame.to_parquet(tmp_path / "t.parquet")
    read = read_transactions(tmp_path / "t.parquet", CARDS)["TX_DATETIME"]
    assert read.tolist() == [pd.Timestamp("2026-06-01T10:00:00Z"), pd.Timestamp("2026-06-01T11:00:00Z")]


def test_only_the_columns_asked_for(tmp_path):
    path = write(tmp_path / "t.csv", GOOD)
    assert list(read_transactions(path, PAYSIM, columns=["amount", "step"]).columns) == ["amount", "step"]
    with pytest.raises(DataError, match="column balance is missing"):
        read_transactions(path, PAYSIM, columns=["balance"])


def test_a_table_without_labels_can_be_read(tmp_path):
    text = "\n".join(line.rsplit(",", 1)[0] for line in GOOD.strip().splitlines())
    assert "isFraud" not in read_transactions(write(tmp_path / "t.csv", text), PAYSIM)


def test_equal_texts_share_memory(tmp_path):
    """Account names repeat; a million rows must not mean a million objects."""
    path = write(tmp_path / "t.csv", HEADER + row(payer="C1234567890") * 1000)
    names = read_transactions(path, PAYSIM)["nameOrig"]
    assert len({id(name) for name in names}) == 1


# Reading what is wrong: one line each

WRONG_FILES = {
    "no-file": (None, "t.csv: no such file or folder"),
    "empty": ("", "the file is empty"),
    "blank": ("\n \n", "the file is empty"),
    "header-only": (HEADER, "there is a header but no rows"),
    "binary": (bytes(range(256)) * 4, "not a text file, but binary"),
    "parquet-inside": (b"PAR1\x15\x04\x15\x00", "not a text file, but a Parquet file"),
    "zip-inside": (b"PK\x03\x04 and so on", "not a text file, but a ZIP archive or an Excel workbook"),
    "utf-16": (GOOD.encode("utf-16"), "the text is in UTF-16; save it as UTF-8"),
    "latin-1": (GOOD.replace("C3", "Jörg").encode("latin-1"), "not UTF-8: byte 0xF6 at position 86 (line 3)"),
    "latin-1-header": (GOOD.replace("type", "täg").encode("latin-1"), "not UTF-8: byte 0xE4 at position 6 (line 1)"),
    "semicolons": (GOOD.replace(",", ";"), "columns are separated by semicolons (';'); save the file with commas"),
    "tabs": (GOOD.replace(",", "\t"), "columns are separated by tabs"),
    "missing-column": (GOOD.replace("amount", "ammount"), "column amount is missing (schema paysim); the nearest is"),
    "other-case": (GOOD.replace("nameOrig", "NAMEORIG"), "the nearest is 'NAMEORIG'"),
    "twice": (GOOD.replace("nameDest", "nameOrig"), "column nameOrig stands 2 times in the header"),
    "too-few": (HEADER + row() + "1,PAYMENT\n", "row 2: 2 values where the header has 6"),
    "too-many": (HEADER + row() * 2 + row(amount="1,250.00"), "row 3: 7 values where the header has 6"),
    "open-quote": (HEADER + row() + row(payer='"C1') + row() * 3, "close every one that is open"),
    "text": (HEADER + row() * 16 + row(amount="abc"), "column amount, row 17: 'abc' is not a number; write numbers"),
    "comma-decimal": (HEADER + row() + row(amount='"12,50"'), "column amount, row 2: '12,50' is not a number"),
    "euro": (HEADER + row(amount="12 €"), "column amount, row 1: '12 €' is not a number"),
    "no-amount": (HEADER + row(amount=""), "column amount, row 1: the amount is missing"),
    "nan-amount": (HEADER + row() + row(amount="NaN"), "column amount, row 2: the amount is missing"),
    "infinite": (HEADER + row(amount="inf"), "column amount, row 1: the amount is infinite"),
    "negative": (HEADER + row() + row(amount="-3.5"), "column amount, row 2: the amount -3.50 is negative"),
    "huge": (HEADER + row(amount="1e13"), "column amount, row 1: the amount 1e+13 is beyond 1e+12"),
    "step": (HEADER + row(step="1.5"), "column step, row 1: '1.5' is not a whole number of steps"),
    "no-step": (HEADER + row() + row(step=""), "column step, row 2: the time is missing"),
    "label": (HEADER + row(label="2"), "column isFraud, row 1: the label 2 is neither 0 nor 1"),
    "label-text": (HEADER + row(label="fraud"), "column isFraud, row 1: 'fraud' is not a number"),
    "several": (
        HEADER + row(amount="x") + row() + row(amount="y") + row(step="z"),
        "column amount, row 1 and 1 more (3): 'x' is not a number; write numbers such as 1234.56, "
        "without thousands separators or currency signs (and 1 more; `validate` lists all)",
    ),
}


@pytest.mark.parametrize(("content", "expected"), WRONG_FILES.values(), ids=WRONG_FILES)
def test_a_wrong_csv_file_is_refused_with_one_line(tmp_path, content, expected):
    path = tmp_path / "t.csv"
    if content is not None:
        write(path, content)
    with pytest.raises(DataError) as error:
        read_transactions(path, PAYSIM)
    message = str(error.value)
    assert message.startswith(f"{path}: ")
    assert expected in message
    assert "\n" not in message


WRONG_CARDS = {
    "time": (CARD_HEADER + "1,2026-06-01,7,9,5,0\n2,31/12/2026,7,9,5,0\n", "row 2: '31/12/2026' is not a time"),
    "far-time": (CARD_HEADER + "1,9999-12-31,7,9,5,0\n", "row 1: '9999-12-31' is not a time"),
    "epoch": (CARD_HEADER + "1,1780272000,7,9,5,0\n", "row 1: '1780272000' is not a time"),
    "no-id": (CARD_HEADER + ",2026-06-01,7,9,5,0\n", "row 1: the id is missing"),
    "same-id": (CARD_HEADER + "1,2026-06-01,7,9,5,0\n" * 2, "column TRANSACTION_ID, row 2: its id is that of row 1"),
}


@pytest.mark.parametrize(("content", "expected"), WRONG_CARDS.values(), ids=WRONG_CARDS)
def test_wrong_times_and_ids_are_refused(tmp_path, content, expected):
    with pytest.raises(DataError) as error:
        read_transactions(write(tmp_path / "t.csv", content), CARDS)
    assert expected in str(error.value)


WRONG_PARQUET = {
    "numbers-for-times": ("TX_DATETIME", [1, 2], "column TX_DATETIME, row 1 and 1 more (2): '1' is not a time"),
    "text-for-numbers": ("TX_AMOUNT", ["5", "five"], "column TX_AMOUNT, row 2: 'five' is not a number"),
    "lists": ("TX_AMOUNT", [[1.0], [2.0]], "column TX_AMOUNT, row 1 and 1 more (2): '[1.0]' is not a number"),
    "nan": ("TX_AMOUNT", [1.0, np.nan], "column TX_AMOUNT, row 2: the amount is missing"),
    "late": ("TX_DATETIME", np.array(["2026-06-01", "9000-01-01"], "datetime64[s]"), "row 2: '9000-01-01 00:00:00' is"),
}


@pytest.mark.parametrize(("column", "values", "expected"), WRONG_PARQUET.values(), ids=WRONG_PARQUET)
def test_wrong_parquet_columns_are_refused(tmp_path, column, values, expected):
    frame = cards(CARD_ROWS)
    frame[column] = values
    frame.to_parquet(tmp_path / "t.parquet")
    with pytest.raises(DataError) as error:
        read_transactions(tmp_path / "t.parquet", CARDS)
    assert expected in str(error.value)


def test_text_and_decimals_that_are_numbers_are_read(tmp_path):
    frame = cards(CARD_ROWS)
    frame["TX_AMOUNT"] = ["5", " 6.25 "]
    frame["TX_FRAUD"] = [False, True]
    frame.to_parquet(tmp_path / "t.parquet")
    read = read_transactions(tmp_path / "t.parquet", CARDS)
    assert read["TX_AMOUNT"].tolist() == [5.0, 6.25]
    assert read["TX_FRAUD"].tolist() == [0.0, 1.0]


@pytest.mark.parametrize("cut", [4, 200, -6])
def test_a_damaged_parquet_file_is_refused(tmp_path, cut):
    path = tmp_path / "t.parquet"
    cards(CARD_ROWS).to_parquet(path)
    write(path, path.read_bytes()[:cut])
    with pytest.raises(DataError, match="Parquet file"):
        read_transactions(path, CARDS)


def test_parquet_pages_overwritten_are_refused(tmp_path):
    path = tmp_path / "t.parquet"
    cards(CARD_ROWS * 500).to_parquet(path)
    content = bytearray(path.read_bytes())
    content[4:600] = b"\xff" * 596
    write(path, bytes(content))
    with pytest.raises(DataError, match="Parquet"):
        read_transactions(path, CARDS)


def test_places_without_data_are_refused(tmp_path):
    (tmp_path / "nothing").mkdir()
    write(tmp_path / "t.xlsx", b"PK\x03\x04")
    write(tmp_path / "payments.csv", GOOD)
    for name, expected in (
        ("nothing", "this folder holds no .csv or .parquet file"),
        ("t.xlsx", "cannot tell what this file is"),
        ("payment.csv", f"no such file or folder; did you mean {tmp_path / 'payments.csv'}?"),
    ):
        with pytest.raises(DataError) as error:
            read_transactions(tmp_path / name, PAYSIM)
        assert expected in str(error.value)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_refused(tmp_path):
    path = write(tmp_path / "t.csv", GOOD)
    path.chmod(0)
    with pytest.raises(DataError, match="cannot be read: Permission denied"):
        read_transactions(path, PAYSIM)


def test_a_fault_in_a_folder_names_the_file_and_its_row(tmp_path):
    write(tmp_path / "in" / "a.csv", GOOD)
    write(tmp_path / "in" / "b.csv", HEADER + row() + row(amount="x"))
    with pytest.raises(DataError, match=r"column amount, b.csv row 2: 'x' is not a number"):
        read_transactions(tmp_path / "in", PAYSIM)
    assert validate(tmp_path / "in", PAYSIM).errors[0].rows == (5,)
    write(tmp_path / "in" / "b.csv", "step,type\n1,PAYMENT\n")
    with pytest.raises(DataError, match=r"b.csv: column nameOrig is missing"):
        read_transactions(tmp_path / "in", PAYSIM)


def test_chunk_rows_must_be_positive(tmp_path):
    with pytest.raises(InputError, match="chunk_rows must be at least 1"):
        next(iter_transactions(write(tmp_path / "t.csv", GOOD), PAYSIM, 0))


# Validation: everything in one pass


def test_nothing_wrong(tmp_path):
    report = validate(write(tmp_path / "t.csv", GOOD), PAYSIM)
    assert report.ok
    assert report.problems == (report.problems[0],)  # a third of the labels is unknown
    assert report.problems[0].message == (
        "column isFraud: 33% of the rows have no value, more than 30%; they are scored, count as neither fraud nor "
        "legitimate, and are not trained on"
    )
    assert report.row_count == 3
    assert report.missing_share["isFraud"] == pytest.approx(1 / 3)


def test_everything_wrong_is_told_at_once(tmp_path):
    text = HEADER + row() + row(step="3") + row(step="2", kind="GIFT") + row(amount="-1", step="3", payer="")
    text += "1,PAYMENT\n" + row(amount="x", step="4") + row(step="y", label="7") + row(step="5", amount="inf")
    report = validate(write(tmp_path / "t.csv", text), PAYSIM)
    found = {(p.level, p.column, p.rows) for p in report.problems}
    assert found == {
        ("error", "t.csv", (5,)),
        ("error", "amount", (4,)),
        ("error", "amount", (6,)),
        ("error", "amount", (8,)),
        ("error", "step", (7,)),
        ("error", "isFraud", (7,)),
        ("warning", "type", (3,)),
        ("warning", "nameOrig", (4,)),
        ("warning", "step", (3,)),
    }
    assert [p.level for p in report.problems] == sorted((p.level for p in report.problems), key="error warning".index)
    assert not report.ok
    plain = report.to_dict()
    assert plain["ok"] is False and plain["row_count"] == 7
    assert plain["problems"][0]["rows"] == list(report.problems[0].rows)
    lines = report.to_text().splitlines()
    assert lines[0].endswith("7 rows, 6 errors, 3 warnings")
    assert len(lines) == 1 + len(report.problems) + 1


def test_the_same_report_for_a_frame_as_for_its_file(tmp_path):
    rows = [*CARD_ROWS, (2, "soon", 7, 9, -5.0, 3), (4, "2026-05-01", None, 9, float("inf"), None)]
    frame = cards(rows)
    frame.to_csv(tmp_path / "t.csv", index=False)
    from_frame, from_file = validate(frame, "cards"), validate(tmp_path / "t.csv", "cards")
    assert from_frame.problems == from_file.problems
    assert from_frame.missing_share == from_file.missing_share
    assert {p.column for p in from_frame.errors} == {"TRANSACTION_ID", "TX_DATETIME", "TX_AMOUNT", "TX_FRAUD"}


def test_a_frame_of_mixed_types():
    frame = cards(CARD_ROWS).astype(object)
    frame.loc[0, "TX_AMOUNT"] = "many"
    frame.loc[1, "CUSTOMER_ID"] = "X"
    assert [p.message for p in validate(frame, CARDS).problems] == [
        "column TX_AMOUNT, row 1: 'many' is not a number; write numbers such as 1234.56, "
        "without thousands separators or currency signs"
    ]


def test_a_frame_without_rows_or_columns():
    report = validate(pd.DataFrame({"step": []}), PAYSIM)
    assert [p.column for p in report.errors] == ["nameOrig", "nameDest", "amount", "type", "step"]
    assert "no rows" in report.errors[-1].message


def test_missing_columns_do_not_hide_what_else_is_wrong(tmp_path):
    report = validate(write(tmp_path / "t.csv", GOOD.replace("nameDest", "dest").replace("100", "x")), PAYSIM)
    assert [(p.column, p.count) for p in report.errors] == [("nameDest", 0), ("amount", 1)]


def test_duplicates_over_many_pieces_name_the_earlier_row(tmp_path, monkeypatch):
    monkeypatch.setattr("fraud_model.validation.PIECE_ROWS", 10)
    rows = [f"T{i},2026-06-01,7,9,5,0\n" for i in range(50)] + ["T3,2026-06-01,7,9,5,0\n", "T44,2026-06-01,7,9,5,0\n"]
    report = validate(write(tmp_path / "t.csv", CARD_HEADER + "".join(rows)), CARDS)
    (problem,) = report.errors
    assert problem.rows == (51, 52)
    assert "row 51 and 1 more (52): its id is that of row 4" in problem.message


def test_only_the_first_few_rows_are_listed(tmp_path):
    text = HEADER + row() + row(amount="x") * 2000
    (problem,) = validate(write(tmp_path / "t.csv", text), PAYSIM).errors
    assert (problem.rows, problem.count) == ((2, 3, 4, 5, 6), 2000)
    assert "row 2 and 1,999 more (3, 4, 5, 6, …)" in problem.message


def test_unsorted_over_pieces(tmp_path, monkeypatch):
    monkeypatch.setattr("fraud_model.validation.PIECE_ROWS", 2)
    text = HEADER + "".join(row(step=str(step)) for step in (1, 5, 4, 6, 6, 2))
    (problem,) = validate(write(tmp_path / "t.csv", text), PAYSIM).problems
    assert (problem.level, problem.rows) == ("warning", (3, 6))


def test_a_much_missing_column_is_a_warning(tmp_path):
    schema = replace(PAYSIM, numeric=("age",), never=())
    text = HEADER.replace("isFraud", "isFraud,age") + "1,PAYMENT,5,C1,M1,0,\n" * 2 + "1,PAYMENT,5,C1,M1,0,3\n"
    report = validate(write(tmp_path / "t.csv", text), schema)
    assert [p.message for p in report.problems] == [
        "column age: 67% of the rows have no value, more than 30%; they are scored without it: the trees have a branch "
        "for missing numbers"
    ]


def test_a_table_without_labels_is_a_warning(tmp_path):
    text = "\n".join(line.rsplit(",", 1)[0] for line in GOOD.strip().splitlines())
    report = validate(write(tmp_path / "t.csv", text), PAYSIM)
    assert report.ok
    assert report.problems[0].message.startswith("column isFraud is missing: the table can be scored")


def test_the_real_samples_are_right(shared_data):
    for name, schema in (("onlinefraud_sample.csv", "paysim"), ("card_transactions_2018q2.parquet", "cards")):
        assert validate(shared_data / name, schema).problems == ()


# Writing


@pytest.mark.parametrize("name", ["deep/er/t.parquet", "t.csv", "T.CSV"])
def test_what_is_written_is_read_back(tmp_path, name):
    frame = read_transactions(write(tmp_path / "in.csv", GOOD), PAYSIM)
    write_table(frame, tmp_path / name)
    pd.testing.assert_frame_equal(read_transactions(tmp_path / name, PAYSIM), frame)
    assert [path.name for path in (tmp_path / name).parent.iterdir() if path.name.startswith(".")] == []


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_table_in_pieces_is_the_table_in_one(tmp_path, suffix):
    frame = cards(CARD_ROWS)
    with TableWriter(tmp_path / f"pieces.{suffix}") as writer:
        for start in range(2):
            writer.write(frame.iloc[start : start + 1])
    write_table(frame, tmp_path / f"one.{suffix}")
    pd.testing.assert_frame_equal(
        read_transactions(tmp_path / f"pieces.{suffix}", CARDS), read_transactions(tmp_path / f"one.{suffix}", CARDS)
    )


def test_an_interrupted_write_leaves_the_old_file(tmp_path):
    path = write(tmp_path / "t.csv", "old")
    with pytest.raises(RuntimeError), TableWriter(path) as writer:
        writer.write(cards(CARD_ROWS))
        raise RuntimeError("the power went")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_full_disk_leaves_nothing_behind(tmp_path, suffix):
    """A limit on file size makes the write fail as a full disk does."""
    frame = pd.DataFrame({"a": np.random.default_rng(1).random(200_000)})
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        with pytest.raises(DataError) as error:
            write_table(frame, tmp_path / f"t.{suffix}")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, ignored)
    assert f"t.{suffix}: cannot be written: " in str(error.value)
    assert "\n" not in str(error.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("t.xlsx", "let the name end in .parquet or .csv"),
        ("folder.csv", "this is a folder; give the name of a file"),
        ("file.txt/t.csv", "cannot be written: "),
    ],
)
def test_a_target_that_cannot_be_written_is_refused(tmp_path, name, expected):
    (tmp_path / "folder.csv").mkdir()
    write(tmp_path / "file.txt", "x")
    with pytest.raises(DataError) as error:
        write_table(cards(CARD_ROWS), tmp_path / name)
    assert expected in str(error.value)


@pytest.mark.parametrize(
    ("pieces", "expected"),
    [
        ([], "nothing was written"),
        ([{"a": [1]}, {"b": [1]}], "other columns than the first"),
        ([{"a": [1, "x"]}], "mixed types"),
    ],
)
def test_pieces_that_make_no_table_are_refused(tmp_path, pieces, expected):
    with pytest.raises(DataError) as error, TableWriter(tmp_path / "t.parquet") as writer:
        for piece in pieces:
            writer.write(pd.DataFrame(piece))
    assert expected in str(error.value)
    assert list(tmp_path.iterdir()) == []


# Files of more than one block


def test_rows_are_numbered_through_all_blocks(tmp_path):
    text = HEADER + row() * 120_000 + "1,PAYMENT\n" + row() * 10 + row(amount="x") + row() * 50_000
    path = write(tmp_path / "t.csv", text)
    errors = validate(path, PAYSIM).errors
    assert [(p.rows, p.count) for p in errors] == [((120_001,), 1), ((120_012,), 1)]
    with pytest.raises(DataError, match="row 120001: 2 values where the header has 6"):
        read_transactions(path, PAYSIM)


def test_a_quotation_mark_never_closed_in_a_long_file(tmp_path):
    path = write(tmp_path / "t.csv", HEADER + row() * 10 + row(payer='"C1') + row() * 200_000)
    with pytest.raises(DataError, match="quotation mark"):
        read_transactions(path, PAYSIM)


def test_memory_does_not_grow_with_the_file(tmp_path):
    """Chunks of a file are let go of: of all of them, few are alive at once."""
    path = write(tmp_path / "t.csv", HEADER + row() * 300_000)
    alive = []
    for chunk in iter_transactions(path, PAYSIM, 10_000):
        alive.append(weakref.ref(chunk.frame))
        del chunk
        assert sum(reference() is not None for reference in alive) <= 2
    assert len(alive) == 30
