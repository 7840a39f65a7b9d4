"""Updates in bfloat16 on a CPU by one compiled pass over the weights; the plain update gives the same."""
