# SPDX-License-Identifier: BSD-3-Clause
"""Simulated ConnectX-6 Dx cards under DPDK's own mlx5 driver: see test/mlx5sim/card.h."""

import os
import pathlib

from .peers import Switch
from .process import Skip, wait_for

LIBRARY = "libmlx5sim.so"
DRIVER = "librte_vdpa_mlx5.so*"
FIRST, SECOND = "0000:3b:00.2", "0000:3b:00.3"
SYSFS = {"vendor": "0x15b3", "device": "0x101e", "subsystem_vendor": "0x15b3",
         "subsystem_device": "0x0058", "class": "0x020000", "numa_node": "0",
         "resource": "0x0000000000000000 0x0000000000000000 0x0000000000000000\n" * 6}


def library():
    """The preloaded library, beside the program under test or in its build directory."""
    here = pathlib.Path(Switch.program).parent
    for path in (here / LIBRARY, here.parent / "test" / "mlx5sim" / LIBRARY):
        if path.exists():
            return path
    raise Skip(f"no {LIBRARY} beside {Switch.program} (libibverbs-dev was not there)")


def find_driver():
    """Skips where DPDK has no mlx5 vDPA driver."""
    for folder in ("/usr/lib", "/usr/local/lib"):
        if any(pathlib.Path(folder).rglob(DRIVER)):
            return
    raise Skip("DPDK has no mlx5 vDPA driver here")


class Cards:
    """The functions there are, and orders to them."""

    def __init__(self, workdir, addresses=(FIRST, SECOND)):
        find_driver()
        self.library = library()
        self.folder = pathlib.Path(workdir) / "mlx5"
        self.addresses = addresses
        for address in addresses:
            self._make_sysfs(address)
            verbs = self.folder / "verbs" / address / "device"
            verbs.mkdir(parents=True, exist_ok=True)
            (verbs / "uevent").write_text(f"PCI_SLOT_NAME={address}\n", "ascii")

    def _make_sysfs(self, address):
        pci = self.folder / "pci" / address
        pci.mkdir(parents=True, exist_ok=True)
        for name, value in SYSFS.items():
            (pci / name).write_text(value + "\n", "ascii")
        if not (pci / "driver").is_symlink():
            os.symlink("/nowhere/mlx5_core", pci / "driver")

    def environment(self):
        """Variables by which a program finds them."""
        return {"LD_PRELOAD": str(self.library), "MLX5SIM": str(self.folder / "verbs"),
                "SYSFS_PCI_DEVICES": str(self.folder / "pci"),
                # the sanitizer's library is not the first one then
                "ASAN_OPTIONS": "verify_asan_link_order=0"}

    def order(self, switch, *orders):
        """Have orders carried out by the cards of a running program."""
        path = self.folder / "verbs" / "orders"
        draft = path.with_suffix(".new")
        draft.write_text("".join(f"{order}\n" for order in orders), "ascii")
        draft.rename(path)
        wait_for(f"the cards to obey {orders}", lambda: not path.exists(), 30, alive=[switch])


class SwitchWithCards(Switch):
    """vqswitch on a machine with such cards; all but the probed ones wait to be attached."""

    def __init__(self, name, workdir, ports, cards=None, probe=(), **kw):
        super().__init__(name, workdir, ports, **kw)
        words = [word for address in probe for word in ("-a", f"{address},class=vdpa")]
        if not words:
            words = ["-a", "0000:00:00.0"]  # the bus is there, nothing on it is taken
        at = self.argv.index("--no-pci")
        self.argv[at:at + 1] = words
        self.argv[:0] = ["env", *(f"{k}={v}" for k, v in cards.environment().items())]
