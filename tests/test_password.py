import io
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from edge_fer.config import WebConfig
from edge_fer.password import PASSWORD_HASH, TOKEN_HASH, hash_password, is_password, is_token, make_token, print_token

COMMAND = [sys.executable, "-m", "edge_fer", "password"]


@pytest.mark.parametrize("password", ["correct horse", "ümlaut and 😀", " spaces "])
def test_only_the_password_itself_fits_its_hash(password: str) -> None:
    hashed = hash_password(password)
    assert PASSWORD_HASH.fullmatch(hashed)
    assert is_password(password, hashed)
    assert not is_password(password + " ", hashed)
    assert not is_password("", hashed)


def test_a_known_hash_is_still_understood() -> None:
    """Configurations outlive versions: salt 0…15, made by OpenSSL's `kdf` with N=16384, r=8, p=5."""
    hashed = "scrypt:AAECAwQFBgcICQoLDA0ODw==:1G5RfCzjKRcC/LgE3RJJUhGgvovUaGPhRY2m55Tfpi4="
    assert is_password("correct horse", hashed)


def test_two_hashes_of_one_password_differ() -> None:
    assert hash_password("correct horse") != hash_password("correct horse")


def test_only_the_token_itself_fits_its_hash() -> None:
    token, hashed = make_token()
    assert TOKEN_HASH.fullmatch(hashed)
    assert is_token(token, hashed)
    assert not is_token(token[:-1], hashed)
    assert make_token()[0] != token


def test_what_is_printed_for_a_token_can_be_configured() -> None:
    out = io.StringIO()
    print_token(out)
    settings = yaml.safe_load(out.getvalue())
    token = out.getvalue().split()[-1]
    assert is_token(token, settings["token_hash"])
    assert WebConfig.model_validate(settings | {"password_hash": hash_password("correct horse")}).token_hash


def test_a_password_from_a_pipe() -> None:
    done = subprocess.run(COMMAND, input="correct horse\n", capture_output=True, text=True, check=True)
    assert is_password("correct horse", yaml.safe_load(done.stdout)["password_hash"])
    assert "horse" not in done.stdout + done.stderr


@pytest.mark.parametrize(("typed", "length"), [("", 0), ("1234567", 7), ("x" * 1025, 1025)])
def test_a_bad_password_is_refused(typed: str, length: int) -> None:
    done = subprocess.run(COMMAND, input=f"{typed}\n", capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"edge-fer: a password has 8 to 1024 characters; this one has {length}\n"


@pytest.mark.parametrize("locale", ["C", "C.UTF-8"])
def test_bytes_that_are_no_text_are_refused(locale: str) -> None:
    environ = {**os.environ, "LC_ALL": locale}
    done = subprocess.run(COMMAND, input=b"k\xfcchent\xfcr\n", env=environ, capture_output=True, check=False)
    assert (done.returncode, done.stdout) == (1, b"")
    assert done.stderr == b"edge-fer: this is not UTF-8 text, which a password must be; nothing was made\n"


def at_a_terminal(folder: Path, *lines: str) -> tuple[int, str, str]:
    """Exit code, output and what the terminal showed, of the command with these lines typed."""
    ours, theirs = pty.openpty()
    output = folder / "output"
    with output.open("w") as out:
        process = subprocess.Popen(COMMAND, stdin=theirs, stdout=out, stderr=theirs, start_new_session=True)
    os.close(theirs)
    shown = b""
    for line in lines:
        while not shown.endswith(b": "):
            shown += os.read(ours, 1000)
        os.write(ours, f"{line}\n".encode())
        shown += os.read(ours, 1)
    try:
        while part := os.read(ours, 1000):
            shown += part
    except OSError:  # Linux says so when the other side is closed
        pass
    os.close(ours)
    return process.wait(), output.read_text(), shown.decode()


def test_the_terminal_does_not_show_what_is_typed(tmp_path: Path) -> None:
    code, output, shown = at_a_terminal(tmp_path, "correct horse", "correct horse")
    assert code == 0
    assert is_password("correct horse", yaml.safe_load(output)["password_hash"])
    assert "horse" not in shown


def test_two_different_passwords_are_refused(tmp_path: Path) -> None:
    code, output, shown = at_a_terminal(tmp_path, "correct horse", "correct house")
    assert (code, output) == (1, "")
    assert "edge-fer: the two were not the same; nothing was made" in shown
