"""What the documentation lists is what there is."""

import re
from pathlib import Path

from shakeout.faults.catalogue import CATALOGUE

ROOT = Path(__file__).parents[3]
ROW = re.compile(r"^\| `([a-z-]+)` \| `(\w+\.\w+)` \|", re.MULTILINE)


def test_every_fault_is_in_the_docs_in_the_order_of_the_catalogue():
    listed = [name for name, _ in ROW.findall((ROOT / "docs" / "faults.md").read_text())]
    assert listed == [kind.name for kind in CATALOGUE]
