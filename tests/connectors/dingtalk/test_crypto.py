"""Official and own vectors of every signature, and what the crypto must refuse."""

import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from dingtalk.crypto import DingTalkCrypto

from wsapp.connectors.base import BadCallback
from wsapp.connectors.dingtalk.connector import DingTalkConnector
from wsapp.connectors.dingtalk.crypto import (
    EventCrypto,
    card_signature,
    decrypt,
    event_signature,
    jsapi_signature,
    robot_signature,
    signed_url,
    strict_base64,
    unpack,
)
from wsapp.connectors.dingtalk.emulator_events import encrypt_frame, is_success
from wsapp.connectors.dingtalk.emulator_world import Subscription


def fixture(name: str) -> dict[str, Any]:
    return json.loads((DingTalkConnector.folder / "fixtures" / name).read_text(encoding="utf-8"))


CRYPTO = fixture("callback_crypto.json")
VECTORS = CRYPTO["vectors"]
SIGNED = [one for one in VECTORS if one["signature"]]
OWN = next(one for one in VECTORS if one["id"] == "own-utf8-event")


def by_id(row: dict[str, Any]) -> str:
    return str(row["id"])


def open_vector(row: dict[str, Any], **changes: str) -> bytes:
    row = {**row, **changes}
    crypto = EventCrypto(row["token"], row["aes_key"], (row["owner_key"],))
    return crypto.open(row["encrypt"], row["signature"], row["timestamp"], row["nonce"]).message


@pytest.mark.parametrize("row", SIGNED, ids=by_id)
def test_signed_vectors_open(row: dict[str, Any]) -> None:
    assert open_vector(row).decode() == row["expected"]["message"]
    assert event_signature(row["token"], row["timestamp"], row["nonce"], row["encrypt"]) == row["signature"]


@pytest.mark.parametrize("row", VECTORS, ids=by_id)
def test_every_vector_decrypts_with_the_frame_that_was_published(row: dict[str, Any]) -> None:
    ciphertext = strict_base64(row["encrypt"])
    frame = decrypt(strict_base64(row["aes_key"] + "=", canonical=False), ciphertext)
    message, owner = unpack(frame)
    expected = row["expected"]
    assert (message.decode(), owner.decode()) == (expected["message"], row["owner_key"])
    assert len(ciphertext) == expected["ciphertext_bytes"]
    assert len(ciphertext) - len(frame) == expected["pad_length"]
    assert frame[:16].decode() == expected["random16"]
    assert len(message) == expected["message_byte_length"]


def test_there_are_ten_vectors() -> None:
    assert (len(VECTORS), len(SIGNED), len(CRYPTO["negative"])) == (10, 9, 2)


@pytest.mark.parametrize("row", CRYPTO["negative"], ids=by_id)
def test_negative_variants_are_refused(row: dict[str, Any]) -> None:
    original = next(one for one in VECTORS if one["id"] == row["based_on"])
    with pytest.raises(BadCallback):
        open_vector(original, **row["change"])


def test_the_second_owner_key_is_tried_and_named() -> None:
    row = next(one for one in VECTORS if one["id"] == "own-corpid-owner")
    crypto = EventCrypto(row["token"], row["aes_key"], ("dingcrmtestappkey1", row["owner_key"]))
    opened = crypto.open(row["encrypt"], row["signature"], row["timestamp"], row["nonce"])
    assert opened.owner == "ding0123456789abcdef"


def test_an_empty_owner_key_matches_nobody() -> None:
    frame = encrypt_frame(Subscription(token="t", aes_key=OWN["aes_key"], owner=""), '{"EventType":"check_url"}')
    crypto = EventCrypto("t", OWN["aes_key"], ("", ""))
    with pytest.raises(BadCallback):
        crypto.open(frame, event_signature("t", "1", "n", frame), "1", "n")


@pytest.mark.parametrize("length", [0, 1, 11, 12, 26, 31, 32, 33, 127, 128, 200, 4000])
def test_what_the_sdk_seals_we_open_and_what_we_seal_the_sdk_opens(length: int) -> None:
    text = "业" * length
    crypto = EventCrypto("crmToken1", OWN["aes_key"], ("dingcrmtestappkey1",))
    sdk = DingTalkCrypto("crmToken1", OWN["aes_key"], "dingcrmtestappkey1")
    theirs = sdk.encrypt_message(text, "n0nce123", "1700000000000")
    opened = crypto.open(theirs["encrypt"], theirs["msg_signature"], "1700000000000", "n0nce123")
    assert opened.message.decode() == text
    ours = crypto.seal(text, "dingcrmtestappkey1", "1700000000000")
    got = sdk.decrypt_message({"encrypt": ours["encrypt"]}, ours["msg_signature"], ours["timeStamp"], ours["nonce"])
    assert got == text


def test_the_answer_is_an_encrypted_success() -> None:
    crypto = EventCrypto("crmToken1", OWN["aes_key"], ("dingcrmtestappkey1",))
    answer = crypto.seal("success", "dingcrmtestappkey1", "1700000000000")
    assert set(answer) == {"msg_signature", "timeStamp", "nonce", "encrypt"}
    row = next(one for one in VECTORS if one["id"] == "own-reply-success")
    assert len(answer["encrypt"]) == len(row["encrypt"])
    body = json.dumps(answer).encode()
    assert is_success(Subscription("", "crmToken1", OWN["aes_key"], "dingcrmtestappkey1"), body)
    assert not is_success(Subscription("", "crmToken1", OWN["aes_key"], "another"), body)
    assert not is_success(Subscription("", "crmToken1", OWN["aes_key"], "another"), b"success")


@pytest.mark.parametrize("pad", [0, 33, 255])
def test_bad_padding_is_refused(pad: int) -> None:
    key = b"k" * 32
    encryptor = Cipher(algorithms.AES(key), modes.CBC(key[:16])).encryptor()
    whole = encryptor.update(b"x" * 63 + bytes([pad])) + encryptor.finalize()
    with pytest.raises(BadCallback):
        decrypt(key, whole)


def test_padding_is_checked_byte_by_byte() -> None:
    key = b"k" * 32
    encryptor = Cipher(algorithms.AES(key), modes.CBC(key[:16])).encryptor()
    whole = encryptor.update(b"x" * 60 + b"\x03\x04\x04\x04") + encryptor.finalize()
    with pytest.raises(BadCallback):
        decrypt(key, whole)


@pytest.mark.parametrize("text", ["YQ", "YR==", "YQ==\n", "YQ= =", "Y~==", "Yé=="])
def test_base64_has_one_spelling(text: str) -> None:
    with pytest.raises(BadCallback):
        strict_base64(text)


@pytest.mark.parametrize("row", fixture("jsapi_signature.json")["vectors"], ids=by_id)
@pytest.mark.parametrize("digest", ["sha1", "sha256"])
def test_jsapi_vectors(row: dict[str, Any], digest: str) -> None:
    assert signed_url(row["page_url"]) == row["signed_url"]
    got = jsapi_signature(row["jsapi_ticket"], row["noncestr"], row["timestamp"], row["page_url"], digest)
    assert got == row[digest]


def test_hmac_vectors() -> None:
    vectors = fixture("hmac_signatures.json")
    for row in vectors["robot"]["vectors"]:
        assert robot_signature(row["secret"], row["timestamp_ms"]) == row["header_sign"]
    for row in vectors["card_http_callback"]["vectors"]:
        signature = card_signature(row["api_secret"], row["x_ddpaas_signature_timestamp"])
        assert signature == row["x_ddpaas_signature"]
