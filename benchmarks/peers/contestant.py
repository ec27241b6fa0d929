"""One peer at one task, in an environment of its own: `python contestant.py PEER FOLDER SECONDS SEED`.

The folder has `task.json`, `learn.csv`, `y.npy` and `test.csv`; `predictions.npy` is left there: probabilities of the
classes, `(n, classes)`, or values, `(n,)`. The last line that is printed is what won.
"""

import json
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd


def flaml(learn, y, test, task, seconds, seed):
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
    asked = automl.predict_proba if task["classes"] else automl.predict
    return asked(test), automl.best_estimator


def autogluon_medium(*arguments):
    return _autogluon("medium_quality", *arguments)


def autogluon_best(*arguments):
    return _autogluon("best_quality", *arguments)


def _autogluon(preset, learn, y, test, task, seconds, seed):
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
        asked = predictor.predict_proba if task["classes"] else predictor.predict
        return asked(test), predictor.model_best


PEERS = {"flaml": flaml, "autogluon_medium": autogluon_medium, "autogluon_best": autogluon_best}


def main():
    peer, folder, seconds, seed = sys.argv[1], Path(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4])
    task = json.loads((folder / "task.json").read_text())
    learn, test = (_read(folder / name, task["texts"]) for name in ("learn.csv", "test.csv"))
    y = np.load(folder / "y.npy")
    predictions, winner = PEERS[peer](learn, y, test, task, seconds, seed)
    np.save(folder / "predictions.npy", np.asarray(predictions, dtype=np.float64))
    print(winner)


def _read(file, texts):
    """What is text somewhere in the file is text in each of its parts."""
    return pd.read_csv(file, dtype=dict.fromkeys(texts, "object"))


if __name__ == "__main__":
    main()
