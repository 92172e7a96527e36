"""The check of a TC3-HMAC-SHA256 signature, written from the documentation's words.

    python3 tests/official/tc3.py tests/vectors/tc3-signing.json

holds it against the vectors. Standard library only; shares nothing with the client or the simulator.
"""

import hashlib
import hmac
import json
import re
import sys
import time
from collections.abc import Mapping

# Documented: X-TC-Timestamp may be five minutes off, either way.
CLOCK_TOLERANCE = 300
AUTHORIZATION = re.compile(
    r"TC3-HMAC-SHA256 Credential=(?P<id>[^/]+)/(?P<date>[0-9-]+)/(?P<service>\w+)/tc3_request, "
    r"SignedHeaders=(?P<signed>[a-z0-9;-]+), Signature=(?P<signature>[0-9a-f]{64})"
)


class Refusal(Exception):
    """An answer with `Error` in it."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code, self.message = code, message


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def hmac_sha256(key: bytes, text: str) -> bytes:
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


def signature(secret_key: str, service: str, signed: str, headers: Mapping[str, str], body: bytes) -> str:
    """What the signature of a POST to / must be; `headers` by their names in lower case."""
    lines = "".join(f"{name}:{headers[name].strip().lower()}\n" for name in signed.split(";"))
    unsigned = headers.get("x-tc-content-sha256") == "UNSIGNED-PAYLOAD"
    canonical = f"POST\n/\n\n{lines}\n{signed}\n{sha256(b'UNSIGNED-PAYLOAD' if unsigned else body)}"
    timestamp = headers["x-tc-timestamp"]
    date = time.strftime("%Y-%m-%d", time.gmtime(int(timestamp)))
    scope = f"{date}/{service}/tc3_request"
    text = f"TC3-HMAC-SHA256\n{timestamp}\n{scope}\n{sha256(canonical.encode())}"
    key = hmac_sha256(f"TC3{secret_key}".encode(), date)
    key = hmac_sha256(hmac_sha256(key, service), "tc3_request")
    return hmac_sha256(key, text).hex()


def verify(headers: Mapping[str, str], body: bytes, now: float, secrets: Mapping[str, str], service: str) -> None:
    """Raises what the service says to a call that is not properly signed."""
    found = AUTHORIZATION.fullmatch(headers.get("authorization", ""))
    signed = found["signed"].split(";") if found else []
    if not found or signed != sorted(set(signed)) or not {"content-type", "host"} <= set(signed):
        raise Refusal("AuthFailure.InvalidAuthorization", "The Authorization header is malformed.")
    if found["id"] not in secrets:
        raise Refusal("AuthFailure.SecretIdNotFound", "The SecretId is not found.")
    timestamp = headers.get("x-tc-timestamp", "")
    if not timestamp.isdecimal() or any(name not in headers for name in signed):
        raise Refusal("AuthFailure.SignatureFailure", "A header that is needed or signed is missing.")
    if abs(now - int(timestamp)) > CLOCK_TOLERANCE:
        raise Refusal("AuthFailure.SignatureExpire", f"Signature expired, and the server time {now:.0f}.")
    date = time.strftime("%Y-%m-%d", time.gmtime(int(timestamp)))
    expected = signature(secrets[found["id"]], service, found["signed"], headers, body)
    if (found["date"], found["service"]) != (date, service) or not hmac.compare_digest(expected, found["signature"]):
        raise Refusal("AuthFailure.SignatureFailure", "The provided credentials could not be validated.")


def main(path: str) -> None:
    """Every vector must pass, and fail with another body or key."""
    with open(path, encoding="utf-8") as file:
        vectors = json.load(file)["vectors"]
    for vector in vectors:
        asked, headers = vector["inputs"], {name.lower(): text for name, text in vector["headers"].items()}
        headers["authorization"] = vector["expected"]["authorization"]
        body, now = asked["payload"].encode(), asked["timestamp"]
        verify(headers, body, now, {asked["secret_id"]: asked["secret_key"]}, asked["service"])
        for secret_key, sent in (("another", body), (asked["secret_key"], body + b" ")):
            try:
                verify(headers, sent, now, {asked["secret_id"]: secret_key}, asked["service"])
            except Refusal as refusal:
                assert refusal.code == "AuthFailure.SignatureFailure", vector["id"]
            else:
                assert asked["unsigned_payload"] and secret_key != "another", vector["id"]
    print(f"{len(vectors)} vectors pass, and none with another key or body")


if __name__ == "__main__":
    main(sys.argv[1])
