"""Files that are two things at once, or not what their name says, and names made to harm (T37)."""

import io
import struct
import zipfile
import zlib
from urllib.parse import quote

from PIL import Image, PngImagePlugin

SCRIPT = b"<script>alert(document.domain)</script>"
PAGE = b"<!doctype html><html><body>" + SCRIPT + b"</body></html>"
PHP = b"<?php system($_GET['c']); ?>" + SCRIPT
SVG = b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)">' + SCRIPT + b"</svg>"


def picture(form: str, **more: object) -> bytes:
    """Return a small picture in a format of Pillow's."""
    body = io.BytesIO()
    Image.new("RGB", (48, 32), (40, 120, 200)).save(body, form, **more)
    return body.getvalue()


def archive(name: str = "x.html") -> bytes:
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w") as made:
        made.writestr(name, PAGE)
    return body.getvalue()


def with_text(raw: bytes = SCRIPT) -> bytes:
    """Return a PNG that carries a text among its chunks."""
    info = PngImagePlugin.PngInfo()
    info.add_text("Comment", raw.decode())
    info.add_itxt("XML:com.adobe.xmp", raw.decode())
    return picture("PNG", pnginfo=info)


def before_the_end() -> bytes:
    """Return a PNG with a whole chunk of our own before its end, checksum and all."""
    raw = picture("PNG")
    chunk = b"tEXt" + b"php\0" + PHP
    packed = struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk))
    return raw[:-12] + packed + raw[-12:]


def exif_text() -> bytes:
    exif = Image.Exif()
    exif[0x010E] = SCRIPT.decode()  # ImageDescription
    exif[0x9286] = SCRIPT.decode()  # UserComment
    return exif.tobytes()


JPEG, PNG, WEBP = picture("JPEG"), picture("PNG"), picture("WEBP")

# What it is → (the name it comes under, its bytes)
POLYGLOTS: dict[str, tuple[str, bytes]] = {
    "GIF and script": ("a.gif", b"GIF89a/*" + bytes(20) + b"*/=1;" + SCRIPT),
    "GIF and archive (GIFAR)": ("a.jpg", picture("GIF") + archive("Applet.class")),
    "JPEG and archive": ("a.jpg", JPEG + archive()),
    "JPEG with a page behind it": ("a.jpg", JPEG + PAGE),
    "JPEG with a page as comment": ("a.jpg", picture("JPEG", comment=PAGE)),
    "JPEG with a page in its EXIF": ("a.jpeg", picture("JPEG", exif=exif_text())),
    "JPEG with a page in its profile": ("a.jpg", picture("JPEG", icc_profile=PAGE * 4)),
    "JPEG with a page as XMP": ("a.jpg", picture("JPEG", xmp=PAGE)),
    "PNG with PHP behind it": ("a.png", PNG + PHP),
    "PNG with PHP in a chunk": ("a.php.png", before_the_end()),
    "PNG with script in its texts": ("a.png", with_text()),
    "WebP with script behind it": ("a.webp", WEBP + SCRIPT),
    "WebP with a page as XMP": ("a.webp", picture("WEBP", xmp=PAGE)),
    "SVG named .png": ("a.png", SVG),
    "SVG behind an XML head": ("a.svg", b'<?xml version="1.0"?>' + SVG),
    "page named .jpg": ("a.jpg", PAGE),
    "page behind JPEG's first bytes": ("a.jpg", b"\xff\xd8\xff\xe0" + PAGE),
    "page behind a byte order mark": ("a.png", b"\xef\xbb\xbf" + PAGE),
    "BMP and script": ("a.bmp", b"BM/*" + bytes(20) + b"*/=1;" + SCRIPT),
    "PDF and page": ("a.pdf", b"%PDF-1.7\n" + PAGE + b"\n%%EOF"),
    "PDF named .jpg": ("a.jpg", b"%PDF-1.7\n" + PAGE),
    "archive with a page, as a document": ("a.docx", archive()),
    "archive with a picture before it, as a document": ("a.docx", JPEG + archive()),
    "page named .pdf": ("a.html.pdf", PAGE),
    "page named .txt": ("a.txt", PAGE),
    "script named .html": ("a.html", SCRIPT),
}

# Without their ending.
NAMES = (
    "../../../etc/cron.d/x",
    "..\\..\\windows\\win",
    "/etc/passwd",
    "C:\\boot",
    "a\0b.php",
    "a\r\nContent-Type: text/html\r\n\r\n" + SCRIPT.decode(),
    "\u202egpj.exe",
    "\u2066x\u2069",
    "名" * 300,
    "a" * 300,
    '"; filename="x.html',
    "..",
    ".",
    "%2e%2e%2fx",
    "CON",
    "a;b=c",
)


def multipart(field: str, file_name: str, raw: bytes, **more: str) -> tuple[bytes, str]:
    """Return a form with one file, whose name may hold any character (RFC 5987), and its content type."""
    border = b"----borderzqx"
    parts = [f'Content-Disposition: form-data; name="{key}"\r\n\r\n{text}'.encode() for key, text in more.items()]
    spelt = quote(file_name.encode("utf-8", "surrogatepass"), safe="")
    head = f"Content-Disposition: form-data; name=\"{field}\"; filename*=UTF-8''{spelt}\r\n\r\n"
    parts.append(head.encode() + raw)
    body = b"".join(b"--" + border + b"\r\n" + part + b"\r\n" for part in parts) + b"--" + border + b"--\r\n"
    return body, f"multipart/form-data; boundary={border.decode()}"
