"""Options of the integration tests; their conftest takes them in."""

import pytest

FOLDER_STEPS = 150


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options."""
    parser.addoption(
        "--folder-steps",
        type=int,
        default=FOLDER_STEPS,
        help="how many acts on folders are compared with their model",
    )
