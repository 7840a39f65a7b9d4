"""Self, mutual and chained distillation: ways to make teachers, each a use of `Distiller`."""
