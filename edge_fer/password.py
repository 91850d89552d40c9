"""Passwords and tokens as they may stand in a configuration: as hashes from which nobody gets them back.

A password is stretched by scrypt (RFC 7914) with the least parameters that OWASP's Password Storage Cheat Sheet still
recommends, those for little memory: a small board takes about a second, 16 MiB, and does it once per login. A token
is 256 random bits, which no search finds, so SHA-256 is enough and costs nothing per request.
"""

import base64
import getpass
import hashlib
import hmac
import re
import secrets
import sys
from typing import Final, TextIO

from edge_fer.errors import EdgeFerError

SHORTEST: Final = 8
LONGEST: Final = 1024
"""Characters of a password."""

COST: Final = 2**14
BLOCK_SIZE: Final = 8
LANES: Final = 5
MEMORY_B: Final = 64 * 2**20
"""The most that scrypt may take; more than it needs with the parameters above."""

PASSWORD_HASH: Final = re.compile(r"scrypt:[A-Za-z0-9+/]{22}==:[A-Za-z0-9+/]{43}=")
TOKEN_HASH: Final = re.compile(r"sha256:[0-9a-f]{64}")


class PasswordError(EdgeFerError):
    """What was typed cannot be a password."""


def hash_password(password: str) -> str:
    """`scrypt:SALT:KEY`, both in base64."""
    salt = secrets.token_bytes(16)
    return ":".join(["scrypt", *(base64.b64encode(part).decode() for part in (salt, _stretch(password, salt)))])


def is_password(password: str, hashed: str) -> bool:
    """Whether a hash of `hash_password` is of this password; takes the same time either way."""
    _, salt, key = hashed.split(":")
    return hmac.compare_digest(_stretch(password, base64.b64decode(salt)), base64.b64decode(key))


def make_token() -> tuple[str, str]:
    """A new token and its hash."""
    token = secrets.token_urlsafe(32)
    return token, hash_token(token)


def hash_token(token: str) -> str:
    """`sha256:HEX`."""
    return f"sha256:{hashlib.sha256(token.encode()).hexdigest()}"


def is_token(token: str, hashed: str) -> bool:
    """Whether a hash of `hash_token` is of this token; takes the same time either way."""
    return hmac.compare_digest(hash_token(token), hashed)


def print_password_hash(out: TextIO) -> None:
    """Ask for a password at the terminal, twice, or take the first line of a pipe, and print the line to configure.

    Raises:
        PasswordError: it is too short or long, or was typed differently the second time.
    """
    if sys.stdin.isatty():
        password = getpass.getpass("New password of the live page: ")
        if password != getpass.getpass("Once more: "):
            raise PasswordError("the two were not the same; nothing was made")
    else:
        password = sys.stdin.readline().rstrip("\r\n")
    if not SHORTEST <= len(password) <= LONGEST:
        raise PasswordError(f"a password has {SHORTEST} to {LONGEST} characters; this one has {len(password)}")
    print(f'password_hash: "{hash_password(password)}"', file=out)


def print_token(out: TextIO) -> None:
    """Make a token for scripts, and print it with the line to configure."""
    token, hashed = make_token()
    print(f'token_hash: "{hashed}"', file=out)
    print(f"# for scripts, shown only now: Authorization: Bearer {token}", file=out)


def _stretch(password: str, salt: bytes) -> bytes:
    return hashlib.scrypt(password.encode(), salt=salt, n=COST, r=BLOCK_SIZE, p=LANES, maxmem=MEMORY_B, dklen=32)
