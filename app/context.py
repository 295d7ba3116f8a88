"""What is known of the request at work, wherever code runs on its behalf: its id and who sent it.

Set once a request by the service, read by log lines, problem answers and the audit trail. Threads that the web
framework starts for a request inherit it; an event of the page takes it up in `app.access.user_of`.
"""

from contextvars import ContextVar

request_id: ContextVar[str] = ContextVar("request_id", default="")
"""Id of the request at work; empty outside requests."""

user_name: ContextVar[str] = ContextVar("user_name", default="")
"""Name of who sent it; empty until known."""

address: ContextVar[str] = ContextVar("address", default="")
"""Address that it came from; empty outside requests."""
