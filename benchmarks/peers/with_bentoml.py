"""BentoML with adaptive batching of up to 64: `bentoml serve with_bentoml:Pipeline`."""

import os

import bentoml
import joblib
import pandas as pd


@bentoml.service(workers=1)
class Pipeline:
    """The service."""

    def __init__(self):
        self.pipeline = joblib.load(os.environ["PIPELINE"])

    @bentoml.api(batchable=True, max_batch_size=64, max_latency_ms=1_000)
    def predict(self, rows: list[dict]) -> list[dict]:
        probabilities = self.pipeline.predict_proba(pd.DataFrame(rows)).tolist()
        return [{"label": row.index(max(row)), "probabilities": row} for row in probabilities]
