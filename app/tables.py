"""The tables of the desk's database. Times are seconds since 1970-01-01 UTC, the same in SQLite and PostgreSQL."""

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

metadata = MetaData()

alerts = Table(
    "alerts",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("transaction_id", String(200), nullable=False, unique=True),
    Column("event_time", BigInteger, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("payer", String(200), nullable=False, index=True),
    Column("payee", String(200), nullable=False, index=True),
    Column("amount", Float, nullable=False),
    Column("currency", String(3), nullable=False),
    Column("probability", Float, nullable=False),
    Column("threshold", Float, nullable=False),
    Column("expected_loss", Float, nullable=False),
    Column("model_version", String(50), nullable=False),
    Column("state", String(30), nullable=False),
    Column("headline", Text, nullable=False),
    # The decision record, written once: the payment, features and contributions behind the score.
    Column("record", JSON, nullable=False),
    Column("precedents", JSON(none_as_null=True)),
    # The typology that fits best and the guide's passage, written once, together with the precedents.
    Column("likely", JSON(none_as_null=True)),
    # Null until they were looked up; empty where no typology was found.
    Column("typology", String(50)),
    # Who works on it; nobody where null.
    Column("owner", String(100)),
    Column("claimed_at", BigInteger),
    # The queue's order within a state, and over all states.
    Index("alerts_state_loss", "state", "expected_loss"),
    Index("alerts_loss", "expected_loss"),
    # All that filters and figures look at, so that they never read the records; and what waits for its precedents.
    Index(
        "alerts_queue",
        "state",
        "expected_loss",
        "probability",
        "amount",
        "created_at",
        "owner",
        "typology",
        "payer",
        "payee",
        "transaction_id",
    ),
    Index("alerts_typology", "typology", "expected_loss"),
)

dispositions = Table(
    "dispositions",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("alert_id", ForeignKey("alerts.id"), nullable=False, index=True),
    Column("decision", String(30), nullable=False),
    Column("reason_code", String(50), nullable=False),
    Column("note", Text, nullable=False),
    Column("analyst", String(100), nullable=False),
    Column("decided_at", BigInteger, nullable=False),
    Column("previous_state", String(30), nullable=False),
    Column("undone_at", BigInteger),
    Column("undone_by", String(100)),
)

# Every change to a decision record, each sealed by a hash over the one before it.
ledger = Table(
    "ledger",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("transaction_id", String(200), nullable=False, index=True),
    Column("kind", String(30), nullable=False),
    # Canonical JSON, the very text that was hashed.
    Column("body", Text, nullable=False),
    Column("previous", String(64), nullable=False, unique=True),
    Column("hash", String(64), nullable=False),
)

# One row: where the ledger ends. Locked by whoever appends.
ledger_head = Table(
    "ledger_head",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("entries", Integer, nullable=False),
    Column("hash", String(64), nullable=False),
)

# Notes of closed cases to be written, indexed or taken back: the work survives a restart because it stands here.
case_notes = Table(
    "case_notes",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("disposition_id", ForeignKey("dispositions.id"), nullable=False, unique=True),
    Column("alert_id", ForeignKey("alerts.id"), nullable=False, index=True),
    Column("case_id", String(30), unique=True),
    Column("state", String(20), nullable=False, index=True),
    Column("attempts", Integer, nullable=False),
    Column("problem", Text, nullable=False),
    Column("changed_at", BigInteger, nullable=False),
)

# Narratives that an analyst has signed; a later one replaces an earlier one on the page, both stay.
narratives = Table(
    "narratives",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("alert_id", ForeignKey("alerts.id"), nullable=False, index=True),
    Column("text", Text, nullable=False),
    Column("signed_by", String(100), nullable=False),
    Column("signed_at", BigInteger, nullable=False),
)

saved_views = Table(
    "saved_views",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("owner", String(100), nullable=False),
    Column("name", String(60), nullable=False),
    Column("wanted", JSON, nullable=False),
    UniqueConstraint("owner", "name"),
)

conversations = Table(
    "conversations",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("analyst", String(100), nullable=False, index=True),
    Column("title", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
)

messages = Table(
    "messages",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("conversation_id", ForeignKey("conversations.id"), nullable=False, index=True),
    Column("role", String(20), nullable=False),
    Column("content", Text, nullable=False),
    Column("payload", JSON, nullable=False),
    Column("created_at", BigInteger, nullable=False),
)

feedback = Table(
    "feedback",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("message_id", ForeignKey("messages.id"), index=True),
    Column("question", Text, nullable=False),
    Column("answer", Text, nullable=False),
    Column("helpful", Boolean, nullable=False),
    Column("correction", Text, nullable=False),
    Column("analyst", String(100), nullable=False),
    Column("created_at", BigInteger, nullable=False),
)

# Payments that came in through the API to stay, so that they are history to the next ones.
transactions = Table(
    "transactions",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("transaction_id", String(200), nullable=False, unique=True),
    Column("event_time", BigInteger, nullable=False),
    Column("columns", JSON, nullable=False),
)

audit = Table(
    "audit",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("at", BigInteger, nullable=False, index=True),
    Column("who", String(100), nullable=False),
    Column("action", String(50), nullable=False),
    Column("subject", String(200), nullable=False),
    Column("detail", JSON, nullable=False),
)

# Measurements that ran on a schedule, or by `frauddesk schedule --once`.
scheduled_runs = Table(
    "scheduled_runs",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("kind", String(30), nullable=False, index=True),
    Column("state", String(30), nullable=False),
    Column("pid", Integer, nullable=False),
    Column("started_at", BigInteger, nullable=False),
    Column("ended_at", BigInteger),
    Column("detail", Text, nullable=False),
    Column("run_id", String(64)),
)


users = Table(
    "users",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", String(100), nullable=False),
    # The name in lower case: two users never differ by case alone.
    Column("key", String(100), nullable=False, unique=True),
    Column("role", String(20), nullable=False),
    Column("password_hash", String(300), nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("disabled_at", BigInteger),
)

# Of sessions and tokens only the SHA-256 is kept: who reads the database cannot sign in with what it holds.
sessions = Table(
    "sessions",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("user_id", ForeignKey("users.id"), nullable=False, index=True),
    Column("hash", String(64), nullable=False, unique=True),
    Column("address", String(100), nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("seen_at", BigInteger, nullable=False),
)

tokens = Table(
    "tokens",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("user_id", ForeignKey("users.id"), nullable=False, index=True),
    Column("hash", String(64), nullable=False, unique=True),
    Column("scopes", JSON, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Column("used_at", BigInteger),
    Column("revoked_at", BigInteger),
)

# Files to score and models to train, which go on after a restart. `created_at` is in nanoseconds: it is the order.
jobs = Table(
    "jobs",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("kind", String(20), nullable=False),
    Column("state", String(20), nullable=False, index=True),
    Column("owner", String(100), nullable=False, index=True),
    Column("title", String(200), nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("started_at", BigInteger),
    Column("ended_at", BigInteger),
    Column("stage", String(100), nullable=False),
    Column("done", BigInteger, nullable=False),
    Column("total", BigInteger),
    Column("cancelling", Boolean, nullable=False),
    Column("options", JSON, nullable=False),
    Column("result", JSON, nullable=False),
    Column("error", Text, nullable=False),
)

# Every score that the service gave, for audits and for drift; written behind the answer.
predictions = Table(
    "predictions",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("at", BigInteger, nullable=False, index=True),
    Column("transaction_id", String(200), nullable=False, index=True),
    Column("probability", Float, nullable=False),
    Column("threshold", Float, nullable=False),
    Column("model_version", String(50), nullable=False),
    Column("who", String(100), nullable=False),
    Column("request_id", String(64), nullable=False),
)

# Documents that were uploaded at the desk; only these can be removed there.
uploaded_documents = Table(
    "uploaded_documents",
    metadata,
    Column("document_id", String(200), primary_key=True),
    Column("collection", String(50), nullable=False),
    Column("file", String(200), nullable=False),
    Column("analyst", String(100), nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("bytes", BigInteger, nullable=False),
)
