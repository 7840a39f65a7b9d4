"""From a batch to new weights: the loss, backward, clipping, and the optimiser's step."""
