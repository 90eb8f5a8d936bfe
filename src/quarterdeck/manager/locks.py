"""The advisory locks of the manager's transactions: one number each (x51440001 migrations, x51440002 placement)."""

AGENTS = 0x5144_0003
