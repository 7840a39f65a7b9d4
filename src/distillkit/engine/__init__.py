"""The training itself: from data and a loss to a student's new weights."""
