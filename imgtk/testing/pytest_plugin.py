"""A plugin of pytest: `imgtk_plugin = imgtk-mine` in its configuration adds the checks of that plugin to its tests.

It is loaded wherever imgtk is installed, so it imports nothing of imgtk until it is asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from imgtk.testing.plugin import Check

__all__ = ["pytest_addoption", "pytest_collection_modifyitems"]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addini("imgtk_plugin", "distributions whose imgtk plugins are checked", type="args", default=[])


@pytest.hookimpl(trylast=True)  # else selecting tests by name would leave them out
def pytest_collection_modifyitems(session: pytest.Session, config: pytest.Config, items: list[pytest.Item]) -> None:
    names = config.getini("imgtk_plugin")
    if not names or config.option.keyword or any("::" in argument for argument in config.args):
        return
    from imgtk.testing.plugin import plugin_checks

    for name in names:
        for check in plugin_checks(name):
            items.append(PluginCheck.from_parent(session, name=f"{name}: {check.name}", check=check))


class PluginCheck(pytest.Item):
    """One check of a plugin."""

    def __init__(self, *, check: Check, **more: Any) -> None:
        super().__init__(**more)
        self.check = check

    def runtest(self) -> None:
        self.check.run()

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        if isinstance(excinfo.value, AssertionError):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Any, int | None, str]:
        return self.path, None, self.name
