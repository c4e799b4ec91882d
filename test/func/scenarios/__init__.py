# SPDX-License-Identifier: BSD-3-Clause
"""Every scenario, in the order they run."""

from .cli import Cli
from .copies import Copies
from .demo import Demo
from .ethdev import Ethdev
from .hostile import Hostile
from .iommu import Iommu
from .limits import Flood, Limits
from .migration import Migration
from .netns import Netns
from .ovs import Ovs
from .pair import X86Pair
from .restart import Restart
from .s390x import Refusal, S390x
from .scale import Scale
from .states import States
from .telemetry import Telemetry
from .user import OrdinaryUser, Sockets
from .virtio_user import Loopback, LoopbackQueues, Restarts, ThereAndBack
from .vlan import Kernels, Vlans

SCENARIOS = [Cli, ThereAndBack, Loopback, LoopbackQueues, Restarts, Scale, Sockets, OrdinaryUser,
             Hostile, States, Vlans, Kernels, Copies, Limits, Flood, Demo, X86Pair, Restart, S390x,
             Refusal, Iommu, Migration, Netns, Ovs, Telemetry, Ethdev]
