"""Measured against peers, by ratio, in one run: ``make bench``."""
