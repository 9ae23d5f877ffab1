"""Training: the only loop, the optimizer, the learning rate over time, and the loss in chunks."""
