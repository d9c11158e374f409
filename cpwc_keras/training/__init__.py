"""Training: loss, schedule, checkpoints, the two phases."""
