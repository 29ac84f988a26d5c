"""Videos to scores to numbers: validation, testing, features, metrics."""
