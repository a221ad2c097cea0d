"""One file as multipart/form-data, for hosts that take uploads that way."""

import mimetypes

from urllib3.filepost import encode_multipart_formdata


def one_file(field: str, name: str, body: bytes) -> tuple[bytes, str]:
    """Return (request body, content type) of a form with one file.

    The name goes out as raw UTF-8 (`filename="…"`): the hosts do not read RFC 5987's `filename*=`.
    """
    kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
    return encode_multipart_formdata([(field, (name, body, kind))])
