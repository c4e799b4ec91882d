# SPDX-License-Identifier: BSD-3-Clause
"""Every scenario, in the order they run."""

from .pair import X86Pair
from .s390x import Refusal, S390x

SCENARIOS = [X86Pair, S390x, Refusal]
