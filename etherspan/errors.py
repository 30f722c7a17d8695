"""What goes wrong around hosts: one root for every message that ends a command."""

from __future__ import annotations


class EtherspanError(Exception):
    """A message for a person: what failed, with which value, and what to do next. May have several lines."""
