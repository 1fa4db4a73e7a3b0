"""The metadata store: what runs did, what checks said, and how datasets hang together."""
