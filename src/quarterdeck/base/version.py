"""The version of Quarterdeck."""

VERSION = "0.1.0"
