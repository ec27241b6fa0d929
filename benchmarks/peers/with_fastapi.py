"""FastAPI, as a team would write it: a handler that predicts one row and upserts it, `uvicorn with_fastapi:app`."""

import hashlib
import json
import os
from contextlib import asynccontextmanager

import joblib
import pandas as pd
from fastapi import FastAPI
from psycopg_pool import ConnectionPool

pipeline = joblib.load(os.environ["PIPELINE"])
# The database of libpq's environment variables.
pool = ConnectionPool(min_size=8, max_size=8, open=False, kwargs={"autocommit": True})
TABLE = """CREATE TABLE IF NOT EXISTS public.peer_prediction (
    id text PRIMARY KEY, features jsonb NOT NULL, label text NOT NULL, confidence float8 NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT now(), times_asked int NOT NULL DEFAULT 1)"""
UPSERT = """INSERT INTO public.peer_prediction AS row (id, features, label, confidence) VALUES (%s, %s, %s, %s)
    ON CONFLICT (id) DO UPDATE SET updated_at = now(), times_asked = row.times_asked + 1"""


@asynccontextmanager
async def lifespan(app):
    """Open the connection pool and create the table."""
    pool.open(wait=True)
    with pool.connection() as connection:
        connection.execute(TABLE)
    yield
    pool.close()


app = FastAPI(lifespan=lifespan)


@app.get("/ready")
def ready():
    """Answer once the application has started."""
    return {"ready": True}


@app.post("/predict")
def predict(features: dict[str, object]):
    """Predict a row and store the prediction."""
    probabilities = pipeline.predict_proba(pd.DataFrame([features]))[0].tolist()
    label = max(range(len(probabilities)), key=probabilities.__getitem__)
    text = json.dumps(features, sort_keys=True)
    id = hashlib.sha256(text.encode()).hexdigest()
    with pool.connection() as connection:
        connection.execute(UPSERT, (id, text, str(label), probabilities[label]))
    return {"id": id, "label": label, "confidence": probabilities[label], "probabilities": probabilities}
