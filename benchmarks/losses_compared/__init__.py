"""Every built-in loss in one setting: a convolutional teacher, a small convolutional student, few digits."""
