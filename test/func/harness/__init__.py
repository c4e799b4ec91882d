# SPDX-License-Identifier: BSD-3-Clause
"""Parts of the functional tests: guests, the switch, other peers."""
