"""The version of Shakeout."""

VERSION = "0.1.0"
