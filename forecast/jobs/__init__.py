"""What the commands do: train, evaluate, predict, from settings to a run folder."""
