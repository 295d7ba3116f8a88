"""The book of candidate questions: what waits for a decision, and what was decided by whom.

Three files of one JSON object a line, in one folder; each is only ever added to:
`candidates.jsonl` (also written by the desk, when an analyst corrects an answer), `decisions.jsonl`, and
`questions/accepted.jsonl`, which is asked from then on.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from filelock import FileLock

from eval.builder import CORRECTION, Candidate, split_of
from eval.errors import EvalInputError
from eval.questions import GoldPassage, Question, parse_question, stale_gold, to_json

ACCEPTED, REJECTED = "accepted", "rejected"


class CandidateBook:
    """Candidates, decisions and accepted questions below one folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._candidates = folder / "candidates.jsonl"
        self._decisions = folder / "decisions.jsonl"
        self._accepted = folder / "questions" / "accepted.jsonl"

    def pending(self) -> list[Candidate]:
        """Candidates that nobody has decided on, in the order in which they came.

        Raises:
            EvalInputError: a line cannot be read; names file and line.
        """
        gone = self.decided()
        found = {candidate.id: candidate for candidate in self._all() if candidate.id not in gone}
        return list(found.values())

    def decided(self) -> dict[str, str]:
        """What was decided on each candidate, `accepted` or `rejected`, by id."""
        found = {str(line["id"]): ACCEPTED for line in _lines(self._accepted)}
        return found | {str(line["id"]): str(line["decision"]) for line in _lines(self._decisions)}

    def add(self, candidates: Iterable[Candidate]) -> int:
        """Add those that are not known yet; how many that were."""
        with self._writing():
            known = {candidate.id for candidate in self._all()} | self.decided().keys()
            fresh = {candidate.id: candidate for candidate in candidates if candidate.id not in known}
            _append(
                self._candidates, [json.dumps(_plain(candidate), ensure_ascii=False) for candidate in fresh.values()]
            )
        return len(fresh)

    def accept(
        self,
        candidate_id: str,
        by: str,
        document_text: Callable[[str], str | None],
        *,
        question: str | None = None,
        answer: str | None = None,
        gold: Sequence[GoldPassage] | None = None,
        kind: str | None = None,
        split: str | None = None,
    ) -> Question:
        """Take a candidate into the questions, changed where a change is given.

        Args:
            candidate_id: Which.
            by: Who decides.
            document_text: Text of a document, by which the gold passages are checked.
            question: Another wording.
            answer: Another reference answer.
            gold: Other gold passages.
            kind: Another kind.
            split: `gate` or `development`; by the id's hash where None.

        Raises:
            EvalInputError: there is no such candidate, or what comes out is no sound question.
        """
        with self._writing():
            found = self._pending_one(candidate_id)
            chosen = replace(
                found,
                question=question or found.question,
                reference_answer=found.reference_answer if answer is None else answer,
                gold=found.gold if gold is None else tuple(gold),
                kind=kind or found.kind,
            )
            if chosen.kind == "answerable" and not chosen.gold:
                raise EvalInputError(
                    f"{candidate_id}: no passage bears the answer; name one (--gold DOCUMENT::QUOTE), or say that the "
                    "documents do not tell (--kind unanswerable)"
                )
            refused = chosen.kind in ("unanswerable", "off_topic")
            accepted = parse_question(
                {
                    "id": chosen.id,
                    "question": chosen.question,
                    "reference_answer": "" if refused else chosen.reference_answer,
                    "gold": [] if refused else [asdict(passage) for passage in chosen.gold],
                    "kind": chosen.kind,
                    "as_of": chosen.as_of,
                    "split": split or split_of(chosen.id),
                }
            )
            stale = stale_gold([accepted], document_text)
            if stale:
                raise EvalInputError("; ".join(stale))
            # In this order: a process that ends in between leaves the question accepted, not lost.
            _append(self._accepted, [to_json(accepted)])
            self._decide(candidate_id, ACCEPTED, by, "")
        return accepted

    def reject(self, candidate_id: str, by: str, reason: str = "") -> None:
        """Put a candidate away for good.

        Raises:
            EvalInputError: there is no such candidate.
        """
        with self._writing():
            self._pending_one(candidate_id)
            self._decide(candidate_id, REJECTED, by, reason)

    def _pending_one(self, candidate_id: str) -> Candidate:
        for candidate in self.pending():
            if candidate.id == candidate_id:
                return candidate
        decision = self.decided().get(candidate_id)
        if decision:
            raise EvalInputError(f"candidate {candidate_id} was {decision} before")
        raise EvalInputError(f"no candidate {candidate_id}; `frauddesk eval questions list` shows them")

    def _decide(self, candidate_id: str, decision: str, by: str, reason: str) -> None:
        at = datetime.now(UTC).isoformat(timespec="seconds")
        line = {"id": candidate_id, "decision": decision, "by": by, "reason": reason, "at": at}
        _append(self._decisions, [json.dumps(line, ensure_ascii=False)])

    def _all(self) -> list[Candidate]:
        return [_candidate(line) for line in _lines(self._candidates)]

    def _writing(self) -> FileLock:
        self._folder.mkdir(parents=True, exist_ok=True)
        return FileLock(str(self._folder / "candidates.lock"), timeout=30)


def _candidate(line: Mapping[str, Any]) -> Candidate:
    source = str(line.get("source") or CORRECTION)
    return Candidate(
        id=str(line["id"]),
        question=str(line["question"]),
        reference_answer=str(line.get("reference_answer") or ""),
        gold=tuple(GoldPassage(str(p["document_id"]), str(p["quote"])) for p in line.get("gold") or ()),
        kind=str(line.get("kind") or "answerable"),
        source=source,
        made_from=str(line.get("made_from") or line.get("who") or ""),
        as_of=line.get("as_of"),
    )


def _plain(candidate: Candidate) -> dict[str, Any]:
    return {**asdict(candidate), "at": datetime.now(UTC).isoformat(timespec="seconds")}


def _lines(path: Path) -> list[dict[str, Any]]:
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return []
    except (OSError, UnicodeDecodeError) as error:
        raise EvalInputError(f"{path}: {error}") from error
    found = []
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            entry = json.loads(line)
            entry["id"]
        except (ValueError, KeyError, TypeError) as error:
            raise EvalInputError(f"{path}, line {number}: no JSON object with an id; correct or remove it") from error
        found.append(entry)
    return found


def _append(path: Path, lines: Sequence[str]) -> None:
    if not lines:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+b") as file:
        # A line that was cut off (a full disk, a killed process) must not swallow the next one.
        file.seek(0, 2)
        if file.tell():
            file.seek(-1, 2)
            if file.read(1) != b"\n":
                file.write(b"\n")
        file.write(("\n".join(lines) + "\n").encode("utf-8"))
