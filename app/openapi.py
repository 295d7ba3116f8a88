"""The API's own document: what FastAPI draws from the routes, with problems as what they are sent as, and examples.

`api_examples.json` holds an answer of each operation, by method and path; by media type where it has several.
"""

import json
from pathlib import Path
from typing import Any

from fastapi import FastAPI

from app.errors import PROBLEM_TYPE

_JSON = "application/json"
_EXAMPLES = Path(__file__).with_name("api_examples.json")


def install(app: FastAPI) -> None:
    """Lets the app describe its problems as `application/problem+json`, as it answers them."""
    drawn = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = drawn()
            examples = json.loads(_EXAMPLES.read_text(encoding="utf-8"))
            for path, routes in document["paths"].items():
                for method, route in routes.items():
                    example = examples.get(f"{method.upper()} {path}")
                    for status, answer in route.get("responses", {}).items():
                        _as_problem(status, answer)
                        if status < "300":
                            _with_example(answer, example)
            app.openapi_schema = document
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def _with_example(answer: dict[str, Any], example: Any) -> None:
    content = answer.get("content", {})
    by_media = isinstance(example, dict) and any("/" in key for key in example)
    for media, described in content.items():
        if by_media and media in example:
            described["example"] = example[media]
        elif example is not None and not by_media and media == _JSON:
            described["example"] = example


def _as_problem(status: str, answer: dict[str, Any]) -> None:
    content = answer.get("content", {})
    schema = content.get(_JSON, {}).get("schema", {})
    if status >= "400" and str(schema.get("$ref", "")).endswith("/ProblemBody"):
        content[PROBLEM_TYPE] = content.pop(_JSON)
