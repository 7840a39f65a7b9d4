"""H14, specialists for confusable classes (§5), in miniature: groups, dustbins, the solver, one net again."""
