"""SQL as trees: our primitives and their emitters, the safe SELECT, types, rewrites."""
