"""The knowledge of the teacher: what is measured, the experiment, its figure."""
