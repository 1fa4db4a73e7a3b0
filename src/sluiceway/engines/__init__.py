"""Where the plan's SQL runs."""
