"""The restarter's table driven at random, beside a model of the service's processes."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from dladm.libscf.protocol import State
from etherspan.host.states import FAILURE_LIMIT, FAILURE_WINDOW, Action, Event, Instance, Phase, Service, advance, ended

SERVICE = Service("svc:/test:default", "a test", "nowhere", ("door",), "log")
ASKED = st.sampled_from([Event.ENABLE, Event.DISABLE, Event.RESTART])


class ServiceMachine(RuleBasedStateMachine):
    @initialize(enabled=st.booleans())
    def begin(self, enabled: bool) -> None:
        self.one = Instance(SERVICE, Phase.OFFLINE if enabled else Phase.DISABLED, enabled, 0.0)
        self.wanted = enabled
        self.alive = False
        self.told_to_stop = False
        self.now = 0.0
        self.failures: list[float] = []

    def happen(self, event: Event) -> None:
        self.one, action = advance(self.one, event, self.now)
        match action:
            case Action.START:
                assert not self.alive
                self.alive, self.told_to_stop = True, False
            case Action.STOP | Action.KILL:
                assert self.alive
                self.told_to_stop = True
            case Action.NOTHING:
                pass

    @rule(seconds=st.floats(0, FAILURE_WINDOW))
    def pass_time(self, seconds: float) -> None:
        self.now += seconds

    @rule(event=ASKED)
    def ask(self, event: Event) -> None:
        self.happen(event)
        if event is not Event.RESTART:
            self.wanted = event is Event.ENABLE

    @precondition(lambda self: self.one.phase is Phase.MAINTENANCE)
    @rule()
    def clear(self) -> None:
        self.happen(Event.CLEAR)
        self.failures = []
        assert self.one.phase is (Phase.OFFLINE if self.wanted else Phase.DISABLED)

    @rule()
    def dependencies_are_online(self) -> None:
        waiting = self.one.phase is Phase.OFFLINE
        self.happen(Event.GO)
        assert not waiting or self.one.phase is Phase.STARTING

    @precondition(lambda self: self.one.phase is Phase.STARTING)
    @rule()
    def doors_answer(self) -> None:
        self.happen(Event.READY)
        self.failures = []
        assert self.one.state is State.ONLINE

    @precondition(lambda self: self.one.phase in {Phase.STARTING, Phase.STOPPING})
    @rule()
    def it_takes_too_long(self) -> None:
        self.happen(Event.TIMEOUT)
        assert self.told_to_stop

    @precondition(lambda self: self.alive)
    @rule(status=st.sampled_from([0, 1, 95, 96, -9, -15]))
    def it_ends(self, status: int) -> None:
        before = self.one
        self.one = ended(self.one, status, self.now, self.now)
        self.alive = False
        if before.phase is not Phase.STARTING:
            assert (self.one.phase is Phase.MAINTENANCE) == (before.phase is Phase.FAULTING)
            return
        self.failures = [*(one for one in self.failures if one > self.now - FAILURE_WINDOW), self.now]
        for_good = status in {95, 96} or len(self.failures) >= FAILURE_LIMIT
        if status in {95, 96}:
            self.failures.pop()
        assert (self.one.phase is Phase.MAINTENANCE) == for_good

    @invariant()
    def processes_are_where_the_phase_says(self) -> None:
        assert self.one.running == self.alive

    @invariant()
    def the_last_wish_is_kept(self) -> None:
        assert self.one.enabled == self.wanted
        if self.one.phase in {Phase.OFFLINE, Phase.STARTING, Phase.ONLINE}:
            assert self.wanted
        if self.one.phase is Phase.DISABLED:
            assert not self.wanted

    @invariant()
    def a_service_rests_or_is_on_its_way_to_another_state(self) -> None:
        assert self.one.next_state != self.one.state


TestService = ServiceMachine.TestCase
