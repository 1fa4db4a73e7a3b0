"""When pipelines run, who runs them, and how they fare: schedules, queue, workers, health."""
