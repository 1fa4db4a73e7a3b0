"""The metadata store: what runs did, what checks said, which datasets there are and how they hang together."""
