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
    # The queue's order within a state, and over all states.
    Index("alerts_state_loss", "state", "expected_loss"),
    Index("alerts_loss", "expected_loss"),
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
