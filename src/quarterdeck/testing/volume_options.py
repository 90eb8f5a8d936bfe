"""Options of the storage-proxy's component tests; their conftest takes them in."""

import pytest

VOLUME_STEPS = 400


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options."""
    parser.addoption(
        "--volume-steps",
        type=int,
        default=VOLUME_STEPS,
        help="how many steps the comparison of volumes with their model takes",
    )
