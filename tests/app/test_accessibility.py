"""Every page, light and dark, under axe-core (carried by a package, nothing fetched): no serious violation."""

from importlib.util import find_spec
from pathlib import Path

import pytest

pytestmark = pytest.mark.browser

PATIENCE_MS = 60_000
AXE = Path(find_spec("axe_playwright_python").origin).with_name("axe.min.js").read_text(encoding="utf-8")
RULES = {
    "runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"],
    "resultTypes": ["violations"],
}
# What each tab shows once it is of use.
TABS = {
    "Queue": "#queue-case [data-alert]",
    "Ask": "#ask-question textarea",
    "Score": "#score-form form",
    "Documents": "#documents-status .fd-figures",
    "Models": "#models-list table",
    "Quality": "#quality-list section, #quality-list .fd-empty",
    "Audit": "#audit-list tbody tr",
}


def violations(page):
    page.evaluate(f"if (!window.axe) {{ {AXE} }}")
    found = page.evaluate("rules => axe.run(document, rules)", RULES)["violations"]
    return [
        f"{item['id']} ({item['impact']}): {node['html'][:160]} {node['failureSummary'].splitlines()[-1].strip()}"
        for item in found
        if item["impact"] in ("serious", "critical")
        for node in item["nodes"]
    ]


@pytest.fixture(scope="module", params=["light", "dark"])
def page(request, browser, guarded):
    context = browser.new_context(viewport={"width": 1280, "height": 900}, color_scheme=request.param)
    opened = context.new_page()
    opened.set_default_timeout(PATIENCE_MS)
    opened.goto(guarded.address)
    assert violations(opened) == []
    opened.fill("#name", "lea")
    opened.fill("#password", "wrong password")
    opened.get_by_role("button", name="Sign in").click()
    assert violations(opened) == []
    opened.fill("#password", "correct horse battery")
    opened.get_by_role("button", name="Sign in").click()
    opened.wait_for_selector("#fd-header .fd-who")
    opened.wait_for_selector(TABS["Queue"])
    assert opened.evaluate("document.body.classList.contains('dark')") == (request.param == "dark")
    yield opened
    context.close()


@pytest.mark.parametrize("tab", TABS)
def test_a_page_has_no_serious_violation(page, tab):
    page.get_by_role("tab", name=tab, exact=True).click()
    page.wait_for_selector(TABS[tab])
    page.wait_for_timeout(1_000)  # until nothing moves: a colour on its way is no colour of the page
    assert violations(page) == []


def test_an_answer_and_its_evidence_have_none(page):
    page.get_by_role("tab", name="Ask", exact=True).click()
    page.locator("#ask-question textarea").fill("How long may a payment be held?")
    page.keyboard.press("Enter")
    page.wait_for_selector("#ask-talk .fd-status")
    page.wait_for_selector("#ask-evidence mark")
    assert violations(page) == []


def test_the_document_of_the_api_has_none(page, guarded):
    page.goto(f"{guarded.address}/docs")
    assert violations(page) == []
