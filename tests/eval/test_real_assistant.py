"""The measurement with the real index and the real extractive assistant, on a handful of documents."""

from eval.questions import GoldPassage, Question
from eval.rag import run_rag

DOCUMENTS = {
    "policies/holds": (
        "# Payment holds\n\nA hold on a payment is lifted after 48 hours unless the payer confirms the fraud. "
        "Payments above EUR 10,000 need the approval of a second analyst before they are released.\n"
    ),
    "typologies/mule": (
        "# Mule accounts\n\nMoney that arrives and leaves again within two hours is the clearest sign of a mule "
        "account. Freeze the account before calling its bank.\n"
    ),
    "policies/records": (
        "# Records\n\nCase notes are kept for seven years after the case is closed. Call recordings are kept for "
        "eighteen months.\n"
    ),
}


def answerable(name: str, text: str, document_id: str, quote: str) -> Question:
    return Question(name, text, quote, (GoldPassage(document_id, quote),), "answerable")


QUESTIONS = [
    answerable(
        "hold",
        "After how many hours is a hold on a payment lifted?",
        "policies/holds",
        "A hold on a payment is lifted after 48 hours unless the payer confirms the fraud.",
    ),
    answerable(
        "mule",
        "What is the clearest sign of a mule account?",
        "typologies/mule",
        "Money that arrives and leaves again within two hours is the clearest sign of a mule account.",
    ),
    answerable(
        "records",
        "How long are case notes kept after a case is closed?",
        "policies/records",
        "Case notes are kept for seven years after the case is closed.",
    ),
    Question("pasta", "How long should fresh pasta boil?", "", (), "off_topic"),
]


def test_the_real_assistant_is_measured(tmp_path, tracking):
    from retrieval import Answerer, Document, Index

    with Index.open(tmp_path / "index") as index:
        index.sync(
            Document(id=name, title=name, text=text, metadata={"source": name}) for name, text in DOCUMENTS.items()
        )
        result = run_rag(Answerer(index), QUESTIONS, experiment="rag-real", **tracking)
    metrics = result.metrics
    assert metrics["questions_failed"] == 0
    assert metrics["quote_exactness"] == 1.0
    assert metrics["context_recall_by_id"] == 1.0
    assert metrics["context_recall_by_text"] == 1.0
    assert metrics["citation_recall"] == 1.0
    assert metrics["answer_similarity"] > 0.7
    assert metrics["refusal_recall_off_topic"] == 1.0
    assert not [name for name, value in metrics.items() if name.endswith("_failed") and value]


def test_answers_are_linked_with_their_traces(tmp_path, tracking):
    from mlflow import MlflowClient

    from retrieval import Answerer, Document, Index

    uri = tracking["tracking_uri"]
    with Index.open(tmp_path / "index") as index:
        index.sync(Document(id=name, title=name, text=text, metadata={}) for name, text in DOCUMENTS.items())
        answerer = Answerer(index, tracking_uri=uri, tracking_artifacts=tracking["artifact_root"].as_uri())
        result = run_rag(
            answerer, QUESTIONS, experiment="rag-traced", embed=lambda texts: [[1.0]] * len(texts), **tracking
        )
    traced = list(result.per_question["trace_id"])
    assert all(name.startswith("tr-") for name in traced) and len(set(traced)) == len(QUESTIONS)
    client = MlflowClient(uri)
    assert client.get_trace(traced[0]).info.trace_id == traced[0]
    places = [client.get_experiment_by_name(name).experiment_id for name in ("fraud-desk-questions", "rag-traced")]
    linked = client.search_traces(locations=places, run_id=result.run_id)
    assert {trace.info.trace_id for trace in linked} == set(traced)
