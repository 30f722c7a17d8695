"""Scenarios live in the package, where their assertions are to be as telling as in tests."""

from __future__ import annotations

import pytest

pytest.register_assert_rewrite("etherspan.testing.scenarios", "etherspan.testing.world")
