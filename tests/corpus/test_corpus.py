"""The case notes agree with the default simulation and with each other; guides, policies and questions are sound."""

import json
import re
from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import combinations
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CORPUS = ROOT / "docs_corpus"
TYPOLOGIES = {
    "account_takeover",
    "mule_chain",
    "credential_testing",
    "merchant_collusion",
    "structuring",
    "social_engineering",
}
OUTCOMES = {"confirmed_fraud": "F", "legitimate": "L", "inconclusive": "N"}  # with the letter of their reason codes
PERIOD = (datetime(2026, 6, 1, tzinfo=UTC), datetime(2026, 8, 30, tzinfo=UTC))
HOUR = timedelta(hours=1)
TRANSACTION = re.compile(r"\bT\d{8}\b")
ACCOUNT = re.compile(r"\b[CM]\d{10}\b")
# T00058001 (1,260.00 EUR, 30 Jun 03:00)
STATED = re.compile(r"(T\d{8}) \(([\d,]+\.\d\d) EUR, (\d{1,2} (?:Jun|Jul|Aug)) (\d\d):00\)")
NOTE_KEYS = [
    "case_id",
    "title",
    "typology",
    "outcome",
    "opened",
    "closed",
    "analyst",
    "transactions",
    "accounts",
    "amount",
    "currency",
]
QUESTIONS = ROOT / "eval" / "questions" / "questions.jsonl"


def markdown_files():
    return sorted(CORPUS.rglob("*.md"))


@pytest.fixture(scope="session")
def questions():
    return [json.loads(line) for line in QUESTIONS.read_text(encoding="utf-8").splitlines()]


def test_there_are_enough_documents(case_notes, typologies, policies):
    assert len(case_notes) >= 70
    assert len(typologies) >= 13
    assert len(policies) >= 14


@pytest.mark.parametrize("path", [*markdown_files(), QUESTIONS], ids=lambda path: path.name)
def test_text_is_clean(path):
    raw = path.read_bytes()
    text = raw.decode("utf-8")
    assert b"\r" not in raw and b"\t" not in raw and not raw.startswith(b"\xef\xbb\xbf")
    assert text.endswith("\n") and not text.endswith("\n\n")
    assert not any(line.endswith(" ") for line in text.splitlines())


def test_case_notes_have_the_agreed_front_matter(case_notes):
    for note in case_notes:
        assert list(note.front) == NOTE_KEYS, note.document_id
        assert note.front["case_id"] == note.path.stem
        assert re.fullmatch(r"CN-2026-\d{4}", note.path.stem)
        assert note.front["outcome"] in OUTCOMES
        assert note.front["currency"] == "EUR"
        expected = {"none"} if note.front["outcome"] == "legitimate" else TYPOLOGIES
        assert note.front["typology"] in expected, note.document_id


def test_case_notes_cover_every_typology_and_outcome_early_and_late(case_notes):
    confirmed = Counter(note.front["typology"] for note in case_notes if note.front["outcome"] == "confirmed_fraud")
    assert set(confirmed) == TYPOLOGIES and min(confirmed.values()) >= 5
    outcomes = Counter(note.front["outcome"] for note in case_notes)
    assert outcomes["legitimate"] >= 20 and outcomes["inconclusive"] >= 6
    assert {note.time("closed").month for note in case_notes} == {6, 7, 8}


def test_case_notes_are_closed_after_opening_within_the_period(case_notes):
    for note in case_notes:
        assert PERIOD[0] <= note.time("opened") < note.time("closed") <= PERIOD[1], note.document_id


def test_listed_transactions_exist_and_precede_the_opening(case_notes, payments):
    for note in case_notes:
        rows = payments.loc[note.front["transactions"]]
        assert rows.index.is_unique and len(rows), note.document_id
        # The data know the hour only: by its end the payment has certainly been made.
        assert rows["time"].max() + HOUR <= note.time("opened"), note.document_id
        assert round(rows["amount"].sum(), 2) == note.front["amount"], note.document_id


def test_listed_accounts_are_parties_of_the_listed_transactions(case_notes, payments):
    for note in case_notes:
        rows = payments.loc[note.front["transactions"]]
        parties = set(rows["nameOrig"]) | set(rows["nameDest"])
        assert set(note.front["accounts"]) <= parties, note.document_id
        assert set(rows["nameOrig"]) <= set(note.front["accounts"]), note.document_id


def test_confirmed_notes_hold_fraud_and_legitimate_notes_none(case_notes, payments):
    for note in case_notes:
        fraud = payments.loc[note.front["transactions"], "isFraud"].sum()
        assert (fraud == 0) == (note.front["outcome"] == "legitimate"), note.document_id


def test_every_transaction_named_in_a_note_exists_and_was_made_before_it_was_closed(case_notes, payments):
    for note in case_notes:
        for transaction in set(TRANSACTION.findall(note.body)):
            assert transaction in payments.index, f"{note.document_id}: {transaction}"
            made = payments.at[transaction, "time"] + HOUR
            assert made <= note.time("closed"), f"{note.document_id}: {transaction} lies in the future"


def test_stated_amounts_and_hours_are_those_of_the_data(case_notes, payments):
    stated = 0
    for note in case_notes:
        for transaction, amount, day, hour in STATED.findall(note.body):
            row = payments.loc[transaction]
            when = datetime.strptime(f"{day} 2026 {hour} +0000", "%d %b %Y %H %z")
            assert float(amount.replace(",", "")) == row["amount"], f"{note.document_id}: {transaction}"
            assert when == row["time"], f"{note.document_id}: {transaction}"
            stated += 1
    assert stated >= 350


def test_every_note_states_at_least_one_of_its_transactions(case_notes):
    for note in case_notes:
        stated = {match[0] for match in STATED.findall(note.body)}
        assert stated & set(note.front["transactions"]), note.document_id


def test_accounts_named_in_a_note_exist(case_notes, known_accounts):
    for note in case_notes:
        assert set(ACCOUNT.findall(note.body)) <= known_accounts, note.document_id


def test_notes_refer_only_to_cases_closed_before_them(case_notes):
    by_id = {note.path.stem: note for note in case_notes}
    references = 0
    for note in case_notes:
        for other in set(re.findall(r"CN-2026-\d{4}", note.body)):
            assert by_id[other].time("closed") < note.time("closed"), f"{note.document_id} names {other}"
            references += 1
    assert references >= 15


def test_notes_give_a_reason_code_that_fits_their_outcome(case_notes, documents):
    table = documents["policies/disposition-codes"].body
    known = set(re.findall(r"\| ([FLN]\d\d) \|", table))
    for note in case_notes:
        codes = set(re.findall(r"\b[FLN]0\d\b", note.body))
        assert codes <= known, note.document_id
        assert any(code.startswith(OUTCOMES[note.front["outcome"]]) for code in codes), note.document_id


def test_nothing_is_said_that_a_fraud_team_would_not_write(documents):
    banned = re.compile(r"simulat|synthetic data|\bAI\b|chatbot|scenario|dataset|isFraud|\bpaysim\b", re.IGNORECASE)
    for document in documents.values():
        assert not banned.search(document.body), f"{document.document_id}: {banned.search(document.body)}"


def test_no_document_holds_what_has_to_be_masked(documents):
    patterns = {
        "card number": r"\b(?:\d[ -]?){13,19}\b",
        "IBAN": r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){3,}",
        "email address": r"\S+@\S+\.\w+",
        "telephone number": r"\+\d{2}[\d ]{7,}",
    }
    for document in documents.values():
        for what, pattern in patterns.items():
            assert not re.search(pattern, document.body), f"{document.document_id}: {what}"


def test_no_two_documents_share_their_wording(documents):
    def shingles(text):
        words = re.findall(r"[a-z']+", re.sub(r"T\d{8} \([^)]*\)", "", text.lower()))
        return {tuple(words[at : at + 8]) for at in range(len(words) - 7)}

    cut = {document_id: shingles(document.body) for document_id, document in documents.items()}
    for (first, ours), (second, theirs) in combinations(cut.items(), 2):
        assert len(ours & theirs) <= 8, f"{first} and {second}: {sorted(ours & theirs)[:3]}"


def test_policies_are_numbered_without_gaps_and_only_existing_ones_are_cited(policies, documents):
    numbers = [policy.front["policy"] for policy in policies]
    assert sorted(numbers) == [f"POL-{number:02d}" for number in range(1, len(policies) + 1)]
    for document in documents.values():
        assert set(re.findall(r"POL-\d\d", document.body)) <= set(numbers), document.document_id


def test_guides_cover_the_six_typologies_and_more(typologies):
    names = [guide.front["typology"] for guide in typologies]
    assert set(names) > TYPOLOGIES and len(set(names)) == len(names)


def test_guides_and_policies_are_published_before_the_first_case(typologies, policies, case_notes):
    first = min(note.time("opened") for note in case_notes)
    for document in [*typologies, *policies]:
        assert document.front["title"] and document.front["version"], document.document_id
        assert document.time("published") < first, document.document_id


def test_guides_are_neither_stubs_nor_books(typologies):
    for guide in typologies:
        assert 500 <= len(guide.body.split()) <= 1200, guide.document_id


def test_questions_are_many_and_of_every_kind(questions):
    kinds = Counter(question["kind"] for question in questions)
    assert set(kinds) == {"answerable", "unanswerable", "off_topic", "hostile"}
    assert len(questions) >= 120
    assert kinds["unanswerable"] >= 0.25 * len(questions)
    assert len({question["id"] for question in questions}) == len(questions)
    assert len({question["question"] for question in questions}) == len(questions)


def test_gold_quotes_stand_in_their_documents(questions, documents):
    for question in questions:
        assert bool(question["gold"]) or question["kind"] != "answerable", question["id"]
        for gold in question["gold"]:
            assert gold["quote"] in documents[gold["document_id"]].body, question["id"]


def test_questions_without_an_answer_have_no_gold(questions):
    for question in questions:
        assert bool(question["reference_answer"]) == bool(question["gold"]), question["id"]
        if question["kind"] in {"unanswerable", "off_topic"}:
            assert question["gold"] == [], question["id"]


def test_time_bound_questions_quote_only_what_was_closed_by_then(questions, documents):
    bound = [question for question in questions if "as_of" in question]
    assert len(bound) >= 5
    for question in bound:
        as_of = datetime.fromisoformat(question["as_of"])
        for gold in question["gold"]:
            document = documents[gold["document_id"]]
            key = "closed" if "closed" in document.front else "published"
            assert document.time(key) < as_of, question["id"]
