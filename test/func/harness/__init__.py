# SPDX-License-Identifier: BSD-3-Clause
"""What the functional tests are made of: guests, the switch, other peers."""
