"""The advisory locks of the manager's transactions: one number each (x51440001 migrations)."""

PLACEMENT = 0x5144_0002
"""Taken by the function `place_sessions`, too."""

AGENTS = 0x5144_0003
