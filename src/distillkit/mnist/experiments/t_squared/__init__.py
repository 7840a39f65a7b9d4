"""The gradient of the soft targets by temperature: what is measured, the experiment, its figure."""
