"""The training and its epochs: state, adapters, schedules, logs, evaluation."""
