"""The quality workbench: what the people around the gate do with data, above ``run``.

``profile`` says what data is like, ``suggest`` proposes rules, ``fix`` repairs what can be repaired,
``monitor`` watches, ``analytics`` explains, ``report`` shows it on a page.
"""

from __future__ import annotations

__all__: list[str] = []
