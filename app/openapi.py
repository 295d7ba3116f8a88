"""The API's own document: what FastAPI draws from the routes, with problems as what they are sent as."""

from typing import Any

from fastapi import FastAPI

from app.errors import PROBLEM_TYPE

_JSON = "application/json"


def install(app: FastAPI) -> None:
    """Lets the app describe its problems as `application/problem+json`, as it answers them."""
    drawn = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = drawn()
            for path in document["paths"].values():
                for route in path.values():
                    for status, answer in route.get("responses", {}).items():
                        _as_problem(status, answer)
            app.openapi_schema = document
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def _as_problem(status: str, answer: dict[str, Any]) -> None:
    content = answer.get("content", {})
    schema = content.get(_JSON, {}).get("schema", {})
    if status >= "400" and str(schema.get("$ref", "")).endswith("/ProblemBody"):
        content[PROBLEM_TYPE] = content.pop(_JSON)
