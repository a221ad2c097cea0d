"""What DingTalk sends us: encrypted event push, card presses, messages to the robot. Verified before it is read.

Order of checks: method, size, fields (each once), key, signature, decryption, frame, owner. Whatever fails in
between ends in the same BadCallback.
"""

import hashlib
import hmac
import logging
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from wsapp.connectors.base import (
    Account,
    BadCallback,
    Callback,
    CallbackReply,
    CallbackRequest,
    fresh_timestamp,
)
from wsapp.connectors.dingtalk.crypto import EventCrypto, card_signature, robot_signature
from wsapp.connectors.dingtalk.events import card_event, host_event, robot_event
from wsapp.connectors.dingtalk.messages import dump
from wsapp.connectors.http import parse_object

MAX_BODY = 64 * 1024
NONCE = re.compile(r"[\x21-\x7e]{1,64}")
JSON_TYPE = "application/json; charset=utf-8"

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class CallbackReader:
    """Reads the callbacks of one corp's app."""

    account: Account
    now: Callable[[], datetime]

    def read(self, request: CallbackRequest) -> Callback:
        """Return what happened. Raises BadCallback for anything that is not beyond doubt from the host."""
        readers = {"": self._event, "card": self._card, "robot": self._robot}
        try:
            if request.method != "POST" or request.kind not in readers or len(request.body) > MAX_BODY:
                raise BadCallback("request")
            return readers[request.kind](request)
        except BadCallback:
            raise
        except Exception as error:  # noqa: BLE001
            # One answer for every cause: no oracle, no 500, however clever the bytes are (T04).
            logger.warning("dingtalk callback unreadable: %s", type(error).__name__)
            raise BadCallback("unreadable") from None

    # --- event push ------------------------------------------------------------------------------------------

    def _event(self, request: CallbackRequest) -> Callback:
        signature, timestamp, nonce = self._query(request.query)
        encrypt = (parse_object(request.body) or {}).get("encrypt")
        if not isinstance(encrypt, str) or not encrypt:
            raise BadCallback("body")
        crypto = self._crypto()
        opened = crypto.open(encrypt, signature, timestamp, nonce)
        message = parse_object(opened.message)
        if message is None:
            raise BadCallback("message")
        event = host_event(self.account, message, hashlib.sha256(opened.message).hexdigest())
        which = "client_id" if opened.owner == self.account["client_id"] else "corp_id"
        logger.debug("dingtalk event verified with owner key %s", which)
        sealed = crypto.seal("success", opened.owner, str(int(self.now().timestamp() * 1000)))
        return Callback(
            digest=opened.digest,
            events=(event,),
            reply=CallbackReply(body=dump(sealed), content_type=JSON_TYPE),
        )

    def _query(self, query: Mapping[str, Any]) -> tuple[str, str, str]:
        """Return (signature, timestamp, nonce). Both names of the signature are in use; with both, they must agree."""
        names = [name for name in ("signature", "msg_signature") if name in query]
        values = {name: query[name] for name in (*names, "timestamp", "nonce") if name in query}
        complete = names and "timestamp" in values and "nonce" in values
        if not complete or any(len(found) != 1 for found in values.values()):
            raise BadCallback("query")
        signature, timestamp, nonce = values[names[0]][0], values["timestamp"][0], values["nonce"][0]
        if any(values[name][0] != signature for name in names) or not NONCE.fullmatch(nonce):
            raise BadCallback("query")
        if not re.fullmatch(r"[0-9a-f]{40}", signature) or not fresh_timestamp(timestamp, self.now()):
            raise BadCallback("query")
        return signature, timestamp, nonce

    def _crypto(self) -> EventCrypto:
        owners = (self.account["client_id"], self.account.corp_id)
        return EventCrypto(self.account["callback_token"], self.account["callback_aes_key"], owners)

    # --- card press ------------------------------------------------------------------------------------------

    def _card(self, request: CallbackRequest) -> Callback:
        """POST to the registered route (event-callback-card). The host signs the timestamp only, so the window and
        the digest of timestamp and body are what limit a replay."""
        timestamp = request.headers.get("x-ddpaas-signature-timestamp", "")
        self._same(request.headers.get("x-ddpaas-signature", ""), card_signature(self._secret(), timestamp))
        self._fresh(timestamp)
        digest = hashlib.sha256(timestamp.encode() + request.body).hexdigest()
        event = card_event(self.account, parse_object(request.body) or {}, digest)
        return Callback(digest, (event,), CallbackReply(body=b"{}", content_type=JSON_TYPE))

    # --- message to the robot --------------------------------------------------------------------------------

    def _robot(self, request: CallbackRequest) -> Callback:
        timestamp = request.headers.get("timestamp", "")
        self._same(request.headers.get("sign", ""), robot_signature(self._secret(), timestamp))
        self._fresh(timestamp)
        event = robot_event(self.account, parse_object(request.body) or {})
        digest = hashlib.sha256(timestamp.encode() + request.body).hexdigest()
        return Callback(digest, (event,), CallbackReply())

    # --- shared checks ---------------------------------------------------------------------------------------

    def _secret(self) -> str:
        secret = self.account["client_secret"]
        if not secret:
            raise BadCallback("no key")
        return str(secret)

    def _same(self, given: str, expected: str) -> None:
        if not hmac.compare_digest(given.encode(), expected.encode()):
            raise BadCallback("signature")

    def _fresh(self, timestamp: str) -> None:
        if not fresh_timestamp(timestamp, self.now()):
            raise BadCallback("timestamp")
