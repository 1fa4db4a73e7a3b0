"""Sluiceway: declare a data pipeline once; nothing reaches a destination without a verdict."""

__version__ = "0.1.0"
