"""DingTalk's signatures and the encryption of its event push.

Reading is our own, on `cryptography`: dingtalk-sdk compares signatures with `!=`, takes any byte for the padding
length, leaves the padding unchecked, and raises seven kinds of exception on signed garbage. Its encryption and its
signature are sound (they reproduce every official vector) and are used for what we send.
"""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit, urlunsplit

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from dingtalk.core.utils import DingTalkSigner
from dingtalk.crypto import DingTalkCrypto

from wsapp.connectors.base import BadCallback

AES_KEY_LENGTH = 43
BLOCK = 32  # the padding's block, twice that of AES
MAX_PAD = 32
RANDOM = 16  # random bytes in front of every message


@dataclass(frozen=True)
class Opened:
    """A decrypted push: the message, whose key stood behind it, and what recognises a replay."""

    message: bytes
    owner: str
    digest: str


@dataclass(frozen=True)
class EventCrypto:
    """Token and key of one event subscription (configure-event-subscription), for one app.

    `owners` are the accepted owner keys: the AppKey for a console subscription, the corp id for one made by API.
    """

    token: str
    aes_key: str
    owners: Sequence[str]

    def open(self, encrypt: str, signature: str, timestamp: str, nonce: str) -> Opened:
        """Verify and decrypt one push. Raises BadCallback for whatever is wrong, always the same."""
        key = self._key()
        expected = event_signature(self.token, timestamp, nonce, encrypt)
        if not hmac.compare_digest(expected.encode(), signature.encode()):
            raise BadCallback("signature")
        ciphertext = strict_base64(encrypt)
        message, owner = unpack(decrypt(key, ciphertext))
        for candidate in self.owners:
            if candidate and hmac.compare_digest(owner, candidate.encode()):
                return Opened(message, candidate, hashlib.sha256(ciphertext).hexdigest())
        raise BadCallback("owner key")

    def seal(self, message: str, owner: str, timestamp: str, nonce: str = "") -> dict[str, str]:
        """Encrypt an answer as the host wants it: `{"msg_signature", "timeStamp", "nonce", "encrypt"}`."""
        self._key()
        sealed = DingTalkCrypto(self.token, self.aes_key, owner)
        answer: dict[str, str] = sealed.encrypt_message(message, nonce or secrets.token_hex(8), timestamp)
        return answer

    def _key(self) -> bytes:
        if not self.token or len(self.aes_key) != AES_KEY_LENGTH:
            raise BadCallback("no key")
        return strict_base64(self.aes_key + "=", canonical=False)


def event_signature(token: str, timestamp: str, nonce: str, encrypt: str) -> str:
    """Hex SHA-1 of the four strings, sorted bytewise and joined."""
    signer = DingTalkSigner()
    signer.add_data(token, timestamp, nonce, encrypt)
    return str(signer.signature)


def strict_base64(text: str, *, canonical: bool = True) -> bytes:
    """Decode base64 that has exactly one spelling. Raises BadCallback.

    The last letter of a 43-letter key may carry idle bits, hence `canonical=False` for keys.
    """
    try:
        value = base64.b64decode(text.encode("ascii"), validate=True)
    except ValueError:
        raise BadCallback("base64") from None
    if canonical and base64.b64encode(value).decode() != text:
        raise BadCallback("base64")
    return value


def decrypt(key: bytes, ciphertext: bytes) -> bytes:
    """AES-256-CBC with the key's first half as IV, without the padding. Raises BadCallback."""
    if not ciphertext or len(ciphertext) % 16:
        raise BadCallback("ciphertext length")
    decryptor = Cipher(algorithms.AES(key), modes.CBC(key[:16])).decryptor()
    padded = decryptor.update(ciphertext) + decryptor.finalize()
    pad = padded[-1]
    if not 1 <= pad <= MAX_PAD or pad > len(padded) or padded[-pad:] != bytes([pad]) * pad:
        raise BadCallback("padding")
    return padded[:-pad]


def unpack(frame: bytes) -> tuple[bytes, bytes]:
    """Split random · length · message · owner key. The length counts bytes. Raises BadCallback."""
    if len(frame) < RANDOM + 4:
        raise BadCallback("frame")
    length = int.from_bytes(frame[RANDOM : RANDOM + 4], "big")
    start = RANDOM + 4
    if length > len(frame) - start:
        raise BadCallback("frame")
    return frame[start : start + length], frame[start + length :]


def card_signature(api_secret: str, timestamp: str) -> str:
    """Value of `x-ddpaas-signature` on a card callback (event-callback-card): it covers the timestamp only."""
    return _hmac(api_secret, timestamp)


def robot_signature(app_secret: str, timestamp: str) -> str:
    """Value of `sign` on a message to the robot."""
    return _hmac(app_secret, f"{timestamp}\n{app_secret}")


def _hmac(key: str, text: str) -> str:
    return base64.b64encode(hmac.new(key.encode(), text.encode(), hashlib.sha256).digest()).decode()


def signed_url(url: str) -> str:
    """The form of a page's address that the client signs: no fragment, the query percent-decoded once."""
    parts = urlsplit(url)
    plain = urlunsplit((parts.scheme, parts.netloc, parts.path, "", ""))
    return f"{plain}?{unquote(parts.query)}" if parts.query else plain


def jsapi_signature(ticket: str, nonce: str, timestamp: str, url: str, digest: str = "sha256") -> str:
    """Signature for `dd.config` of the page `url` (jsapi-authentication). `digest` is "sha256" or "sha1".

    The official sample of today hashes with SHA-256, older pages with SHA-1; which one a client takes is a setting.
    """
    text = f"jsapi_ticket={ticket}&noncestr={nonce}&timestamp={timestamp}&url={signed_url(url)}"
    return hashlib.new("sha1" if digest == "sha1" else "sha256", text.encode()).hexdigest()
