"""WeCom's callback envelope and page signatures.

Rules: developer.work.weixin.qq.com paths 90930 and 96238 (加解密方案说明). The primitives (sorted SHA-1, AES-CBC) are
wechatpy's. Its envelope functions are not used: they parse XML before they check the signature, compare signatures in
variable time, and take any last byte for a padding length.
"""

import base64
import hashlib
import hmac
import re
import secrets
import struct

from wechatpy.crypto.base import WeChatCipher
from wechatpy.utils import WeChatSigner

from wsapp.connectors.base import BadCallback

AES_KEY = re.compile(r"[0-9A-Za-z]{43}")
SIGNATURE = re.compile(r"[0-9a-f]{40}")
BLOCK = 32
HEAD = 20  # 16 random bytes, then the length of the message as 4 bytes, big-endian


def sign(token: str, timestamp: str, nonce: str, encrypted: str) -> str:
    """msg_signature: SHA-1, in hex, over the sorted and joined parts."""
    signer = WeChatSigner()
    signer.add_data(token, timestamp, nonce, encrypted)
    return str(signer.signature)


def is_signed(token: str, timestamp: str, nonce: str, encrypted: str, signature: str) -> bool:
    """Compare in constant time. An empty token signs nothing."""
    if not token or not SIGNATURE.fullmatch(signature):
        return False
    return hmac.compare_digest(sign(token, timestamp, nonce, encrypted), signature)


def decode(encrypted: str) -> bytes:
    """Ciphertext from its one canonical base64 form, whole blocks only. Raises BadCallback."""
    try:
        cipher = base64.b64decode(encrypted, validate=True)
    except ValueError:
        raise BadCallback("ciphertext") from None
    if not cipher or len(cipher) % BLOCK or base64.b64encode(cipher).decode() != encrypted:
        raise BadCallback("ciphertext")
    return cipher


def decrypt(aes_key: str, cipher: bytes, receive_id: str) -> bytes:
    """Return the message inside; length, padding and receiver must all be right. Raises BadCallback."""
    if not AES_KEY.fullmatch(aes_key):
        raise BadCallback("key")
    plain: bytes = WeChatCipher(base64.b64decode(aes_key + "=")).decrypt(cipher)
    padding = plain[-1]
    if not 1 <= padding <= BLOCK or plain[-padding:] != bytes([padding]) * padding:
        raise BadCallback("padding")
    content = plain[:-padding]
    if len(content) < HEAD:
        raise BadCallback("length")
    (length,) = struct.unpack(">I", content[16:HEAD])
    receiver = receive_id.encode()
    if length != len(content) - HEAD - len(receiver):
        raise BadCallback("length")
    if not receiver or not hmac.compare_digest(content[HEAD + length :], receiver):
        raise BadCallback("receiver")
    return content[HEAD : HEAD + length]


def page_signature(ticket: str, nonce: str, timestamp: int, url: str) -> str:
    """Signature of a page for the host's script (JS-SDK 签名算法, path 90506). `url` is cut before `#`."""
    page = url.split("#", 1)[0]
    text = f"jsapi_ticket={ticket}&noncestr={nonce}&timestamp={timestamp}&url={page}"
    return hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()


def encrypt(aes_key: str, message: bytes, receive_id: str) -> str:
    """What the host would send: the message sealed for `receive_id`, in base64. Raises BadCallback for a bad key."""
    if not AES_KEY.fullmatch(aes_key):
        raise BadCallback("key")
    content = secrets.token_bytes(16) + struct.pack(">I", len(message)) + message + receive_id.encode()
    padding = BLOCK - len(content) % BLOCK
    cipher = WeChatCipher(base64.b64decode(aes_key + "="))
    return base64.b64encode(cipher.encrypt(content + bytes([padding]) * padding)).decode()
