"""Which model for my videos on my machine: models on the same folds, within a budget of time."""
