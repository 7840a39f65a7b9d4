"""How a model is called: precision, modes, dropout, compiling, and the layers that are looked at."""
