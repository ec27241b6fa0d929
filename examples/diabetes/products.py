"""The data product: progression of diabetes after one year, from the patient and the serum table."""

from learning.problem import Regression
from store.products import DataProduct, FormField, Join

from .models import Patient

diabetes = DataProduct(
    name="diabetes",
    title="Diabetes",
    description="How far does the disease progress within a year?",
    join=Join(
        Patient.objects.all(),
        features={
            "age": "age",
            "sex": "sex",
            "bmi": "bmi",
            "blood_pressure": "blood_pressure",
            "total_cholesterol": "serum__total_cholesterol",
            "ldl": "serum__ldl",
            "hdl": "serum__hdl",
            "cholesterol_ratio": "serum__cholesterol_ratio",
            "log_triglycerides": "serum__log_triglycerides",
            "glucose": "serum__glucose",
        },
        label="progression",
    ),
    problem=Regression(metric="r2", candidates=8),
    form={
        "bmi": FormField(step=0.1, example=24.5),
        "blood_pressure": FormField(step=1),
        "total_cholesterol": FormField(group="Lipids", step=1),
        "ldl": FormField(group="Lipids", step=0.1),
        "hdl": FormField(group="Lipids", step=1),
        "cholesterol_ratio": FormField(group="Lipids", step=0.01),
        "log_triglycerides": FormField(group="Lipids", step=0.01),
        "glucose": FormField(group="Sugar", step=1),
    },
)
