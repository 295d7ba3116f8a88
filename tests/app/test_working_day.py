"""A whole working day in Chromium: an engineer trains, a lead works the queue, asks, scores, promotes, rolls back."""

import json
import time
import urllib.request

import pytest

pytestmark = pytest.mark.browser

PATIENCE_MS = 40_000
TRAINING_MS = 400_000
PASSWORD = "correct horse battery"


@pytest.fixture
def page(browser, guarded):
    context = browser.new_context(viewport={"width": 1440, "height": 900}, accept_downloads=True)
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


def sign_out(page):
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_selector("#password")


def tab(page, name):
    page.get_by_role("tab", name=name, exact=True).click()


def score(guarded, payment):
    """Scores and records a payment through the API, as the payment system does."""
    token = guarded.users.tokens.make("ann", ["score"], 1, "test")
    asked = urllib.request.Request(
        f"{guarded.address}/api/score?record=true",
        json.dumps(payment).encode(),
        {"Content-Type": "application/json", "Authorization": f"Bearer {token}"},
    )
    with urllib.request.urlopen(asked, timeout=60) as answer:
        return json.load(answer)


def test_a_whole_working_day(page, guarded, tmp_path):
    import pandas as pd

    # The engineer trains a candidate; the lead will decide on it.
    sign_in(page, guarded, "eng")
    tab(page, "Models")
    page.fill("#model-train-reason", "the day's training")
    page.get_by_role("button", name="Train a candidate").click()
    page.wait_for_selector("#models-training [role=status]")
    page.wait_for_selector("#models-list >> text=2", timeout=TRAINING_MS)
    page.wait_for_selector("#models-training >> text=Version 2 was trained", timeout=TRAINING_MS)
    assert page.get_by_role("button", name="Promote version 2").count() == 1
    sign_out(page)

    # Queue: claim, reasons, question, citation.
    sign_in(page, guarded, "lea")
    row = page.locator("#queue-list tr[data-id]").first
    row.wait_for()
    number = row.get_attribute("data-id")
    row.click()
    page.wait_for_selector(f"#queue-case [data-alert='{number}']")
    page.wait_for_function("!document.querySelector('#queue-decision').inert")
    page.locator("#queue-case [data-do=claim]").click()
    page.wait_for_selector("#queue-case [data-do=release]")
    assert page.locator("#queue-case .fd-reasons li").count() >= 3
    tab(page, "Ask")
    page.locator("#ask-question textarea").fill("What does the policy say about holding a payment over 10,000?")
    page.locator("#ask-send").click()
    page.wait_for_selector("#ask-talk .fd-status")
    page.locator("#ask-talk .fd-cite").first.click()
    page.wait_for_selector("#ask-evidence mark")
    # On the page a line of a paragraph ends where there is room.
    cited = " ".join(page.locator("#ask-evidence mark").first.text_content().split())
    texts = [" ".join(guarded.desk.index.document_text(name).split()) for name in guarded.desk.index.document_ids()]
    assert len(cited) > 20 and sum(cited in text for text in texts) == 1, cited

    # Decide; the case note is found by search.
    tab(page, "Queue")
    page.wait_for_selector(f"#queue-case [data-alert='{number}']")
    page.locator("#queue-decision label", has_text="Fraud").first.click()
    page.locator("#queue-decision label", has_text="F02").click()
    page.locator("#queue-decision [name=note]").fill("The marble otter was paid for twice")
    page.locator("#queue-decision [type=submit]").click()
    page.wait_for_selector("#queue-decision .fd-made")
    tab(page, "Documents")
    query = page.locator("#documents-query textarea, #documents-query input").first
    for _ in range(30):
        query.fill("marble otter paid twice")
        page.keyboard.press("Enter")
        page.wait_for_selector("#documents-found li")
        if "marble otter" in page.locator("#documents-found").inner_text():
            break
        page.wait_for_timeout(1_000)
    assert "marble otter" in page.locator("#documents-found").inner_text()

    # The next alert like it has the case among its precedents.
    alert = guarded.desk.store.alert(int(number))
    assert alert.dispositions[-1].analyst == "lea"
    like = {}
    for later in range(1, 40):
        payment = {
            **alert.transaction,
            "step": int(alert.transaction["step"]) + later,
            "transaction_id": f"DAY-{later}",
        }
        like = score(guarded, payment)
        if like["alert"]:
            break
    assert like["alert"], like
    tab(page, "Queue")
    page.locator("#queue-filter [name=search]").fill(like["transaction_id"])
    page.wait_for_function("document.querySelectorAll('#queue-list tr[data-id]').length === 1")
    page.locator("#queue-list tr[data-id]").first.click()
    page.wait_for_selector("#queue-case .fd-precedents >> text=same account")

    # A file.
    table = pd.read_parquet(guarded.desk.settings.transactions_path).tail(150)
    table.to_csv(tmp_path / "evening.csv", index=False)
    tab(page, "Score")
    tab(page, "A file")
    page.locator("#score-upload input[type=file]").set_input_files(tmp_path / "evening.csv")
    page.wait_for_selector("text=150 payments in evening.csv")
    page.locator("#score-run").click()
    page.wait_for_selector("#score-table .fd-result")
    with page.expect_download() as coming:
        page.locator(".fd-download").click()
    assert len(pd.read_csv(coming.value.path())) == 150

    # Promote, with what stands against it overruled in writing, and back.
    tab(page, "Models")
    page.fill("#model-reason", "more recent payments")
    if page.locator("#model-despite").count():
        page.fill("#model-despite", "a trial on a test desk")
    page.get_by_role("button", name="Promote version 2").click()
    page.wait_for_selector("#models-list tr:has-text('Champion') th:text-is('2')")
    assert guarded.desk.model_version == "2"
    page.fill("#model-back-reason", "the trial is over")
    page.get_by_role("button", name="Roll back").click()
    page.wait_for_selector("#models-list tr:has-text('Champion') th:text-is('1')")
    assert guarded.desk.model_version == "1"
    assert [(entry.by, entry.version) for entry in guarded.desk.registry.history()[-2:]] == [("lea", "2"), ("lea", "1")]
    sign_out(page)
    page.goto(guarded.address)
    page.wait_for_selector("#password")


def test_a_late_picture_of_an_alert_does_not_cover_a_newer_one(page, guarded, monkeypatch):
    sign_in(page, guarded, "ann")
    page.wait_for_selector("#queue-case [data-do=claim]")
    read, late = guarded.desk.cases.read, [True]

    def slow(*given):
        case = read(*given)
        if late and late.pop():
            time.sleep(3)
        return case

    monkeypatch.setattr(guarded.desk.cases, "read", slow)
    shown = page.locator("#queue-case [data-alert]").first.get_attribute("data-alert")
    page.locator(f"#queue-list tr[data-id='{shown}']").click()
    page.wait_for_timeout(500)
    assert not late, "the alert was asked for again"
    page.locator("#queue-case [data-do=claim]").click()
    page.wait_for_selector("#queue-case [data-do=release]")
    page.wait_for_timeout(4_000)
    assert page.locator("#queue-case [data-do=release]").count() == 1
    page.locator("#queue-case [data-do=release]").click()
    page.wait_for_selector("#queue-case [data-do=claim]")
