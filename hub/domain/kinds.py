"""The kinds of message: what departments and the hub's own workers submit, and what the hub says.

A kind is `<subject>.<what happened>.v<version of its schema>`; submissions have their schema in
`avro_schemas/`; `topics/` says on which topics each travels.
"""

from typing import Final

# Submitted by departments.
LICENCE: Final = "licence.granted.v1"
PENALTY: Final = "penalty.imposed.v1"
LISTED: Final = "court_enforcement.listed.v1"
DELISTED: Final = "court_enforcement.delisted.v1"
SNAPSHOT: Final = "court_enforcement.snapshot_declared.v1"
MADE: Final = "commitment.made.v1"
PERFORMED: Final = "commitment.performed.v1"
OUTPUT_COUNT: Final = "output_count.declared.v1"
CORRECTED: Final = "record.corrected.v1"
WITHDRAWN: Final = "record.withdrawn.v1"
RESTORED: Final = "record.restored.v1"

# Added by their connectors.
MOVED_OUT: Final = "record.moved_out.v1"
MOVED_IN: Final = "record.moved_in.v1"
UNREADABLE: Final = "row.unreadable.v1"
RECONCILED: Final = "source.reconciled.v1"

# Found by the hub's own workers.
EXIT_MISSING: Final = "court_enforcement.exit_missing.v1"
PERFORMANCE_MISSING: Final = "commitment.performance_missing.v1"
REMINDER: Final = "reminder.issued.v1"
DUTY_LIFTED: Final = "duty.lifted.v1"
"""A good row answers the duties of a faulty one in another partition."""

# The control topic.
BASIS_ADOPTED: Final = "basis.adopted.v1"
MAP_CHANGED: Final = "map.changed.v1"
"""A slot gives a partition up to another."""
MOVE_NOTED: Final = "move.noted.v1"
"""Outcome of the first half of a move, sent to the second."""
MOVE_ARRIVED: Final = "move.arrived.v1"
"""The second half of a move was accepted: news for the place the record left."""
RESEND_REQUESTED: Final = "resend.requested.v1"
"""Records are to be named for a target again."""
LOSS_ACCEPTED: Final = "loss.accepted.v1"
"""Missing ledger records are declared lost; the rest goes on."""
REDECISION_REQUESTED: Final = "redecision.requested.v1"
"""Decisions of a rule are to be made again, by the rule now in force."""

INPUT_LOST: Final = "input.lost.v1"
"""Undecided inputs are gone from a topic, and an operator answers for that."""

# Between the hub's workers, and to the outside.
ATTEMPT_INTENDED: Final = "attempt.intended.v1"
ATTEMPT_RESULTED: Final = "attempt.resulted.v1"
DELIVERY_REQUESTED: Final = "delivery.requested.v1"
OUTCOME_REPORTED: Final = "outcome.reported.v1"
LEDGER_READ: Final = "ledger.read.v1"
"""All notices of the ledger up to a moment have been written."""
NOTICE_GIVEN: Final = "notice.given.v1"
RECEIPT_ISSUED: Final = "receipt.issued.v1"
