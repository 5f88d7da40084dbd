"""How each kind of target is reached: one line of `CARRIERS` per kind, chosen here alone.

A carrier joins the kind's language (`hub/targets`, pure) to the adapter that takes its calls to the
platform and brings back what is said.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol, TypeVar

from hub.adapters.http import HttpPlatform
from hub.errors import ConfigurationError
from hub.targets import Call, Language
from hub.targets.http import HttpLanguage

if TYPE_CHECKING:
    from hub.engine.courier_book import How
    from hub.engine.courier_requests import Landed
    from hub.site import LoadedSite, Target

Observe = Callable[[float], object]
"""Told the seconds of every request; may be called from a thread of the adapter's own."""

CallT_contra = TypeVar("CallT_contra", bound=Call, contravariant=True)

_MARGIN_SECONDS: Final = 2.0
"""Beyond the time-out: a request that left at the last moment, and its way through the network."""
_TOPIC_GRACE_SECONDS: Final = 1.0
"""By topic nothing of a fenced predecessor can arrive; its answers only have to be read first."""


class Platform(Protocol[CallT_contra]):
    """What carries calls to a platform; called from one thread, none of it waits."""

    def launch(self, calls: Iterable[tuple[How, CallT_contra]]) -> None:
        """Let the calls leave."""

    def collect(self) -> list[Landed]:
        """Return what has ended since the last time, and what the platform said unasked."""

    def abandon(self) -> None:
        """Forget what is on its way; it is not collected any more."""

    def close(self) -> None:
        """Release connections and threads."""


class NoPlatform:
    """For targets reached by topic: there is nothing besides Kafka to talk to."""

    def launch(self, calls: Iterable[tuple[How, Call]]) -> None:
        """Refuse: a topic's deliveries leave with their intents."""
        raise AssertionError(f"{len(list(calls))} requests for a target without an address")

    def collect(self) -> list[Landed]:
        """Nothing lands."""
        return []

    def abandon(self) -> None:
        """Nothing is on its way."""

    def close(self) -> None:
        """Nothing is held."""


class Carrier(NamedTuple):
    """What one kind of target needs."""

    can_ask: bool
    """Whether the platform can be asked about a delivery; otherwise it is sent again, same id."""
    speak: Callable[[LoadedSite, Target], Language[Any, Any] | None]
    """The kind's language with the target's settings; None when it is reached by topic."""
    reach: Callable[[LoadedSite, Target, Observe], Platform[Any]]
    grace_seconds: Callable[[Target], float]
    """The longest a call of a predecessor may still have an effect."""
    first_poll_seconds: float = 0.2
    """How long the platform is left to speak by itself before it is asked."""


def _within_the_timeout(target: Target) -> float:
    return target.timeout_seconds + _MARGIN_SECONDS


def _reach_http(_loaded: LoadedSite, target: Target, observe: Observe) -> HttpPlatform:
    return HttpPlatform(target.url, target.timeout_seconds, target.concurrency, observe)


def _speak_http(loaded: LoadedSite, target: Target) -> HttpLanguage:
    """Raises `ConfigurationError` for a missing token."""
    problem = None
    token = ""
    if target.token_file is not None:
        try:
            token = loaded.path(target.token_file).read_text(encoding="utf-8").strip()
        except OSError as error:
            problem = error
    if token and token.isascii() and token.isprintable():
        return HttpLanguage(token)
    raise ConfigurationError(
        f"目标 {target.id} 的令牌文件缺失、为空或无法读取",
        f"the token file of target {target.id} is missing, empty or unreadable",
        remedy_zh="在 site.yaml 为该目标写明 token_file，文件内只放令牌",
        remedy_en="name token_file for this target in site.yaml; the file holds the token alone",
        file=str(target.token_file or ""),
    ) from problem


CARRIERS: Final[dict[str, Carrier]] = {
    "http": Carrier(
        can_ask=True, speak=_speak_http, reach=_reach_http, grace_seconds=_within_the_timeout
    ),
    "kafka": Carrier(
        can_ask=False,
        speak=lambda _loaded, _target: None,
        reach=lambda _loaded, _target, _observe: NoPlatform(),
        grace_seconds=lambda _target: _TOPIC_GRACE_SECONDS,
    ),
}
"""Every kind of target the hub can deliver to."""
