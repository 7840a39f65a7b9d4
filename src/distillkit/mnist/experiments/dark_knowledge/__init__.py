"""What the teacher knows: what is measured, the experiment, its figure."""
