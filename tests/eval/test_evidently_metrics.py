"""The metrics added to Evidently, in a report of anyone's own."""

import json
import math

import numpy as np
import pandas as pd
import pytest
from evidently import DataDefinition, Dataset, Report
from evidently.tests import gte

from eval.evidently_metrics import AlertBudget, AveragePrecision, FixedBinPsi, PrecisionAtK, PsiOverview
from eval.ranking import alert_budget_table

FRAME = pd.DataFrame(
    {
        "fraud": [1.0, 0.0, 1.0, 0.0, np.nan, 0.0],
        "score": [0.9, 0.8, 0.7, 0.2, 0.95, 0.1],
    }
)


def dataset(frame: pd.DataFrame) -> Dataset:
    return Dataset.from_pandas(frame, DataDefinition(numerical_columns=list(frame.columns)))


def values(metrics, current, reference=None) -> dict[str, object]:
    data = [None if frame is None else dataset(frame) for frame in (current, reference)]
    snapshot = Report(metrics).run(*data)
    assert "<html" in snapshot.get_html_str(as_iframe=False)
    plain = json.loads(snapshot.json())
    return {metric["config"]["type"].split(":")[-1]: metric["value"] for metric in plain["metrics"]}


def test_average_precision_and_precision_at_k_are_exact_and_leave_out_unknown_labels():
    found = values(
        [AveragePrecision(target="fraud", score="score"), PrecisionAtK(target="fraud", score="score", k=3)], FRAME
    )
    assert found["AveragePrecision"] == pytest.approx((1 + 2 / 3) / 2)
    assert found["PrecisionAtK"] == pytest.approx(2 / 3)


def test_a_single_class_gives_no_number_and_no_error():
    honest = FRAME.assign(fraud=0.0)
    found = values([AveragePrecision(target="fraud", score="score")], honest, FRAME)
    assert math.isnan(found["AveragePrecision"])


def test_an_alert_budget_is_a_table():
    table = alert_budget_table(
        np.array([1.0, 0.0, 1.0, 0.0]), np.array([0.9, 0.8, 0.7, 0.2]), days=0.5, budgets=[2, 6, 100]
    )
    assert table.to_dict("records") == [
        {"alerts_per_day": 2, "alerts": 1, "threshold": 0.9, "precision": 1.0, "recall": 0.5},
        {"alerts_per_day": 6, "alerts": 3, "threshold": 0.7, "precision": pytest.approx(2 / 3), "recall": 1.0},
        {"alerts_per_day": 100, "alerts": 4, "threshold": 0.2, "precision": 0.5, "recall": 1.0},
    ]
    found = values([AlertBudget(target="fraud", score="score", days=1.0, budgets=[2])], FRAME)
    assert found["AlertBudget"]["precision"] == {"0": 0.5}


def test_fixed_bin_psi_and_its_overview_agree():
    rng = np.random.default_rng(0)
    reference = pd.DataFrame({"a": rng.normal(size=3_000), "b": rng.normal(size=3_000)})
    current = reference.assign(b=reference["b"] + 2)
    found = values([PsiOverview(columns=["a", "b"]), FixedBinPsi(column="b")], current, reference)
    assert list(found["PsiOverview"]["column"].values()) == ["b", "a"]
    assert found["PsiOverview"]["psi"]["0"] == pytest.approx(found["FixedBinPsi"], abs=1e-4)
    assert list(found["PsiOverview"]["by the index alone"].values()) == ["act", "stable"]


def test_the_metrics_take_evidently_tests():
    metric = AveragePrecision(target="fraud", score="score", tests=[gte(0.9)])
    snapshot = Report([metric], include_tests=True).run(dataset(FRAME), None)
    assert [test["status"] for test in json.loads(snapshot.json())["tests"]] == ["FAIL"]


def test_psi_without_a_reference_is_refused():
    with pytest.raises(ValueError, match="needs a reference"):
        values([FixedBinPsi(column="score")], FRAME)
