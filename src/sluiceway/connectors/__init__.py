"""One file a system: its configuration, documentation, source and sink."""
