"""Degraded and restored: counts and reports."""

from __future__ import annotations

import pytest

from kernel_sim.overlay.fm import Fault, FaultManager, Impact


@pytest.mark.fact("KRN-I32")
def test_only_the_first_and_the_last_degraded_device_are_reported() -> None:
    reports: list[Impact] = []
    manager = FaultManager(reports.append)
    one, two = Fault(), Fault()
    manager.degrade(one, "a")
    manager.degrade(two, "b")
    manager.restore(one)
    assert reports == [Impact.DEGRADED]
    assert manager.degraded == 1
    manager.restore(two)
    assert reports == [Impact.DEGRADED, Impact.RESTORED]
    assert manager.degraded == 0


def test_a_degraded_device_that_is_degraded_again_has_the_new_message_and_counts_once() -> None:
    manager, fault = FaultManager(), Fault()
    manager.degrade(fault, "first")
    manager.degrade(fault, "second")
    assert (fault.message, manager.degraded) == ("second", 1)


def test_an_empty_message_degrades_too() -> None:
    manager, fault = FaultManager(), Fault()
    manager.degrade(fault, "")
    assert fault.degraded
    assert manager.degraded == 1


def test_restoring_a_device_that_is_not_degraded_does_nothing() -> None:
    reports: list[Impact] = []
    manager = FaultManager(reports.append)
    manager.restore(Fault())
    assert (manager.degraded, reports) == (0, [])
