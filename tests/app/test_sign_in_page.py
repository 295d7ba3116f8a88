"""Signing in and out in Chromium, what each role sees, and that events of the page know who sent them."""

import re

import pytest

pytestmark = pytest.mark.browser

PATIENCE_MS = 60_000
PASSWORD = "correct horse battery"


@pytest.fixture
def page(browser, guarded):
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    opened = context.new_page()
    opened.set_default_timeout(PATIENCE_MS)
    yield opened
    context.close()


def sign_in(page, guarded, name):
    page.goto(guarded.address)
    page.fill("#name", name)
    page.fill("#password", PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_selector("#fd-header .fd-who")


def tabs(page):
    return page.get_by_role("tab").all_inner_texts()


def test_a_lead_signs_in_reads_the_trail_and_signs_out(page, guarded):
    page.goto(f"{guarded.address}/?from=mail")
    page.fill("#name", "lea")
    page.fill("#password", "wrong password")
    page.keyboard.press("Enter")
    assert "do not go together" in page.get_by_role("alert").inner_text()
    page.fill("#password", PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_selector("#fd-header .fd-who")
    assert page.url.endswith("/?from=mail")
    assert "lea" in page.locator(".fd-who").inner_text() and "lead" in page.locator(".fd-who").inner_text()
    page.get_by_role("tab", name="Audit", exact=True).click()
    page.wait_for_selector("#audit-list tbody tr")
    page.locator("#audit-filter select").select_option("sign_in")
    page.wait_for_function("[...document.querySelectorAll('#audit-list tbody td:nth-child(3)')].every("
                           "cell => cell.innerText === 'Sign in')")  # fmt: skip
    assert "lea" in page.locator("#audit-list").inner_text()
    page.evaluate("localStorage.setItem('frauddesk.decision.7', '{}'); localStorage.setItem('frauddesk.theme', 'dark')")
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_selector("#password")
    assert page.evaluate("Object.keys(localStorage)") == ["frauddesk.theme"]
    page.go_back()
    page.wait_for_selector("#password")


@pytest.mark.parametrize(
    ("name", "there", "absent"),
    [("ann", {"Queue", "Ask", "Score"}, {"Audit"}), ("aud", {"Queue", "Ask", "Audit"}, {"Score"})],
)
def test_a_role_sees_the_tabs_it_is_for(page, guarded, name, there, absent):
    sign_in(page, guarded, name)
    page.wait_for_selector("#queue-list tr[data-id]")
    shown = {text.strip() for text in tabs(page)}
    assert there <= shown and not absent & shown


def test_a_session_ended_elsewhere_leads_back_to_the_sign_in(page, guarded):
    sign_in(page, guarded, "ann")
    page.wait_for_selector("#queue-list tr[data-id]")
    guarded.users.set_password("ann", PASSWORD, "test")
    page.wait_for_timeout(2_100)  # what the desk remembers of a session
    page.get_by_role("tab", name="Models", exact=True).click()
    page.wait_for_url(re.compile("/sign-in"))


def test_what_the_page_reads_is_recorded_under_the_users_name(page, guarded):
    sign_in(page, guarded, "ann")
    page.wait_for_selector("#queue-case [data-alert]")
    newest = guarded.trail.entries().items[0]
    assert (newest.who, newest.action) == ("ann", "read") and newest.detail["request"]
