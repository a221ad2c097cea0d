"""What a call to a host can end in, besides success."""

from wsapp.logs import redact


class HostError(Exception):
    """A host did not do what was asked. `code` is the host's own code, always as a string.

    The reason is often the host's own words, which may repeat what we sent: secrets are taken out of it. Where known,
    `words` are the host's own and `request_id` is what its support asks for.
    """

    words = ""
    request_id = ""

    def __init__(self, reason: str, *, code: str = "") -> None:
        reason = redact(reason)
        super().__init__(f"{code}: {reason}" if code else reason)
        self.reason = reason
        self.code = code

    def told(self, words: str, request_id: str = "") -> None:
        """Remember the host's own words, short and without secrets, and its number for this call."""
        self.words = redact(" ".join(words.split()))[:200]
        self.request_id = request_id[:64]


class TryLater(HostError):
    """Transient: busy, throttled, timed out. `after` is seconds to wait; `ambiguous` says that the effect may
    have happened although no answer arrived, so only a repeat of the same bytes is safe."""

    def __init__(self, reason: str, *, after: float = 5, code: str = "", ambiguous: bool = False) -> None:
        super().__init__(reason, code=code)
        self.after = after
        self.ambiguous = ambiguous


class Refused(HostError):
    """Permanent: the host understood and said no. Never repeated."""


class OutOfRange(Refused):
    """The person or department is outside the app's visible range (可见范围), or has left."""


class BadCode(Refused):
    """The sign-in code is unknown, used, expired or of another kind."""


class NotAMember(Refused):
    """Whoever signed in is no employee of this corp (external contact, another organisation)."""


class BadCredentials(HostError):
    """The secret, key or IP is wrong: switch off and tell the administrator."""


class BadCallback(HostError):
    """A callback that is not from the host. Every cause looks alike from outside: one uniform 403."""
