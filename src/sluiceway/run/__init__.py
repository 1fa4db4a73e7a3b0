"""One run of a pipeline: resolve, walk the plan, judge, publish."""
