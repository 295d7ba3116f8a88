"""Long work over HTTP: progress, result, end on request, a restart in the middle, and who sees what."""

import io
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from fastapi.testclient import TestClient

from app import batch
from app.api import create_app
from app.desk import Desk
from app.job_runner import JobRunner
from app.jobs import CANCELLED, QUEUED, RUNNING, SCORE
from app.predictions import PredictionLog
from app.settings import Settings
from app.store import ConflictError, NotFoundError, Store


@pytest.fixture
def settings(built_home: Path, tmp_path: Path) -> Settings:
    shutil.copytree(built_home, tmp_path / "desk")
    return Settings(home=tmp_path / "desk")


@pytest.fixture
def client(settings: Settings) -> Iterator[TestClient]:
    app = create_app(settings, page=False)
    with TestClient(app, raise_server_exceptions=False) as opened:
        yield opened


def file_of(frame: pd.DataFrame) -> bytes:
    held = io.BytesIO()
    frame.to_parquet(held, index=False)
    return held.getvalue()


def until(done: Callable[[], Any], seconds: float = 60.0) -> Any:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if result := done():
            return result
        time.sleep(0.05)
    raise AssertionError("waited in vain")


def ended(client: TestClient, job_id: str, seconds: float = 120.0) -> dict[str, Any]:
    def look() -> dict[str, Any] | None:
        job = client.get(f"/api/jobs/{job_id}").json()
        return job if job["state"] not in ("queued", "running") else None

    return until(look, seconds)


def test_a_file_is_scored_in_the_background(client: TestClient, settings: Settings) -> None:
    payments = pd.read_parquet(settings.transactions_path)
    last = payments.iloc[-2_000:]
    sent = client.post(
        "/api/jobs/score", params={"format": "parquet"}, files={"file": ("night.parquet", file_of(last))}
    )
    assert sent.status_code == 202, sent.text
    job = ended(client, sent.json()["id"])
    assert (job["state"], job["title"], job["done"], job["total"]) == ("done", "night.parquet", 2_000, 2_000)
    assert job["result"]["rows"] == 2_000
    answer = client.get(f"/api/jobs/{job['id']}/result")
    scores = pd.read_parquet(io.BytesIO(answer.content))
    desk = Desk(settings)
    schema = desk.scorer.schema
    times = schema.times(payments)
    earlier = payments[times < int(schema.times(last).min())]
    expected = desk.scorer.score(last, history=earlier)
    pd.testing.assert_series_equal(
        scores["fraud_probability"], expected["fraud_probability"].reset_index(drop=True), rtol=0, atol=1e-12
    )
    assert job["id"] in [each["id"] for each in client.get("/api/jobs").json()]


def test_the_run_of_a_scored_file_is_in_mlflow_without_its_rows(client: TestClient, settings: Settings) -> None:
    from mlflow import MlflowClient

    payments = pd.read_parquet(settings.transactions_path).iloc[:50]
    sent = client.post("/api/jobs/score", files={"file": ("first.parquet", file_of(payments))})
    job = ended(client, sent.json()["id"])
    tracking = MlflowClient(settings.mlflow_uri)
    run = tracking.get_run(job["result"]["run_id"])
    assert run.data.params["file"] == "first.parquet"
    assert run.data.metrics["rows"] == 50
    assert tracking.list_artifacts(run.info.run_id) == []


def test_a_wrong_file_fails_with_what_is_wrong(client: TestClient) -> None:
    sent = client.post("/api/jobs/score", files={"file": ("x.csv", b"step,amount\n1,2\n")})
    job = ended(client, sent.json()["id"])
    assert job["state"] == "failed"
    assert "nameOrig" in job["error"]
    answer = client.get(f"/api/jobs/{job['id']}/result")
    assert (answer.status_code, answer.json()["code"]) == (409, "conflict")


@pytest.mark.parametrize(
    ("name", "content", "status", "code"),
    [("x.exe", b"MZ", 415, "unsupported_file"), ("x.csv", b"", 422, "empty_file")],
)
def test_what_is_no_file_of_payments_makes_no_job(
    client: TestClient, settings: Settings, name: str, content: bytes, status: int, code: str
) -> None:
    answer = client.post("/api/jobs/score", files={"file": (name, content)})
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert client.get("/api/jobs").json() == []
    assert not list((settings.home / "jobs").glob("*"))


def test_a_job_cut_off_by_a_restart_goes_on_and_gives_the_same_scores(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch, "_CHUNK_ROWS", 4_000)
    monkeypatch.setattr("app.job_runner._TELL_SECONDS", 0.0)
    content = settings.transactions_path.read_bytes()
    desk = Desk(settings)
    desk.history  # noqa: B018  opened before, so that the job is cut off while it scores
    seen: list[int] = []
    progress = desk.store.jobs.progress

    def stop_in_the_middle(job_id: str, stage: str, done: int, total: int | None) -> bool:
        if stage == "scoring":
            seen.append(done)
            if len(seen) == 3:
                runner._stopped.set()
        return progress(job_id, stage, done, total)

    monkeypatch.setattr(desk.store.jobs, "progress", stop_in_the_middle)
    runner = JobRunner(desk)
    job = runner.submit_file(io.BytesIO(content), "all.parquet", "ann")
    runner.start()
    until(lambda: runner._worker is not None and not runner._worker.is_alive())
    assert desk.store.jobs.one(job.id).state == RUNNING
    parts = runner.folder(job.id) / ".scores.csv.parts"
    assert len(list(parts.glob("*.parquet"))) >= 2, "what was finished is kept"
    desk.close()

    desk = Desk(settings)
    again = JobRunner(desk)
    again.start()
    finished = until(lambda: (found := desk.store.jobs.one(job.id)).open is False and found)
    again.stop()
    assert finished.state == "done", finished.error
    assert finished.result["rows"] == 40_000
    resumed = again.result_path(finished).read_bytes()
    clean = desk.scorer.score_file(
        again.folder(job.id) / "in.parquet", again.folder(job.id) / "clean.csv", chunk_rows=4_000
    )
    assert clean.rows == 40_000
    assert (again.folder(job.id) / "clean.csv").read_bytes() == resumed
    desk.close()


def test_a_running_job_ends_on_request(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch, "_CHUNK_ROWS", 500)
    monkeypatch.setattr("app.job_runner._TELL_SECONDS", 0.0)
    desk = Desk(settings)
    runner = JobRunner(desk)
    job = runner.submit_file(io.BytesIO(settings.transactions_path.read_bytes()), "all.parquet", "ann")
    runner.start()
    until(lambda: desk.store.jobs.one(job.id).stage == "scoring")
    runner.cancel(job.id, "ann")
    finished = until(lambda: (found := desk.store.jobs.one(job.id)).open is False and found)
    runner.stop()
    assert finished.state == CANCELLED
    assert not runner.result_path(finished).exists()
    with pytest.raises(ConflictError, match="ended already"):
        runner.cancel(job.id, "ann")
    desk.close()


def test_jobs_are_taken_in_their_order_and_once(store: Store) -> None:
    first = store.jobs.submit(SCORE, "ann", "a.csv", {})
    second = store.jobs.submit(SCORE, "bob", "b.csv", {})
    assert store.jobs.take().id == first.id
    assert store.jobs.take().id == second.id
    assert store.jobs.take() is None
    assert store.jobs.requeue() == 2
    assert store.jobs.take().id == first.id


def test_a_job_that_waits_ends_at_once(store: Store) -> None:
    job = store.jobs.submit(SCORE, "ann", "a.csv", {})
    assert job.state == QUEUED
    assert store.jobs.cancel(job.id, "ann").state == CANCELLED
    assert store.jobs.take() is None


def test_an_end_asked_for_before_a_restart_holds_after_it(store: Store) -> None:
    job = store.jobs.submit(SCORE, "ann", "a.csv", {})
    store.jobs.take()
    assert store.jobs.cancel(job.id, "ann").state == RUNNING
    assert store.jobs.requeue() == 0
    assert store.jobs.one(job.id).state == CANCELLED


def test_anothers_job_is_not_there(store: Store) -> None:
    job = store.jobs.submit(SCORE, "ann", "a.csv", {})
    with pytest.raises(NotFoundError, match="there is no job"):
        store.jobs.one(job.id, owner="bob")
    assert store.jobs.latest("bob") == []
    assert [each.id for each in store.jobs.latest("ann")] == [job.id]


def test_every_score_given_is_written_and_none_is_lost_at_the_end(store: Store, scored: Callable[..., Any]) -> None:
    log = PredictionLog(store.engine)
    for number in range(2_500):
        log.add(scored(number), "ann")
    log.close()
    assert log.count() == 2_500
    kept = log.of_transaction("T00000007")
    assert [(row["probability"], row["who"], row["model_version"]) for row in kept] == [(0.5, "ann", "1")]


def test_scores_wait_while_the_database_is_away(
    store: Store, scored: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    log = PredictionLog(store.engine)
    monkeypatch.setattr("app.predictions._RETRY_SECONDS", 0.05)
    begin = store.engine.begin
    failures = iter([True, True])

    def unreliable() -> Any:
        if next(failures, False):
            raise OSError("the database is away")
        return begin()

    monkeypatch.setattr(store.engine, "begin", unreliable)
    log.add(scored(1), "ann")
    until(lambda: log.count() == 1, 10)
    log.close()


def test_a_retrained_model_uses_decisions_and_is_promoted_by_a_named_person(
    client: TestClient, settings: Settings
) -> None:
    alert = client.get("/api/alerts").json()["items"][0]
    decided = client.post(
        f"/api/alerts/{alert['id']}/disposition", json={"decision": "confirmed_fraud", "reason_code": "F02"}
    )
    assert decided.status_code == 201, decided.text
    sent = client.post("/api/model/retrain", json={"reason": "a week of decisions"})
    assert sent.status_code == 202, sent.text
    job = ended(client, sent.json()["id"], 300)
    assert job["state"] == "done", job["error"]
    result = job["result"]
    assert result["version"] == "2"
    assert result["decisions_used"] + result["decisions_held_back"] == 1
    assert list((settings.corpus_written / "run_reports").glob("*v2*"))

    versions = {each["version"]: each for each in client.get("/api/model/versions").json()}
    assert versions["1"]["status"] == "champion"
    assert versions["2"]["problems"] == result["problems"]
    plain = client.post("/api/model/promote", json={"version": "2", "reason": "newer payments"})
    if result["problems"]:
        assert (plain.status_code, plain.json()["code"]) == (409, "promotion_refused")
        forced = {"version": "2", "reason": "newer payments", "despite": "few frauds to compare on"}
        plain = client.post("/api/model/promote", json=forced)
    assert plain.status_code == 200, plain.text
    assert client.get("/api/model").json()["version"] == "2", "the desk scores with it at once"
    back = client.post("/api/model/rollback", json={"reason": "alerts doubled"})
    assert back.json()["version"] == "1"
    assert client.get("/api/model").json()["version"] == "1"
    last = client.get("/api/model/history").json()[-1]
    assert (last["action"], last["version"], last["reason"]) == ("rolled back to", "1", "alerts doubled")
    assert last["by"]


@pytest.mark.parametrize(
    ("route", "body", "status"),
    [
        ("promote", {"version": "99", "reason": "because"}, 422),
        ("promote", {"version": "1", "reason": "because"}, 409),
        ("promote", {"version": "1"}, 422),
        ("promote", {"version": "../etc", "reason": "because"}, 422),
        ("reject", {"version": "1", "reason": "because"}, 409),
        ("rollback", {"reason": "because"}, 409),
        ("rollback", {}, 422),
    ],
)
def test_what_cannot_be_done_is_said(client: TestClient, route: str, body: dict[str, Any], status: int) -> None:
    answer = client.post(f"/api/model/{route}", json=body)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert client.get("/api/model").json()["version"] == "1"
