"""How fast distillkit is: `benchmarks.run` measures, `benchmarks.page` writes the page of the docs."""
