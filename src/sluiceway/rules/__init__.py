"""The gate's vocabulary: one file a rule, with its model, its predicate or measures, and its words."""
