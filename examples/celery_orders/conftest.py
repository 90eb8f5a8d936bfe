"""Tells Shakeout which system the tests are about, and gives the tests a customer of it."""

import pytest
import shop
from system import system as declared


@pytest.fixture(scope="session")
def system():
    return declared


@pytest.fixture
def customer(private_cluster):
    """Orders through Flower, and sees the database with its own eyes. The cluster is this test's alone."""
    return shop.Customer(private_cluster)
