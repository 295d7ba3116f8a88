"""Requests made from the API's own OpenAPI document, fitting and unfitting: no 500, no answer it does not describe."""

import shutil
from pathlib import Path

import pytest
import schemathesis
from argon2 import PasswordHasher
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.strategies import one_of
from schemathesis import GenerationMode, checks

from app.api import create_app
from app.desk import Desk
from app.settings import Settings
from app.users import Users

EXAMPLES = 8


class Late:
    """An app that is made when the tests begin, after their cases were listed.

    It is begun and ended with every operation; the desk's own threads, which that would start, have nothing to do here.
    """

    app = None

    async def __call__(self, scope, receive, send):
        if scope["type"] == "lifespan":
            for step in ("startup", "shutdown"):
                await receive()
                await send({"type": f"lifespan.{step}.complete"})
            return
        await self.app(scope, receive, send)


# The document is the same for every desk; nothing of this one is opened.
document = schemathesis.openapi.from_dict(create_app(Settings(home=Path("nowhere")), page=False).openapi())
document.app = Late()
OPERATIONS = [found.ok() for found in document.get_all_operations()]
checks.load_all_checks()
# What fits the document may still be refused, with 422: no schema can say which payments exist. And ids
# in paths may look like another route, so that /api/documents/search takes DELETE too: other tests look at methods.
UNFIT = {"positive_data_acceptance", "allow_header_conformance", "unsupported_method"}
CHECKS = [checks.CHECKS.get_one(name) for name in checks.CHECKS.get_all_names() if name not in UNFIT]


@pytest.fixture(scope="module")
def served(built_home, tmp_path_factory):
    """The service over a copy of the built home, and a token for everything but training, which takes minutes."""
    home = tmp_path_factory.mktemp("schema") / "home"
    shutil.copytree(built_home, home)
    desk = Desk(Settings(home=home, ask_per_minute=0, score_per_minute=0, api_per_minute=0))
    desk.store.users = Users(desk.store.engine, PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
    desk.store.users.add("lea", "lead", "correct horse battery", "test")
    scopes = ["read", "ask", "decide", "score", "feedback", "documents", "promote", "audit"]
    token = desk.store.users.tokens.make("lea", scopes, 1, "test")
    desk.warm()
    document.app.app = create_app(desk.settings, desk, page=False)
    return {"Authorization": f"Bearer {token}"}


@pytest.mark.parametrize("operation", OPERATIONS, ids=[operation.label for operation in OPERATIONS])
def test_no_answer_is_a_surprise(operation, served):
    @settings(
        max_examples=EXAMPLES,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=one_of(*(operation.as_strategy(mode) for mode in GenerationMode)))
    def call(case):
        case.call_and_validate(headers=served, checks=CHECKS)

    call()
