"""Declarative steps, one file each: a model of what users write, and the SELECT it compiles to."""
