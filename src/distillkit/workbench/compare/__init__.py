"""Two models beside each other: size, speed, errors."""
