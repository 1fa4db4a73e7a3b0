"""Rewrites of DuckDB's nodes whose meaning differs elsewhere; one file a kind of node."""
