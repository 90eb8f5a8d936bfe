"""A module that cannot be imported."""

raise KeyError("never mind")
