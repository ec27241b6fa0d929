"""Conversion of the fitted transformers of numbers to numeric steps."""

from collections.abc import Callable, Sequence

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.impute import SimpleImputer
from sklearn.preprocessing import FunctionTransformer, PolynomialFeatures, QuantileTransformer, StandardScaler

from ..inference.exceptions import NotCompilable
from ..inference.numeric import Floats, Imputation, PairProducts, QuantileRanks, Standardisation

NumericSteps = tuple[Imputation | None, list[Callable[[Floats], Floats]]]


def build_steps(transformers: Sequence[BaseEstimator]) -> NumericSteps:
    """Convert fitted transformers, in order, to the imputation and the steps after it.

    Raises NotCompilable for a transformer of an unknown type.
    """
    imputers = [_convert_imputer(t) for t in transformers if isinstance(t, SimpleImputer)]
    others = [_convert(t) for t in transformers if not isinstance(t, SimpleImputer | FunctionTransformer)]
    return (imputers[0] if imputers else None), others


def _convert_imputer(imputer: SimpleImputer) -> Imputation:
    indicated = imputer.indicator_.features_ if imputer.indicator_ is not None else ()
    return Imputation(imputer.statistics_, np.array(indicated, dtype=np.intp) if len(indicated) else None)


def _convert(transformer: BaseEstimator) -> Callable[[Floats], Floats]:
    match transformer:
        case StandardScaler():
            return convert_scaler(transformer)
        case QuantileTransformer():
            return convert_ranks(transformer)
        case PolynomialFeatures():
            return _convert_products(transformer)
    raise NotCompilable(f"{type(transformer).__name__} has no compiled counterpart.")


def convert_scaler(scaler: StandardScaler) -> Standardisation:
    """Convert a fitted StandardScaler."""
    return Standardisation(scaler.mean_, scaler.scale_)


def convert_ranks(ranks: QuantileTransformer) -> QuantileRanks:
    """Convert a fitted QuantileTransformer."""
    return QuantileRanks(ranks.quantiles_, ranks.references_, ranks.output_distribution == "normal")


def _convert_products(products: PolynomialFeatures) -> PairProducts:
    pairs = [np.repeat(np.arange(len(powers)), powers) for powers in products.powers_ if powers.sum() == 2]
    left, right = np.array(pairs, dtype=np.intp).reshape(-1, 2).T
    return PairProducts(left, right)
