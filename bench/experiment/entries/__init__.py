"""What stands in a row of an experiment's tables: models, variants of them, scores from elsewhere."""
