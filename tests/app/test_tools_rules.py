"""Which tools a question starts: by its own words only."""

import pytest

from app.tools import Context, ToolCall, plan
from app.tools.rules import MOST_CALLS
from app.tools.scope import scope_of

T, C, M = "T00012345", "C1305486145", "M979787155"
RUN, OTHER = "61a7e0d80f9247f1bf4a4aaacc2586d0", "30d7aca927de4ca8816f348c098a4db6"
BESIDE = Context(T)


class Known:
    """One payment and two accounts."""

    def payment(self, word):
        return word in (T, "5512")

    def account(self, word):
        return word in (C, M, "77")


def chosen(question, context=None):
    return [(call.tool, dict(call.arguments)) for call in plan(question, Known(), context)]


@pytest.mark.parametrize(
    ("question", "context", "calls"),
    [
        (f"why was {T} flagged?", None, [("payment_score", {"transaction_id": T})]),
        (f"Why was {T.lower()} flagged?", None, [("payment_score", {"transaction_id": T})]),
        ("what is the score of payment 5512", None, [("payment_score", {"transaction_id": "5512"})]),
        (f"Tell me about {T}", None, [("payment_score", {"transaction_id": T})]),
        ("Why was T99999999 flagged?", None, [("payment_score", {"transaction_id": "T99999999"})]),
        ("Why was this flagged?", BESIDE, [("payment_score", {"transaction_id": T})]),
        ("why is the score so high?", BESIDE, [("payment_score", {"transaction_id": T})]),
        ("Why was this flagged?", None, []),
        (
            "have we seen this payee before?",
            BESIDE,
            [("account_history", {"account": "", "role": "payee", "transaction_id": T})],
        ),
        (
            "How often did this customer pay before?",
            BESIDE,
            [("account_history", {"account": "", "role": "payer", "transaction_id": T})],
        ),
        ("have we seen this payee before?", None, []),
        (
            f"Has the beneficiary of {T} been paid before?",
            None,
            [("account_history", {"account": "", "role": "payee", "transaction_id": T})],
        ),
        (f"Have we seen {C} before?", None, [("account_history", {"account": C, "role": ""})]),
        (f"Have we seen payee {M} before?", BESIDE, [("account_history", {"account": M, "role": "payee"})]),
        ("history of customer 77", None, [("account_history", {"account": "77", "role": "payer"})]),
        ("cases like this one, and how they ended?", BESIDE, [("similar_cases", {"transaction_id": T})]),
        (f"similar cases to {T}?", None, [("similar_cases", {"transaction_id": T})]),
        ("any precedents?", BESIDE, [("similar_cases", {"transaction_id": T})]),
        (
            "why did precision change between v2 and v3?",
            None,
            [("compare_models", {"first": "2", "second": "3", "metric": "precision_at_budget"})],
        ),
        (
            "How does recall differ between version 2 and version 4?",
            BESIDE,
            [("compare_models", {"first": "2", "second": "4", "metric": "recall_at_budget"})],
        ),
        (
            "compare the champion with the challenger",
            None,
            [("compare_models", {"first": "champion", "second": "candidate", "metric": "precision_at_budget"})],
        ),
        (
            "Why did precision fall in v3?",
            None,
            [("compare_models", {"first": "2", "second": "3", "metric": "precision_at_budget"})],
        ),
        ("What is the precision of version 3?", None, [("model_figures", {"version": "3"})]),
        ("how good is the champion?", None, [("model_figures", {"version": "champion"})]),
        (f"what did run {RUN} reach?", None, [("run_figures", {"run_id": RUN})]),
        ("show run 61a7e0d8", None, [("run_figures", {"run_id": "61a7e0d8"})]),
        (
            f"compare {RUN} with {OTHER}",
            None,
            [("compare_models", {"first": RUN, "second": OTHER, "metric": "precision_at_budget"})],
        ),
        ("is the model drifting?", None, [("drift_state", {})]),
        ("How many alerts are open?", None, [("queue_figures", {})]),
        ("how long is the queue", None, [("queue_figures", {})]),
        # What is written is asked of the documents.
        ("what does the policy say about holding a payment over 10,000?", None, []),
        ("what does the policy say about holding a payment over 10,000?", BESIDE, []),
        ("What does the policy say when the model drifts?", None, []),
        ("What is a mule account?", BESIDE, []),
        ("How many alerts may an analyst work according to the policy?", None, []),
        ("what is the limit over 10,000 in 2026?", None, []),
        ("Hello", BESIDE, []),
        ("Who works the queue between midnight and six in the morning?", None, []),
        ("Within how many days may a closed alert be reopened by its analyst?", None, []),
        ("From which population stability index on is action called for?", None, []),
        ("How many alerts a day is the current alert budget?", None, []),
        ("Which merchant received T00012345?", None, [("payment_score", {"transaction_id": T})]),
    ],
)
def test_a_question_starts_these_tools(question, context, calls):
    assert chosen(question, context) == calls


def test_a_question_with_a_payment_that_asks_the_documents_does_not_take_the_figures_for_its_answer():
    asked = plan(f"What does the policy say about payments like {T}?", Known())
    assert asked
    assert not any(call.asked for call in asked)
    assert plan(f"Why was {T} flagged?", Known())[0].asked
    assert plan(f"Have we seen {C} before?", Known())[0].asked
    assert not plan(f"Which role did {C} have in the two mule cases?", Known())[0].asked


def test_a_question_starts_only_so_many_tools():
    many = " ".join(f"{C} v{number} run {RUN} {T}" for number in range(1, 9))
    assert len(plan(f"compare drift queue {many}", Known(), BESIDE)) <= MOST_CALLS


@pytest.mark.parametrize(
    ("question", "asked", "collection"),
    [
        ("what does the policy say about holding a payment over 10,000?", "holding a payment over 10,000", "policies"),
        ("What do our policies say on customer contact at night?", "customer contact at night", "policies"),
        ("What does the guide say about mule chains?", "mule chains", "typologies"),
        ("What do the run reports say about version 2?", "version 2", "run_reports"),
    ],
)
def test_a_question_that_names_its_source_is_asked_of_it(question, asked, collection):
    scope = scope_of(question)
    assert (scope.question, scope.where) == (asked, {"collection": collection})


@pytest.mark.parametrize("question", ["What does the policy say?", "What does the customer say about it?", "policy"])
def test_other_questions_are_asked_of_all_documents(question):
    assert scope_of(question) is None


def test_calls_compare_by_what_they_ask():
    assert ToolCall("drift_state") == ToolCall("drift_state", {})
