"""Walk-forward backtests, scores, and how far they can be trusted."""
