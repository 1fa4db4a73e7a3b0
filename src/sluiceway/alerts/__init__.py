"""Who is told when a run fails, the gate blocks or quality falls, by which channel, and how often.

Start at ``dispatch.raise_alert`` and ``dispatch.resolve_alert``; ``model.Alert`` is what they take.
"""
