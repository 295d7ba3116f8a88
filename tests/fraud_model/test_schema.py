"""Schemas: built in, from TOML, and what they say when they are wrong."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from fraud_model.errors import DataError, SchemaError
from fraud_model.schema import CARDS, PAYSIM, TransactionSchema, load_schema

ACME = """
name = "acme"
time = "booked_at"
payer = "debtor"
payee = "creditor"
amount = "amount"
transaction_id = "payment_id"
categorical = ["channel"]
numeric = ["device_age_days"]
label = "is_fraud"
label_delay_days = 3
never = ["manual_flag"]

[categories]
channel = ["web", "app"]
"""


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_a_toml_file_gives_a_schema(tmp_path):
    schema = load_schema(write(tmp_path / "acme.toml", ACME))
    assert schema.required == ("payment_id", "booked_at", "debtor", "creditor", "amount", "channel", "device_age_days")
    assert schema.columns[-1] == "is_fraud"
    assert schema.label_delay_seconds == 3 * 86_400
    assert schema.categories == {"channel": ("web", "app")}


@pytest.mark.parametrize("schema", [PAYSIM, CARDS, PAYSIM.with_track("leaky")], ids=["paysim", "cards", "leaky"])
def test_a_schema_survives_being_stored(schema):
    assert TransactionSchema.from_dict(schema.to_dict()) == schema
    assert load_schema(schema) is schema


def test_built_in_schemas_by_name():
    assert load_schema("paysim") is PAYSIM
    assert load_schema("cards") is CARDS


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (('payer = "debtor"', ""), "payer missing"),
        (('amount = "amount"', 'ammount = "amount"'), "unknown setting 'ammount'; did you mean amount?"),
        (('name = "acme"', "name = 3"), "name must be text, not 3"),
        (('["channel"]\nnumeric', '"channel"\nnumeric'), "categorical must be a list of column names"),
        (("label_delay_days = 3", "label_delay_days = -1"), "label_delay_days must not be negative"),
        (("label_delay_days = 3", 'label_delay_days = "3"'), "label_delay_days must be a number of days"),
        (('never = ["manual_flag"]', 'never = ["channel"]'), "channel is both a feature and in `never`"),
        (('payer = "debtor"', 'payer = "creditor"'), "column creditor has two roles"),
        (('label = "is_fraud"', "step_seconds = 60"), "step_seconds and origin go together"),
        (('label = "is_fraud"', 'step_seconds = 0\norigin = "2026-01-01"'), "step_seconds must be positive"),
        (('label = "is_fraud"', "step_seconds = 1.5"), "step_seconds must be a whole number"),
        (('label = "is_fraud"', 'step_seconds = 60\norigin = "soon"'), "'soon' is not a time"),
        (("channel = [", "canal = ["), "[categories] names canal, not listed in `categorical`"),
        (('["web", "app"]', '"web"'), "categories must be a table of column = [values]"),
        (('name = "acme"', "name = "), "is not valid TOML"),
    ],
)
def test_a_wrong_toml_file_is_refused_with_one_line(tmp_path, change, expected):
    path = write(tmp_path / "acme.toml", ACME.replace(*change))
    with pytest.raises(SchemaError) as error:
        load_schema(path)
    assert expected in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("name", "expected"), [("payments", "no schema 'payments'"), ("none.toml", "schema file none.toml")]
)
def test_an_unknown_schema_is_refused(tmp_path, monkeypatch, name, expected):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SchemaError) as error:
        load_schema(name)
    assert expected in str(error.value)


def test_a_toml_date_is_an_origin(tmp_path):
    text = ACME.replace('label = "is_fraud"', "step_seconds = 60\norigin = 2026-06-01")
    schema = load_schema(write(tmp_path / "acme.toml", text))
    times = schema.times(pd.DataFrame({"booked_at": [0, 1]}))
    assert times.tolist() == [1_780_272_000, 1_780_272_060]


def test_tracks_let_balances_in():
    assert "oldbalanceOrg" in PAYSIM.never
    authorisation = PAYSIM.with_track("authorisation")
    assert authorisation.numeric == ("oldbalanceOrg",)
    assert "oldbalanceOrg" not in authorisation.never
    assert authorisation.with_track("strict") == PAYSIM
    with pytest.raises(SchemaError, match="strict, authorisation, leaky"):
        PAYSIM.with_track("all")
    with pytest.raises(SchemaError, match="schema cards has no track"):
        CARDS.with_track("leaky")


def test_steps_are_hours_from_the_first_of_june():
    times = PAYSIM.times(pd.DataFrame({"step": [1, 2, 25]}))
    assert times.dtype == np.int64
    assert [str(pd.Timestamp(int(time), unit="s")) for time in times] == [
        "2026-06-01 00:00:00",
        "2026-06-01 01:00:00",
        "2026-06-02 00:00:00",
    ]


@pytest.mark.parametrize(
    "values",
    [
        ["2026-06-01T02:00:00+02:00", "2026-06-01T00:00:01Z"],
        ["2026-06-01T02:00:00+02:00", "2026-06-01 00:00:01"],
        ["2026-06-01 00:00:00", "2026-05-31T19:00:01-0500"],
        ["2026-06-01 00:00:00", "2026-06-01 00:00:01"],
        pd.to_datetime(["2026-06-01 00:00:00", "2026-06-01 00:00:01"]),
        pd.to_datetime(["2026-06-01 00:00:00", "2026-06-01 00:00:01"]).tz_localize("UTC"),
        pd.to_datetime(["2026-06-01 00:00:00", "2026-06-01 00:00:01"]).as_unit("ms"),
    ],
)
def test_timestamps_of_all_sorts_are_seconds_utc(values):
    times = CARDS.times(pd.DataFrame({"TX_DATETIME": values}))
    assert times.tolist() == [1_780_272_000, 1_780_272_001]


@pytest.mark.parametrize(
    ("schema", "frame", "expected"),
    [
        (PAYSIM, {"step": [1, "two"]}, "column step, row 2: holds 'two'; expected an integer step"),
        (PAYSIM, {"step": [1, None]}, "column step, row 2: is empty"),
        (PAYSIM, {"Step": [1]}, "column step is missing (schema paysim); the nearest is Step"),
        (CARDS, {"TX_DATETIME": ["2026-06-01", "1 June"]}, "row 2: holds '1 June'; expected a time"),
        (CARDS, {"TX_DATETIME": [1, 2]}, "numbers, but schema cards expects timestamps"),
    ],
)
def test_wrong_times_name_column_and_row(schema, frame, expected):
    with pytest.raises(DataError) as error:
        schema.times(pd.DataFrame(frame))
    assert expected in str(error.value)


def test_times_keep_their_rows_whatever_the_index():
    frame = pd.DataFrame({"TX_DATETIME": ["2026-06-01", "2026-06-01T02:00:01+02:00", "2026-06-01"]}, index=[5, 5, 1])
    assert CARDS.times(frame).tolist() == [1_780_272_000, 1_780_272_001, 1_780_272_000]


def test_ids_are_made_from_row_numbers_or_taken_as_text():
    frame = pd.DataFrame({"TRANSACTION_ID": [7, 8]})
    assert PAYSIM.transaction_ids(frame, first_row=12_345).tolist() == ["T00012345", "T00012346"]
    assert CARDS.transaction_ids(frame).tolist() == ["7", "8"]


def test_labels_are_one_zero_or_unknown():
    assert np.isnan(PAYSIM.labels(pd.DataFrame({"step": [1]}))).all()
    labels = PAYSIM.labels(pd.DataFrame({"isFraud": [0, 1, None]}))
    assert labels[:2].tolist() == [0.0, 1.0]
    assert np.isnan(labels[2])
    with pytest.raises(DataError, match="column isFraud, row 2: label 2 is neither 0 nor 1"):
        PAYSIM.labels(pd.DataFrame({"isFraud": [0, 2]}))
