"""Runs one peer on one data set, in the peer's environment: `python contestant.py PEER FOLDER SECONDS SEED`.

The folder has `task.json`, `learn.csv`, `y.npy` and `test.csv`. The program writes `predictions.npy`, probabilities of
the classes, `(n, classes)`, or values, `(n,)`, and prints the winner as its last line.
"""

import json
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd


def run_flaml(learn, y, test, task, seconds, seed):
    """Run FLAML. Returns the predictions of the test rows, and the winner."""
    from flaml import AutoML

    metric = {0: "r2", 2: "roc_auc"}.get(task["classes"], "roc_auc_ovr")
    automl = AutoML()
    automl.fit(
        X_train=learn,
        y_train=y,
        task=task["task"],
        metric=metric,
        time_budget=seconds,
        seed=seed,
        n_jobs=task["cores"],
        verbose=0,
    )
    predict = automl.predict_proba if task["classes"] else automl.predict
    return predict(test), automl.best_estimator


def run_autogluon_medium(*arguments):
    """Run AutoGluon with its preset of medium quality."""
    return _run_autogluon("medium_quality", *arguments)


def run_autogluon_best(*arguments):
    """Run AutoGluon with its preset of best quality."""
    return _run_autogluon("best_quality", *arguments)


def _run_autogluon(preset, learn, y, test, task, seconds, seed):
    from autogluon.tabular import TabularPredictor

    metric = {0: "r2", 2: "roc_auc"}.get(task["classes"], "roc_auc_ovr_macro")
    kind = {0: "regression", 2: "binary"}.get(task["classes"], "multiclass")
    with tempfile.TemporaryDirectory() as folder:
        predictor = TabularPredictor(
            label="__label__", problem_type=kind, eval_metric=metric, path=folder, verbosity=0
        )
        predictor.fit(
            learn.assign(__label__=y), presets=preset, time_limit=seconds, num_cpus=task["cores"], num_gpus=0
        )
        predict = predictor.predict_proba if task["classes"] else predictor.predict
        return predict(test), predictor.model_best


PEERS = {
    "flaml": run_flaml,
    "autogluon_medium": run_autogluon_medium,
    "autogluon_best": run_autogluon_best,
}


def main():
    """Run the peer that is named on the command line."""
    peer, folder, seconds, seed = sys.argv[1], Path(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4])
    task = json.loads((folder / "task.json").read_text())
    learn, test = (_read(folder / name, task["texts"]) for name in ("learn.csv", "test.csv"))
    y = np.load(folder / "y.npy")
    predictions, winner = PEERS[peer](learn, y, test, task, seconds, seed)
    np.save(folder / "predictions.npy", np.asarray(predictions, dtype=np.float64))
    print(winner)


def _read(file, texts):
    """Read a CSV file; `texts` are read as text, also where a part of the data set has numbers only."""
    return pd.read_csv(file, dtype=dict.fromkeys(texts, "object"))


if __name__ == "__main__":
    main()
