"""Selection of the model: the search for candidates, the final round on fresh folds, the decision, and its results."""
