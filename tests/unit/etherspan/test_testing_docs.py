"""The examples of docs/testing.md run as they stand there, with the fixtures that pytest finds by itself."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from etherspan.testing.netns import plugindist
from libvarpd.plugins.direct import Direct

pytest_plugins = ["pytester"]

DOCUMENT = Path(__file__).parents[3] / "docs" / "testing.md"
EXAMPLE = re.compile(r"<!-- file: (\S+) -->\n```python\n(.*?)```", re.DOTALL)
EXAMPLES = dict(EXAMPLE.findall(DOCUMENT.read_text()))


@pytest.fixture
def examples(pytester: pytest.Pytester) -> pytest.Pytester:
    for name, text in EXAMPLES.items():
        (pytester.path / name).write_text(text)
    return pytester


def test_the_document_has_its_examples() -> None:
    assert sorted(EXAMPLES) == ["even.py", "test_even.py", "test_faults.py", "test_two_hosts.py"]


@pytest.mark.parametrize(("name", "count"), [("test_two_hosts.py", 1), ("test_faults.py", 1)])
def test_an_example_passes(examples: pytest.Pytester, name: str, count: int) -> None:
    examples.runpytest_subprocess("-W", "error", name).assert_outcomes(passed=count)


def test_a_custom_search_plugin_is_tested_in_memory(examples: pytest.Pytester) -> None:
    done = examples.runpytest_subprocess("-W", "error", "test_even.py", "-k", "in_memory")
    done.assert_outcomes(passed=1, deselected=1)


def test_a_custom_search_plugin_is_tested_on_this_machine(
    examples: pytest.Pytester, etherspan_namespaces: None
) -> None:
    done = examples.runpytest_subprocess("-W", "error", "--timeout=90", "test_even.py", "-k", "on_this_machine")
    done.assert_outcomes(passed=1, deselected=1)


def test_a_wrong_expectation_fails_and_says_what_came(examples: pytest.Pytester) -> None:
    text = EXAMPLES["test_even.py"].replace("q.expect(numbered(1, 2))", "q.expect(numbered(1, 2, serial=5))")
    (examples.path / "test_even.py").write_text(text)
    done = examples.runpytest_subprocess("test_even.py", "-k", "in_memory")
    done.assert_outcomes(failed=1, deselected=1)
    done.stdout.fnmatch_lines(["*b:vnic2: 1 frames expected, 1 have come; number 1 differs:*"])


def test_a_varpd_that_panics_fails_its_test(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest
        from etherspan.testing.topology import mac, numbered, vnic
        from kernel_sim.sys.overlay_target import TargMode
        from libvarpd.errors import VarpdPanic
        from libvarpd.plainplugin import PlainPlugin

        class Bad(PlainPlugin):
            name = "bad"
            mode = TargMode.DYNAMIC

            async def lookup(self, query):
                raise VarpdPanic("out of ideas")

        @pytest.fixture
        def etherspan_plugins():
            return [Bad]

        def test_bad(etherspan_world):
            host = etherspan_world.host("a", "10.88.88.1")
            host.dladm("create-overlay -e vxlan -s bad -v 23 -p vxlan/listen_ip=10.88.88.1 ov0")
            vnic(host, 1).send(numbered(1, 2))
            etherspan_world.advance(0.5)
        """
    )
    done = pytester.runpytest_subprocess()
    done.assert_outcomes(passed=1, errors=1)
    done.stdout.fnmatch_lines(["*VarpdPanic: out of ideas"])


@pytest.mark.parametrize(("ci", "outcome"), [("true", {"errors": 1}), ("", {"skipped": 1})])
def test_a_real_world_that_cannot_be_had_is_skipped_and_under_ci_fails(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, ci: str, outcome: dict[str, int]
) -> None:
    monkeypatch.setenv("CI", ci)
    pytester.makeconftest("import etherspan.testing.netns.world as w\nw.obstacle = lambda: 'the moon is wrong'")
    pytester.makepyfile("def test_it(etherspan_real_world): pass")
    done = pytester.runpytest_subprocess("-rs")
    done.assert_outcomes(**outcome)
    done.stdout.fnmatch_lines(["*the moon is wrong*"])


def test_a_plugin_that_no_other_process_can_load_is_refused(tmp_path: Path) -> None:
    class Inner(Direct):
        name = "inner"

    with pytest.raises(TypeError, match="is not at the top of a source file"):
        plugindist.write(tmp_path, [Inner])


def test_the_plugin_imports_nothing_of_etherspan_until_a_fixture_is_used(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import sys

        def test_nothing_is_loaded():
            found = {name for name in sys.modules if name.startswith(("etherspan", "kernel_sim", "libvarpd", "dladm"))}
            assert found == {"etherspan", "etherspan.testing", "etherspan.testing.pytest_plugin"}
        """
    )
    pytester.runpytest_subprocess().assert_outcomes(passed=1)
