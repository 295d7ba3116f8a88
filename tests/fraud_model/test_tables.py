"""Tables of a database as source and target: SQLite, and PostgreSQL where it is installed."""

import os
import shutil
import socket
import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
import sqlalchemy as sql

from fraud_model.data import read_transactions, validate, write_table
from fraud_model.errors import DataError
from fraud_model.schema import CARDS
from fraud_model.scorer import Scorer
from fraud_model.tables import source_name


@pytest.fixture
def scorer(trained, tracking_uri: str) -> Scorer:
    return Scorer.load(trained.version, tracking_uri=tracking_uri)


@pytest.fixture
def database(tmp_path: Path, payments: pd.DataFrame) -> str:
    """An SQLite file with the payments, by primary key, by row number, and as a view."""
    path = tmp_path / "bank.db"
    texts = payments.assign(TX_DATETIME=payments["TX_DATETIME"].dt.strftime("%Y-%m-%dT%H:%M:%SZ"))
    with sqlite3.connect(path) as connection:
        connection.execute(
            'CREATE TABLE payments ("TRANSACTION_ID" INTEGER PRIMARY KEY, "TX_DATETIME" DATETIME, '
            '"CUSTOMER_ID" INTEGER, "TERMINAL_ID" INTEGER, "TX_AMOUNT" NUMERIC, "TX_FRAUD" BOOLEAN, note TEXT)'
        )
        shuffled = texts.sample(frac=1, random_state=3)
        names = ", ".join(f'"{name}"' for name in shuffled.columns)
        connection.executemany(
            f"INSERT INTO payments ({names}) VALUES (?, ?, ?, ?, ?, ?)", shuffled.astype(object).to_numpy().tolist()
        )
        texts.iloc[::-1].to_sql("reversed", connection, index=False)
        connection.execute("CREATE VIEW recent AS SELECT * FROM payments WHERE TRANSACTION_ID >= 5000")
    return f"sqlite:///{path}"


def test_a_table_reads_like_the_same_rows_in_a_file(database: str, payments: pd.DataFrame, tmp_path: Path) -> None:
    write_table(payments, tmp_path / "payments.parquet")
    expected = read_transactions(tmp_path / "payments.parquet", CARDS)
    pd.testing.assert_frame_equal(read_transactions(f"{database}#payments", CARDS), expected)
    backwards = read_transactions(f"{database}#reversed", CARDS)
    pd.testing.assert_frame_equal(backwards, expected.iloc[::-1].reset_index(drop=True))
    recent = read_transactions(f"{database}#recent", CARDS)
    pd.testing.assert_frame_equal(recent, expected.iloc[5000:].reset_index(drop=True))


def test_validate_reads_a_table(database: str) -> None:
    report = validate(f"{database}#reversed", CARDS)
    assert report.ok and report.row_count == 6_000
    assert report.source.endswith("bank.db#reversed")
    assert any("earlier than the row before" in problem.message for problem in report.problems)


@pytest.mark.parametrize("chunk_rows", [700, 10_000])
def test_scores_of_a_table_are_those_of_a_file(
    scorer: Scorer, database: str, payments: pd.DataFrame, tmp_path: Path, chunk_rows: int
) -> None:
    write_table(payments, tmp_path / "payments.parquet")
    scorer.score_file(tmp_path / "payments.parquet", tmp_path / "from_file.parquet", reasons=1)
    summary = scorer.score_file(f"{database}#payments", f"{database}#scores", reasons=1, chunk_rows=chunk_rows)
    assert summary.rows == 6_000 and summary.out.endswith("bank.db#scores")
    expected = pd.read_parquet(tmp_path / "from_file.parquet")
    with sqlite3.connect(database.removeprefix("sqlite:///")) as connection:
        found = pd.read_sql("SELECT * FROM scores ORDER BY rowid", connection)
    known = {"reason_1": ""}
    found["alert"] = found["alert"].astype(bool)
    pd.testing.assert_frame_equal(found.fillna(known), expected.fillna(known), check_dtype=False)
    scorer.score_file(f"{database}#recent", f"{database}#scores", reasons=1)
    with sqlite3.connect(database.removeprefix("sqlite:///")) as connection:
        assert connection.execute("SELECT count(*) FROM scores").fetchone() == (1_000,), "refilled, not grown"


def test_a_table_that_holds_something_else_is_left_alone(scorer: Scorer, database: str) -> None:
    with pytest.raises(DataError, match="has other columns"):
        scorer.score_file(f"{database}#recent", f"{database}#payments")
    assert len(read_transactions(f"{database}#payments", CARDS)) == 6_000


def test_rows_appear_together_or_not_at_all(database: str) -> None:
    from fraud_model.table_output import SqlTableWriter

    piece = pd.DataFrame({"transaction_id": ["1"], "fraud_probability": [0.5]})
    with pytest.raises(KeyboardInterrupt), SqlTableWriter(f"{database}#half") as writer:
        writer.write(piece)
        raise KeyboardInterrupt
    with sqlite3.connect(database.removeprefix("sqlite:///")) as connection:
        assert not connection.execute("SELECT name FROM sqlite_master WHERE name = 'half'").fetchall()


def test_values_that_do_not_fit_their_declared_type_are_told_by_row(database: str) -> None:
    with sqlite3.connect(database.removeprefix("sqlite:///")) as connection:
        connection.execute("UPDATE payments SET TX_AMOUNT = 'ten' WHERE TRANSACTION_ID = 41")
        connection.execute("UPDATE payments SET CUSTOMER_ID = 'C7' WHERE TRANSACTION_ID = 5900")
    report = validate(f"{database}#payments", CARDS)
    assert [problem.rows for problem in report.errors] == [(42,)]
    with pytest.raises(DataError, match=r"bank\.db#payments: column TX_AMOUNT, row 42: 'ten' is not a number"):
        read_transactions(f"{database}#payments", CARDS)


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("sqlite:///{folder}/bank.db", "no table is named; write a table as URL#table"),
        ("sqlite:///{folder}/none.db#payments", "no such file"),
        ("sqlite:///{folder}/bank.db#paymens", "the nearest is 'payments'"),
        ("nosuchdb://host/x#t", "driver nosuchdb is not installed"),
        ("sqlite:/#t", "no database in what was given"),
        ("postgresql://reader:hush-hush@127.0.0.1:9/bank?sslpassword=hush-too#t", r"reader:\*\*\*@127.0.0.1:9/bank#t"),
    ],
)
def test_errors_are_one_line_without_passwords(database: str, tmp_path: Path, source: str, words: str) -> None:
    with pytest.raises(DataError, match=words) as caught:
        read_transactions(source.format(folder=tmp_path), CARDS)
    assert "hush" not in str(caught.value) and "\n" not in str(caught.value)
    assert not (tmp_path / "none.db").exists()


def test_missing_columns_name_the_table(database: str) -> None:
    with sqlite3.connect(database.removeprefix("sqlite:///")) as connection:
        connection.execute("ALTER TABLE reversed RENAME COLUMN TX_AMOUNT TO TX_AMOUNTS")
    with pytest.raises(DataError, match=r"#reversed: column TX_AMOUNT is missing .*'TX_AMOUNTS'"):
        read_transactions(f"{database}#reversed", CARDS)


def test_names_hide_passwords() -> None:
    assert source_name("postgresql://me:secret@h/db#s.t") == "postgresql://me:***@h/db#s.t"


@pytest.fixture(scope="module")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A PostgreSQL server of this test's own."""
    pytest.importorskip("psycopg2")
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/pg_ctl"))
    if not found:
        pytest.skip("PostgreSQL is not installed")
    folder = tmp_path_factory.mktemp("postgres")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    # PostgreSQL refuses to run as root; Debian's package makes a user for it.
    as_user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] if os.geteuid() == 0 else []
    if as_user:
        shutil.chown(folder, "postgres")
        for above in [folder, *folder.parents][:-2]:
            above.chmod(above.stat().st_mode | 0o011)

    def run(*command: object) -> None:
        subprocess.run([*as_user, *map(str, command)], check=True, capture_output=True, timeout=60)

    tools, data = found[-1].parent, folder / "data"
    run(tools / "initdb", "-D", data, "-A", "trust", "-U", "desk")
    options = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1"
    run(tools / "pg_ctl", "-D", data, "-o", options, "-l", folder / "log", "-w", "start")
    try:
        yield f"postgresql://desk@127.0.0.1:{port}/postgres"
    finally:
        run(tools / "pg_ctl", "-D", data, "-m", "fast", "stop")


def test_postgresql(scorer: Scorer, postgres: str, payments: pd.DataFrame) -> None:
    engine = sql.create_engine(postgres)
    with engine.begin() as connection:
        connection.execute(sql.text("CREATE SCHEMA cards"))
        # Exact numbers and a time zone, as a bank keeps them; no primary key, so the order is that of all columns.
        connection.execute(
            sql.text(
                'CREATE TABLE cards.payments ("TRANSACTION_ID" bigint, "TX_DATETIME" timestamptz, "CUSTOMER_ID" int, '
                '"TERMINAL_ID" numeric(12), "TX_AMOUNT" numeric(12, 2), "TX_FRAUD" boolean)'
            )
        )
        shuffled = payments.sample(frac=1, random_state=3).assign(TX_FRAUD=lambda frame: frame["TX_FRAUD"] == 1)
        shuffled.to_sql("payments", connection, schema="cards", if_exists="append", index=False)
    engine.dispose()
    summary = scorer.score_file(f"{postgres}#cards.payments", f"{postgres}#cards.scores", reasons=1, chunk_rows=2_500)
    expected = scorer.score(payments, reasons=1)
    with engine.connect() as connection:
        found = pd.read_sql(sql.text("SELECT * FROM cards.scores ORDER BY transaction_id::bigint"), connection)
    engine.dispose()
    assert summary.rows == len(payments)
    known = {"reason_1": ""}
    pd.testing.assert_frame_equal(found.fillna(known), expected.fillna(known), check_dtype=False)
