"""What can stand between the world and the product, and spoil what passes: layers of WSGI, and TLS."""

import datetime as dt
import ipaddress
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from werkzeug.serving import make_server

Wsgi = Callable[[dict[str, Any], Any], Any]


def answering(status: str, body: bytes, *, under: str = "/", headers: tuple[tuple[str, str], ...] = ()) -> Any:
    """A layer that answers everything below a path by itself."""

    def layer(inner: Wsgi) -> Wsgi:
        def app(environ: dict[str, Any], start: Any) -> Any:
            if not environ["PATH_INFO"].startswith(under):
                return inner(environ, start)
            start(status, [("Content-Type", "text/html"), ("Content-Length", str(len(body))), *headers])
            return [body]

        return app

    return layer


def changing(**changes: str) -> Any:
    """A layer that changes the environ of every request: HTTP_HOST, HTTP_X_FORWARDED_FOR, QUERY_STRING, …"""

    def layer(inner: Wsgi) -> Wsgi:
        return lambda environ, start: inner({**environ, **changes}, start)

    return layer


# --- TLS ----------------------------------------------------------------------------------------------------------


class Authority:
    """A certificate authority of one's own, and the certificates that it signs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.certificate = self._sign("wsapp test authority", self.key, self.key, is_authority=True)
        self.path = folder / "authority.pem"
        self.path.write_bytes(self.certificate.public_bytes(serialization.Encoding.PEM))

    def _sign(
        self,
        name: str,
        key: Any,
        signer: Any,
        *,
        days: tuple[float, float] = (-400, 400),
        ip: str = "",
        is_authority: bool = False,
    ) -> x509.Certificate:
        now = dt.datetime.now(dt.UTC)
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        issuer = subject if is_authority else self.certificate.subject
        if signer is key and not is_authority:
            issuer = subject
        made = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + dt.timedelta(days=days[0]))
            .not_valid_after(now + dt.timedelta(days=days[1]))
            .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
        )
        if ip:
            names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(ip))])
            made = made.add_extension(names, critical=False)
        return made.sign(signer, hashes.SHA256())

    def issue(
        self, *, days: tuple[float, float] = (-30, 300), ip: str = "127.0.0.1", self_signed: bool = False
    ) -> Path:
        """Write a certificate with its key; returns the file."""
        key = ec.generate_private_key(ec.SECP256R1())
        signed = self._sign("wsapp test", key, key if self_signed else self.key, days=days, ip=ip)
        path = self.folder / f"{signed.serial_number:x}.pem"
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        path.write_bytes(private + signed.public_bytes(serialization.Encoding.PEM))
        return path


@contextmanager
def tls(app: Wsgi, certificate: Path) -> Iterator[str]:
    """Serve `app` over TLS as a proxy would; yields the address."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    server = make_server("127.0.0.1", 0, app, threaded=True, ssl_context=context)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"https://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)
