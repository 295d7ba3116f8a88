"""The API's own document: every operation has an example of its answer, and every example is of its schema."""

import json

import pytest
from jsonschema import Draft202012Validator

from app.api import create_app
from app.settings import Settings

BINARY = {"application/pdf", "application/vnd.apache.parquet"}


@pytest.fixture(scope="module")
def document(tmp_path_factory):
    return create_app(Settings(home=tmp_path_factory.mktemp("home")), page=False).openapi()


def operations(document):
    return [
        (f"{method.upper()} {path}", operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]


def examples_of(document, described):
    """Examples beside a schema, or in it."""
    schema = described.get("schema", {})
    if "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]]
    return ([described["example"]] if "example" in described else []) + list(schema.get("examples", []))


def test_every_answer_and_every_body_has_an_example_that_fits(document):
    checked = 0
    for name, operation in operations(document):
        body = operation.get("requestBody", {}).get("content", {})
        answers = [answer.get("content", {}) for status, answer in operation["responses"].items() if status < "300"]
        for content in (body, *answers):
            for media, described in content.items():
                if media in BINARY or media == "multipart/form-data":
                    continue
                examples = examples_of(document, described)
                assert examples, f"{name} {media} has no example"
                schema = described.get("schema", {})
                validator = Draft202012Validator({**schema, "components": document["components"]})
                for example in examples:
                    problems = [error.message for error in validator.iter_errors(example)]
                    assert not problems, f"{name} {media}: {problems[:3]}"
                    checked += 1
    assert checked > 45


def test_every_parameter_says_what_it_is(document):
    silent = [
        f"{name} {parameter['name']}"
        for name, operation in operations(document)
        for parameter in operation.get("parameters", ())
        if not parameter.get("description")
    ]
    assert silent == []


def test_every_operation_has_a_summary_and_an_error(document):
    for name, operation in operations(document):
        assert operation.get("summary"), name
        if name.split()[1].startswith("/api/"):
            assert any(status >= "400" for status in operation["responses"]), name


def test_no_example_names_a_place_of_a_machine(document):
    text = json.dumps(document)
    assert "/home/" not in text and "/tmp/" not in text and "/root/" not in text
