"""Reports and profiles as one HTML file each: nothing is fetched, and nothing needs a script to be read.

``build`` escapes, ``charts`` draws, ``page`` puts a document together; ``report`` and ``profile`` say what is
on it.
"""
