# SPDX-License-Identifier: BSD-3-Clause
"""Every scenario: the classes of this folder's modules that have checks."""

import importlib
import pkgutil

from .base import Scenario


def _found():
    for module in pkgutil.iter_modules(__path__):
        members = vars(importlib.import_module(f"{__name__}.{module.name}"))
        for member in members.values():
            if isinstance(member, type) and issubclass(member, Scenario) \
                    and member.__module__ == members["__name__"] and member.checks():
                yield member


# the longest first: together they end soonest
SCENARIOS = sorted(_found(), key=lambda scenario: -scenario.seconds)
