"""How far students are from one that matches centred logits: what is measured, the experiment, its figure."""
