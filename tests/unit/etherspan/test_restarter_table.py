"""What events make of a service."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dladm.libscf.protocol import State
from etherspan.host.services import SERVICES, log_path
from etherspan.host.states import (
    FAILURE_WINDOW,
    TABLE,
    Action,
    Event,
    Instance,
    Phase,
    Service,
    advance,
    ended,
)
from kernel_sim.sys.errno import Errno, KernelError

SERVICE = Service("svc:/test:default", "a test", "nowhere", ("door",), "log")


def instance(phase: Phase = Phase.OFFLINE, *, enabled: bool = True) -> Instance:
    return Instance(SERVICE, phase, enabled, since=0.0)


def follow(one: Instance, *events: Event) -> tuple[Instance, list[Action]]:
    actions: list[Action] = []
    for event in events:
        one, action = advance(one, event, 1.0)
        actions.append(action)
    return one, actions


def fail(one: Instance, at: float, status: int = 1) -> Instance:
    one, action = advance(one, Event.GO, at)
    assert action is Action.START
    return ended(one, status, at, at)


def test_a_service_starts_when_its_dependencies_are_online_and_is_online_when_its_doors_answer() -> None:
    one, actions = follow(instance(), Event.GO, Event.READY)
    assert (one.phase, actions) == (Phase.ONLINE, [Action.START, Action.NOTHING])


def test_a_disabled_service_waits_to_be_enabled() -> None:
    one, actions = follow(instance(Phase.DISABLED, enabled=False), Event.GO, Event.ENABLE, Event.GO)
    assert (one.phase, actions) == (Phase.STARTING, [Action.NOTHING, Action.NOTHING, Action.START])


def test_a_service_that_dies_online_is_started_again_and_counted() -> None:
    one = ended(instance(Phase.ONLINE), -9, 5.0, 5.0)
    assert (one.phase, one.restarts, one.reason) == (Phase.OFFLINE, 1, "The service was killed by signal 9.")


@pytest.mark.parametrize(
    ("status", "name"), [(95, "$SMF_EXIT_ERR_FATAL"), (96, "$SMF_EXIT_ERR_CONFIG")], ids=["fatal", "config"]
)
def test_exit_95_and_96_before_it_is_up_mean_maintenance(status: int, name: str) -> None:
    one = fail(instance(), 1.0, status)
    assert (one.phase, one.reason) == (Phase.MAINTENANCE, f"Start method exited with {name}.")


@pytest.mark.parametrize("status", [95, 96])
def test_exit_95_and_96_of_a_service_that_was_up_are_ordinary_ends(status: int) -> None:
    assert ended(instance(Phase.ONLINE), status, 1.0, 1.0).phase is Phase.OFFLINE


def test_the_third_failure_within_ten_seconds_means_maintenance() -> None:
    one = fail(fail(instance(), 1.0), 2.0)
    assert one.phase is Phase.OFFLINE
    one = fail(one, 1.0 + FAILURE_WINDOW - 0.1)
    assert (one.phase, one.reason) == (
        Phase.MAINTENANCE,
        "Restarting too quickly; start method exited with status 1.",
    )


def test_failures_further_apart_do_not_add_up() -> None:
    one = instance()
    for number in range(10):
        one = fail(one, number * FAILURE_WINDOW / 2)
    assert (one.phase, one.restarts) == (Phase.OFFLINE, 10)


def test_a_completed_start_in_between_clears_the_failures() -> None:
    one = fail(fail(instance(), 1.0), 2.0)
    one, _ = follow(one, Event.GO, Event.READY)
    one = ended(one, 1, 3.0, 3.0)
    assert fail(fail(one, 4.0), 5.0).phase is Phase.OFFLINE


def test_maintenance_ends_only_when_it_is_cleared_or_disabled() -> None:
    stuck = fail(instance(), 1.0, 95)
    for event in set(Event) - {Event.CLEAR, Event.DISABLE}:
        assert advance(stuck, event, 2.0)[0].phase is Phase.MAINTENANCE
    cleared, _ = advance(stuck, Event.CLEAR, 2.0)
    assert (cleared.phase, cleared.reason, cleared.failures) == (Phase.OFFLINE, "", ())
    assert advance(stuck, Event.DISABLE, 2.0)[0].phase is Phase.DISABLED


def test_clearing_what_is_not_in_maintenance_is_an_error() -> None:
    with pytest.raises(KernelError) as refused:
        advance(instance(Phase.ONLINE), Event.CLEAR, 1.0)
    assert refused.value.errno is Errno.EINVAL


def test_a_service_too_slow_to_start_is_killed_and_in_maintenance() -> None:
    one, actions = follow(instance(Phase.STARTING), Event.TIMEOUT)
    assert (one.phase, actions) == (Phase.FAULTING, [Action.KILL])
    assert (one.state, one.next_state) == (State.OFFLINE, State.MAINTENANCE)
    assert ended(one, -9, 1.0, 1.0).phase is Phase.MAINTENANCE


def test_a_service_too_slow_to_stop_is_killed() -> None:
    one, actions = follow(instance(Phase.ONLINE), Event.DISABLE, Event.TIMEOUT)
    assert (one.phase, actions) == (Phase.STOPPING, [Action.STOP, Action.KILL])
    assert ended(one, -9, 1.0, 1.0).phase is Phase.DISABLED


def test_a_restart_is_a_stop_and_a_start() -> None:
    one, actions = follow(instance(Phase.ONLINE), Event.RESTART)
    assert (one.state, one.next_state, actions) == (State.ONLINE, State.OFFLINE, [Action.STOP])
    assert ended(one, 0, 1.0, 1.0).phase is Phase.OFFLINE


def test_the_last_wish_counts_while_a_service_stops() -> None:
    one, actions = follow(instance(Phase.ONLINE), Event.DISABLE, Event.ENABLE)
    assert (one.next_state, actions) == (State.OFFLINE, [Action.STOP, Action.NOTHING])
    assert ended(one, 0, 1.0, 1.0).phase is Phase.OFFLINE
    one, _ = follow(instance(Phase.ONLINE), Event.RESTART, Event.DISABLE)
    assert ended(one, 0, 1.0, 1.0).phase is Phase.DISABLED


def test_a_stop_on_request_is_no_failure_and_no_restart() -> None:
    one, _ = follow(instance(Phase.STARTING), Event.RESTART)
    one = ended(one, -15, 1.0, 1.0)
    assert (one.phase, one.failures, one.restarts) == (Phase.OFFLINE, (), 0)


def test_the_moment_of_the_last_change_moves_with_the_visible_state_only() -> None:
    one = replace(instance(Phase.ONLINE), since=5.0)
    assert advance(one, Event.ENABLE, 9.0)[0].since == 5.0
    assert advance(one, Event.DISABLE, 9.0)[0].since == 9.0


def test_going_online_forgets_the_reason() -> None:
    one = fail(instance(), 1.0)
    assert one.reason
    assert follow(one, Event.GO, Event.READY)[0].reason == ""


def test_the_table_leads_from_phases_to_phases_and_only_starts_what_does_not_run() -> None:
    for (phase, event), (target, action) in TABLE.items():
        assert isinstance(phase, Phase), event
        assert target is None or isinstance(target, Phase)
        assert (action is Action.START) == (target is Phase.STARTING)


def test_services_start_in_an_order_that_their_dependencies_allow() -> None:
    seen: list[str] = []
    for name, service in SERVICES.items():
        assert set(service.depends_on) <= set(seen)
        seen.append(name)


def test_a_log_is_named_after_the_service() -> None:
    assert log_path("svc:/network/varpd:default") == "var/svc/log/network-varpd:default.log"
