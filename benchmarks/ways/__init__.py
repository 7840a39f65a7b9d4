"""The ways to train the student of `one-student`."""
