"""Clients that nobody here wrote, driving the sandbox's server: what they find, what they change, how they sign.

Collected only where the ``peers`` extra is installed: ``pip install -e '.[test,peers]'``, then
``python -m pytest tests/peers``.
"""
