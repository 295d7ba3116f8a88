"""The API's document as one page, drawn from the OpenAPI description without scripts or anything from outside."""

import json
from html import escape
from typing import Any

_STYLE = """
:root { color-scheme: light dark; --ink:#16202b; --soft:#56636f; --line:#dde3e9; --paper:#fff; --back:#f4f6f8;
  --accent:#1d5fa8; }
@media (prefers-color-scheme: dark) { :root { --ink:#e7edf3; --soft:#9fadbb; --line:#2b3845; --paper:#151d26;
  --back:#0e141b; --accent:#7cb8f5; } }
* { box-sizing:border-box; }
body { margin:0; background:var(--back); color:var(--ink); font:15px/1.55 system-ui,sans-serif; }
main { max-width:920px; margin:0 auto; padding:32px 24px 80px; }
h1 { font-size:26px; margin:0 0 4px; } h2 { font-size:17px; margin:36px 0 12px; text-transform:capitalize; }
p { margin:6px 0; } .soft { color:var(--soft); } a { color:var(--accent); }
details { background:var(--paper); border:1px solid var(--line); border-radius:8px; margin:8px 0; }
summary { display:flex; gap:12px; align-items:baseline; padding:10px 14px; cursor:pointer; }
details > div { padding:2px 16px 14px; border-top:1px solid var(--line); }
.verb { font:600 12px ui-monospace,monospace; min-width:58px; color:var(--accent); }
code, pre { font:13px/1.5 ui-monospace,monospace; } pre { background:var(--back); border:1px solid var(--line);
  border-radius:6px; padding:10px 12px; overflow:auto; }
table { border-collapse:collapse; width:100%; margin:6px 0 10px; } th { text-align:left; font-weight:600; }
td, th { padding:5px 10px 5px 0; border-bottom:1px solid var(--line); vertical-align:top; }
h3 { font-size:14px; margin:14px 0 4px; }
"""


def docs_page(openapi: dict[str, Any]) -> str:
    """The page for an OpenAPI document."""
    groups: dict[str, list[str]] = {}
    for path, operations in openapi.get("paths", {}).items():
        for verb, operation in operations.items():
            tag = (operation.get("tags") or ["other"])[0]
            groups.setdefault(tag, []).append(_operation(verb, path, operation, openapi))
    info = openapi["info"]
    about = "".join(f"<p>{_code(part)}</p>" for part in info.get("description", "").split("\n\n"))
    listed = "".join(f"<h2>{escape(tag)}</h2>{''.join(items)}" for tag, items in groups.items())
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" '
        f'content="width=device-width, initial-scale=1"><title>{escape(info["title"])}: API</title>'
        f"<style>{_STYLE}</style></head><body><main><h1>{escape(info['title'])}: API</h1>"
        f'<p class="soft">Version {escape(info["version"])} · <a href="/openapi.json">openapi.json</a> · '
        f'<a href="/">Back to the desk</a></p>{about}{listed}</main></body></html>'
    )


def _operation(verb: str, path: str, operation: dict[str, Any], openapi: dict[str, Any]) -> str:
    parts = [f"<p>{escape(operation['description'])}</p>"] if operation.get("description") else []
    parameters = operation.get("parameters", [])
    if parameters:
        rows = "".join(_parameter(parameter) for parameter in parameters)
        parts.append(f"<h3>Parameters</h3><table><tr><th>name</th><th>type</th><th>meaning</th></tr>{rows}</table>")
    body = operation.get("requestBody", {}).get("content", {})
    for media, content in body.items():
        parts.append(f"<h3>Body <span class='soft'>{escape(media)}</span></h3>{_content(content, openapi)}")
    parts.append("<h3>Answers</h3><table>")
    for status, response in operation.get("responses", {}).items():
        parts.append(
            f"<tr><td><code>{escape(status)}</code></td><td>{_code(response.get('description', ''))}</td></tr>"
        )
    parts.append("</table>")
    for media, content in operation.get("responses", {}).get("200", {}).get("content", {}).items():
        if "example" in content or "$ref" in content.get("schema", {}):
            parts.append(f"<h3>Answer 200 <span class='soft'>{escape(media)}</span></h3>{_content(content, openapi)}")
    return (
        f"<details><summary><span class='verb'>{escape(verb.upper())}</span><code>{escape(path)}</code>"
        "<span "
        f"class='soft'>{escape(operation.get('summary', ''))}</span></summary><div>{''.join(parts)}</div></details>"
    )


def _parameter(parameter: dict[str, Any]) -> str:
    schema = parameter.get("schema", {})
    default = f" Default {schema['default']!s}." if schema.get("default") not in (None, "") else ""
    meaning = escape(parameter.get("description", "") + default)
    return f"<tr><td><code>{escape(parameter['name'])}</code></td><td>{_type(schema)}</td><td>{meaning}</td></tr>"


def _content(content: dict[str, Any], openapi: dict[str, Any]) -> str:
    schema = _resolved(content.get("schema", {}), openapi)
    example = content.get("example", next(iter(schema.get("examples", [])), None))
    shown = "" if example is None else f"<pre>{escape(json.dumps(example, indent=2, ensure_ascii=False))}</pre>"
    properties = schema.get("properties", {})
    rows = "".join(
        f"<tr><td><code>{escape(name)}</code></td><td>{_type(_resolved(value, openapi))}</td>"
        f"<td>{escape(value.get('description', ''))}</td></tr>"
        for name, value in properties.items()
    )
    return (f"<table>{rows}</table>" if rows else "") + shown


def _resolved(schema: dict[str, Any], openapi: dict[str, Any]) -> dict[str, Any]:
    name = schema.get("$ref", "").rpartition("/")[2]
    return openapi["components"]["schemas"].get(name, schema) if name else schema


def _type(schema: dict[str, Any]) -> str:
    if "enum" in schema:
        return escape(" | ".join(str(value) for value in schema["enum"]))
    if "anyOf" in schema:
        return " | ".join(_type(part) for part in schema["anyOf"])
    if schema.get("type") == "array":
        return f"list of {_type(schema.get('items', {})) or 'objects'}"
    return escape(str(schema.get("type") or schema.get("title") or schema.get("$ref", "").rpartition("/")[2]))


def _code(text: str) -> str:
    pieces = escape(text).split("`")
    return "".join(f"<code>{piece}</code>" if place % 2 else piece for place, piece in enumerate(pieces))
