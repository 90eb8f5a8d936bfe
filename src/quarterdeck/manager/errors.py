"""What keeps a manager from starting, its schema from changing, or a request from ending.

QuarterdeckError
├── SchemaNotCurrent
├── SchemaInUse        a table was not to be had for a change of the schema, nothing was done
├── NotConfigured      a key that every component needs is missing in etcd
├── TookTooLong        nothing was done
└── OutcomeNotKnown    it may have been done
"""

from quarterdeck.base.errors import QuarterdeckError


class SchemaNotCurrent(QuarterdeckError):
    """The database has not the schema that this manager needs."""


class SchemaInUse(QuarterdeckError):
    """Somebody holds a table that is to be changed, perhaps a dump or a transaction by hand; nothing was changed, run it again."""


class NotConfigured(QuarterdeckError):
    """The cluster's configuration in etcd is not complete."""


class TookTooLong(QuarterdeckError):
    """It took too long."""

    code = "unavailable"


class OutcomeNotKnown(QuarterdeckError):
    """It took too long; whether it was done is not known."""

    code = "outcome-unknown"
