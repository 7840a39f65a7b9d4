"""Rules of acceptance, by what they look at."""
