"""How much one answer of a long list has at most. No msgspec here: `qd` starts fast."""

IMAGES_MAX = 500
