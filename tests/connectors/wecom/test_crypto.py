"""The published vectors, and that nothing but the real thing opens."""

import base64
import struct
from collections.abc import Callable
from typing import Any

import pytest
from wechatpy.crypto.base import WeChatCipher

from wsapp.connectors.base import BadCallback
from wsapp.connectors.wecom import crypto

KEY = "jWmYm7qr5nMoAUwZRjGtBxmz3KA1tkAj3ykkR6q2B2C"
CORP = "wx5823bf96d3bd56c7"


def seal(content: bytes) -> bytes:
    """Encrypt without any of the rules, to make what should be refused."""
    cipher: bytes = WeChatCipher(base64.b64decode(KEY + "=")).encrypt(content)
    return cipher


def packed(message: bytes, *, length: int | None = None, receiver: str = CORP, padding: bytes | None = None) -> bytes:
    content = b"r" * 16 + struct.pack(">I", len(message) if length is None else length) + message + receiver.encode()
    count = 32 - len(content) % 32
    return content + (bytes([count]) * count if padding is None else padding)


def test_every_vector_verifies_and_opens(fixture: Callable[[str], Any]) -> None:
    vectors = fixture("vectors/callback_crypto_vectors.json")["vectors"]
    assert len(vectors) >= 6
    for one in vectors:
        parts = (one["token"], one["timestamp"], one["nonce"], one["encrypt"])
        assert crypto.sign(*parts) == one["msg_signature"], one["name"]
        assert crypto.is_signed(*parts, one["msg_signature"])
        cipher = crypto.decode(one["encrypt"])
        plain = crypto.decrypt(one["encoding_aes_key"], cipher, one["receive_id"])
        assert plain.decode() == one["plaintext"], one["name"]


def test_every_page_signature_vector(fixture: Callable[[str], Any]) -> None:
    vectors = fixture("vectors/jsapi_signature_vectors.json")["vectors"]
    assert len(vectors) >= 3
    for one in vectors:
        url = one["url"] + "#/visit/42"
        signature = crypto.page_signature(one["jsapi_ticket"], one["noncestr"], one["timestamp"], url)
        assert signature == one["signature"], one["name"]


def test_a_well_made_message_opens() -> None:
    assert crypto.decrypt(KEY, seal(packed(b"<xml/>")), CORP) == b"<xml/>"


@pytest.mark.parametrize(
    "content",
    [
        packed(b"<xml/>", length=7),  # one byte of the receiver counted in
        packed(b"<xml/>", length=5),
        packed(b"<xml/>", length=0xFFFFFFFF),
        packed(b"<xml/>", receiver="wx5823bf96d3bd56c8"),
        packed(b"<xml/>", receiver=""),
        packed(b"<xml/>", receiver=CORP.upper()),
        b"r" * 31 + b"\x00",  # padding of nothing
        b"r" * 31 + b"\x21",  # of 33
        b"r" * 30 + b"\x01\x02",  # two bytes of padding that differ
        b"\x20" * 32,  # padding alone
        b"\x0d" * 32,  # too short for a length
    ],
)
def test_malformed_plaintexts_are_refused(content: bytes) -> None:
    with pytest.raises(BadCallback):
        crypto.decrypt(KEY, seal(content.ljust(-len(content) % 32 + len(content), b"\x01")), CORP)


@pytest.mark.parametrize("key", ["", KEY[:42], KEY + "a", KEY[:42] + "+", KEY[:42] + "\n"])
def test_a_key_that_is_not_43_letters_and_digits_opens_nothing(key: str) -> None:
    with pytest.raises(BadCallback):
        crypto.decrypt(key, seal(packed(b"<xml/>")), CORP)


def test_an_empty_receiver_is_never_right() -> None:
    with pytest.raises(BadCallback):
        crypto.decrypt(KEY, seal(packed(b"<xml/>", receiver="")), "")


@pytest.mark.parametrize("text", ["", "A", "====", "中文", "AAAA\n", "QUJD", " " * 44, "A" * 44, "A" * 43 + "B"])
def test_only_canonical_base64_of_whole_blocks_is_ciphertext(text: str) -> None:
    with pytest.raises(BadCallback):
        crypto.decode(text)


def test_an_unset_token_signs_nothing() -> None:
    assert not crypto.is_signed("", "1409659589", "1", "x", crypto.sign("", "1409659589", "1", "x"))
