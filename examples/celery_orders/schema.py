"""The database of the application: a stock, and the orders that were booked."""

import psycopg

SCHEMA = """
CREATE TABLE stock (item text PRIMARY KEY, left_over int NOT NULL);
CREATE TABLE orders (number int PRIMARY KEY, item text NOT NULL, worker text NOT NULL);
INSERT INTO stock VALUES ('tea', 100);
"""


def create_tables(database):
    with psycopg.connect(database) as connection:
        connection.execute(SCHEMA)
