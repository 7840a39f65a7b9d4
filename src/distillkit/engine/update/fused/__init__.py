"""Updates in bfloat16 on a CPU with as few passes over memory as can be; the twin of the plain update."""
