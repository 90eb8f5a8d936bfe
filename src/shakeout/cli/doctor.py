"""`shakeout doctor`: what this machine lacks for booting and breaking a system, and the remedies."""

import argparse
import json
import textwrap
from collections.abc import Sequence
from dataclasses import asdict

from shakeout import settings
from shakeout.cli import examination, text
from shakeout.cli.examination import Finding
from shakeout.cli.machine import Machine

WIDTH = 80
MARK_WIDTH = len("missing") + 2


def run(options: argparse.Namespace) -> int:
    """Returns 1 if anything is missing that a boot needs."""
    findings = list(examination.examine(settings.read(), Machine()))
    if options.json:
        text.say(json.dumps([{**asdict(one), "fine": one.fine} for one in findings]))
    else:
        for one in findings:
            for line in lines(one):
                text.say(line)
        text.say("")
        text.say(summary(findings))
    return 1 if any(not one.fine and not one.optional for one in findings) else 0


def lines(finding: Finding) -> Sequence[str]:
    """One finding, with its remedy below it."""
    word, colour = ("ok", text.GREEN) if finding.fine else ("missing", text.RED)
    if not finding.fine and finding.optional:
        word, colour = "without", text.YELLOW
    blank = " " * MARK_WIDTH
    said = textwrap.wrap(f"{finding.name}: {finding.detail}", WIDTH - MARK_WIDTH)
    told = [f"{text.coloured(word.ljust(MARK_WIDTH), colour)}{said[0]}"]
    told += [f"{blank}{line}" for line in said[1:]]
    if finding.remedy:
        told.append(f"{blank}-> {finding.remedy}")  # whole, to be copied
    return told


def summary(findings: Sequence[Finding]) -> str:
    """The last line."""
    lacking = sum(not one.fine and not one.optional for one in findings)
    without = sum(not one.fine and one.optional for one in findings)
    if lacking:
        return f"{lacking} of {len(findings)} checks failed"
    if without:
        return f"ready; {without} of {len(findings)} things are missing that not everybody needs"
    return "everything is there"
