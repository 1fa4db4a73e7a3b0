"""Small statistics in NumPy, one file a method, each with its source.

SciPy and ruptures, which the tests compare them with, weigh 170 MB and three seconds of import; what
trends and drift need of them is these few hundred lines.
"""

from __future__ import annotations

__all__: list[str] = []
