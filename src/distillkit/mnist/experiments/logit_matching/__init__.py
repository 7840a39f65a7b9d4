"""From soft targets to matching logits: the gradients: what is measured, the experiment, its figure."""
