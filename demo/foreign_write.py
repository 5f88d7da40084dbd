"""A department that writes where it has no business: the broker, not the hub, says no."""

from typing import Final, NamedTuple

from confluent_kafka import KafkaError, KafkaException, Producer

from hub.config.kafka_access import KafkaAccess
from hub.config.site import Site

_SECONDS: Final = 15.0
WHO: Final = "market-supervision"


class Attempt(NamedTuple):
    """One message that was sent under a department's name."""

    principal: str
    topic: str
    """Without the site's prefix."""
    answer: str
    """The broker's name for its refusal; "" when it took the message."""

    @property
    def is_refused(self) -> bool:
        """Whether the broker refused for want of a right."""
        return self.answer == "TOPIC_AUTHORIZATION_FAILED"


def try_foreign_writes(site: Site, access: KafkaAccess) -> list[Attempt]:
    """Write to another department's topic and to the ledger, with a department's own password.

    Empty on a broker that asks for no passwords: there nobody is refused.
    """
    if not access.user:
        return []
    principal = f"dept.{WHO}"
    other = next(d.id for d in site.departments if d.id != WHO)
    mine = access.of(site.user(principal))
    return [
        Attempt(principal, name, _write(mine, site.topic(name)))
        for name in (f"submissions.{other}", "ledger")
    ]


def _write(access: KafkaAccess, topic: str) -> str:
    """Send one message; what the broker answered, "" when it took it."""
    answers: list[KafkaError | None] = []
    producer = Producer({**access.as_librdkafka(), "message.timeout.ms": int(_SECONDS * 1000)})
    producer.produce(topic, b"not mine", on_delivery=lambda error, _message: answers.append(error))
    try:
        producer.flush(_SECONDS)
    except KafkaException as error:
        return str(error.args[0].name())
    if not answers:
        return "NO_ANSWER"
    return "" if answers[0] is None else str(answers[0].name())
