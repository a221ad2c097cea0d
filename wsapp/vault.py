"""Sealed credentials: AES-256-GCM with corp and field as associated data, master keys kept outside the database.

The key file holds one key a line, `<key id> <64 hex digits>`; the first seals, all open (rotation). A sealed value is
`v1.<key id>.<base64 of nonce + ciphertext>`.
"""

import base64
import hashlib
import hmac
import os
import secrets
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY_BYTES = 32
NONCE_BYTES = 12
VERSION = "v1"


class VaultError(Exception):
    """The key file cannot be used, or a sealed value does not open with any key under this corp and field."""


class Vault:
    """Seals and opens small secrets; derives keys for signing that never equal the master key."""

    def __init__(self, keys: dict[str, bytes]) -> None:
        if not keys:
            raise VaultError("the key file holds no key")
        self.keys = keys
        self.current = next(iter(keys))

    @classmethod
    def at(cls, path: Path) -> "Vault":
        """Open the key file at `path`, making it (mode 0600) on the first start."""
        try:
            text = path.read_text()
        except FileNotFoundError:
            text = _make_key_file(path)
        keys = {}
        for line in text.splitlines():
            key_id, _, digits = line.strip().partition(" ")
            if not key_id:
                continue
            try:
                key = bytes.fromhex(digits.strip())
            except ValueError:
                raise VaultError(f"{path}: key {key_id} is not hexadecimal") from None
            if len(key) != KEY_BYTES:
                raise VaultError(f"{path}: key {key_id} is not {KEY_BYTES} bytes long")
            keys[key_id] = key
        return cls(keys)

    def seal(self, text: str, *, corp: str, field: str) -> str:
        """Seal `text` for one corp and field; only the same pair opens it."""
        nonce = os.urandom(NONCE_BYTES)
        sealed = AESGCM(self.keys[self.current]).encrypt(nonce, text.encode(), _bound_to(corp, field))
        return f"{VERSION}.{self.current}.{base64.b64encode(nonce + sealed).decode()}"

    def open(self, sealed: str, *, corp: str, field: str) -> str:
        """Open a sealed value. Raises VaultError when it was sealed for another corp or field, or by an unknown key."""
        try:
            version, key_id, body = sealed.split(".", 2)
            raw = base64.b64decode(body, validate=True)
            key = self.keys[key_id]
            if version != VERSION:
                raise ValueError(version)
            return AESGCM(key).decrypt(raw[:NONCE_BYTES], raw[NONCE_BYTES:], _bound_to(corp, field)).decode()
        except (ValueError, KeyError, InvalidTag):
            raise VaultError(f"the sealed {field} of {corp} does not open: another master key?") from None

    def derive(self, purpose: str) -> bytes:
        """Return 32 bytes that belong to `purpose` alone (cookie signing, file links, …)."""
        return hmac.new(self.keys[self.current], b"wsapp:" + purpose.encode(), hashlib.sha256).digest()


def _bound_to(corp: str, field: str) -> bytes:
    return f"{corp}\x00{field}".encode()


def _make_key_file(path: Path) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    text = f"k1 {secrets.token_hex(KEY_BYTES)}\n"
    draft = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(draft, path)  # whole or not at all, and never over another process's key
    except FileExistsError:
        return path.read_text()
    finally:
        draft.unlink()
    return text


def digest(text: str) -> str:
    """Return the hex SHA-256 of a token: what is stored in place of the token itself."""
    return hashlib.sha256(text.encode()).hexdigest()
