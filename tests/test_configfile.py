import json
from pathlib import Path

import pytest
import yaml

from edge_fer.config import Config
from edge_fer.configfile import check_config, load_config
from edge_fer.errors import ConfigError

CONFIGS = Path(__file__).parents[1] / "configs"


def write(folder: Path, text: str) -> Path:
    path = folder / "edge-fer.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def problems(path: Path, environ: dict[str, str] | None = None) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load_config(path, environ or {})
    return [problem.removeprefix(f"{path}:") for problem in caught.value.problems]


def test_no_file_and_an_empty_file_mean_all_defaults(tmp_path: Path) -> None:
    assert load_config(None, {}) == Config()
    assert load_config(write(tmp_path, "# nothing\n"), {}) == Config()


def test_the_annotated_configuration_shows_every_option_with_its_default() -> None:
    path = CONFIGS / "edge-fer.yaml"
    assert yaml.safe_load(path.read_text(encoding="utf-8")) == json.loads(Config().model_dump_json())
    assert load_config(path, {}) == Config()


def test_every_option_of_the_annotated_configuration_is_explained() -> None:
    lines = (CONFIGS / "edge-fer.yaml").read_text(encoding="utf-8").splitlines()
    bare = [line for line in lines if line.strip() and not line.strip().startswith("#") and " # " not in line]
    assert bare == []


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.yaml")), ids=lambda path: path.name)
def test_every_example_is_valid(path: Path) -> None:
    load_config(path, {})


def test_five_errors_are_told_at_once_with_their_lines(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        "device: my kitchen\ncamera:\n  fsp: 30\n  loop: 3\nmqtt:\n  port: 99999\n"
        "smoothing:\n  enter_confidence: 0.2\ncolour: red\n",
    )
    assert problems(path) == [
        "1: device: 'my kitchen' is not right; give text of the form ^[A-Za-z0-9_-]{1,64}$ or null",
        "3: camera.fsp: there is no such key; did you mean fps?",
        "4: camera.loop: 3 is not right; give true or false",
        "6: mqtt.port: 99999 is not right; give a whole number from 1 up to 65535",
        "7: smoothing: leave_confidence 0.35 is above enter_confidence 0.2; give one that is at most 0.2",
        "9: colour: there is no such key; known here: "
        "version, device, camera, detector, pace, tracking, model, threads, smoothing, mqtt, web, log",
    ]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("camera: {source: -1}\n", "1: camera.source: -1 is not right; give a whole number from 0 up to 99 or text"),
        ("camera: {source: []}\n", "1: camera.source: a list is not right; "
         "give a whole number from 0 up to 99 or text"),
        ("camera: 3\n", "1: camera: 3 is not right; give a block of `key: value` lines"),
        ("camera: null\n", "1: camera: null is not right; give a block of `key: value` lines"),
        ("camera: {fps: .nan}\n", "1: camera.fps: nan is not right; give a number above 0 up to 1000"),
        ("detector: {kind: mtcnn}\n", "1: detector.kind: 'mtcnn' is not right; give auto, edge, yunet or haar"),
        ("mqtt: {port: '1883'}\n", "1: mqtt.port: '1883' is not right; give a whole number from 1 up to 65535"),
        ("mqtt:\n  tls: {key_file: k}\n", "2: mqtt.tls: cert_file and key_file belong together; give both or neither"),
        ("web: {host: 0.0.0.0}\n", "1: web: host 0.0.0.0 would show the page to the network without a password; "
         "run `edge-fer password` and set password_hash, or give host 127.0.0.1"),
        ("web: {host: kitchen}\n", "1: web: host kitchen would show the page to the network without a password; "
         "run `edge-fer password` and set password_hash, or give host 127.0.0.1"),
        ("web: {password_hash: secret}\n", "1: web.password_hash: this is no password's hash; "
         "run `edge-fer password` and copy what it prints"),
        ("web: {password_hash: 3}\n", "1: web.password_hash: *** is not right; give text or null"),
        ("web: {token_hash: secret}\n", "1: web.token_hash: this is no token's hash; "
         "run `edge-fer password --token` and copy what it prints"),
        (f"web: {{token_hash: 'sha256:{'0' * 64}'}}\n", "1: web: token_hash stands beside a password; "
         "run `edge-fer password` and set password_hash too"),
        ("web: {cert_file: c}\n", "1: web: cert_file and key_file belong together; give both or neither"),
        ("web: {names: [a b]}\n", "1: web.names: 'a b' is not right; "
         "give a list of text of the form ^[A-Za-z0-9.-]{1,253}$"),
        ("mqtt: {password: secret}\n", "1: mqtt: password goes with a user name, and would not be sent without; "
         "set username too, or leave password out"),
        ("mqtt:\n  port: 1\n  port: 2\n", "3: mqtt.port: already set in line 2; keep one of the two"),
        ("- a\n", "1: the file must hold `key: value` lines, as configs/edge-fer.yaml does"),
        ("a: [\n", "2: this is not YAML: expected the node content, but found '<stream end>'; "
         "look at the indentation and quotes here"),
        ("mqtt: &a {tls: *a}\n", " it is nested too deeply, or an alias stands within what it names; write it out"),
        (f"device: {'[' * 2000}{']' * 2000}\n",
         " it is nested too deeply, or an alias stands within what it names; write it out"),
        ("device: &a [*a]\n", "1: device: a list is not right; give text of the form ^[A-Za-z0-9_-]{1,64}$ or null"),
        ("device: !!python/object:os.system x\n", "1: could not determine a constructor for the tag "
         "'tag:yaml.org,2002:python/object:os.system'; give a plain value"),
    ],
)  # fmt: skip
def test_one_clear_sentence_for_each_mistake(tmp_path: Path, text: str, problem: str) -> None:
    assert problems(write(tmp_path, text)) == [problem]


def test_a_missing_file_and_one_that_is_not_text(tmp_path: Path) -> None:
    path = tmp_path / "edge-fer.yaml"
    assert problems(path) == [" there is no such file; configs/edge-fer.yaml is one to begin with"]
    path.write_bytes(b"device: k\xfcche\n")
    assert problems(path) == [" byte 9 is not UTF-8; save the file as UTF-8 text"]


def test_protocol_may_be_written_as_a_number(tmp_path: Path) -> None:
    assert load_config(write(tmp_path, "mqtt: {protocol: 5}\n"), {}).mqtt.protocol == "5"


def test_secrets_come_from_credentials_then_environment_then_file(tmp_path: Path) -> None:
    path = write(tmp_path, "mqtt: {username: file, password: file}\n")

    def password(environ: dict[str, str]) -> str:
        secret = load_config(path, environ).mqtt.password
        assert secret is not None
        return secret.get_secret_value()

    assert password({}) == "file"
    environ = {"EDGE_FER_MQTT_PASSWORD": "variable"}
    assert password(environ) == "variable"
    (tmp_path / "mqtt_password").write_text("credential\n")
    assert password({**environ, "CREDENTIALS_DIRECTORY": str(tmp_path)}) == "credential"
    assert load_config(path, environ).mqtt.username == "file"


def test_a_wrong_password_value_is_never_shown(tmp_path: Path) -> None:
    path = write(tmp_path, "mqtt: {password: 12345}\n")
    assert problems(path) == ["1: mqtt.password: *** is not right; give text or null"]
    assert "s3cret" not in repr(
        load_config(write(tmp_path, "mqtt: {username: u}\n"), {"EDGE_FER_MQTT_PASSWORD": "s3cret"})
    )


OPEN_PAGE = "web: {enabled: true, host: 0.0.0.0}\n"


def test_a_check_takes_credentials_for_granted_that_it_is_not_let_at(tmp_path: Path) -> None:
    closed = {"CREDENTIALS_DIRECTORY": "/there/is/no/such/folder"}
    check_config(write(tmp_path, "mqtt: {password: secret}\n"), closed)
    path = write(tmp_path, OPEN_PAGE)
    check_config(path, closed)
    for environ in ({}, {"CREDENTIALS_DIRECTORY": str(tmp_path)}):
        with pytest.raises(ConfigError, match="without a password"):
            check_config(path, environ)
    path = write(tmp_path, "mqtt: {password: secret}\n")
    check_config(path, closed)
    with pytest.raises(ConfigError, match="password goes with a user name"):
        check_config(path, {})
    path = write(tmp_path, "web: {port: -1}\n")
    with pytest.raises(ConfigError, match=r"web\.port: -1 is not right"):
        check_config(path, closed)


@pytest.mark.parametrize(
    ("content", "problem"),
    [(b"k\xfcche", "byte 1 of the credential is not UTF-8"), (None, "the credential cannot be read: Is a directory")],
)
def test_a_credential_that_cannot_be_read(tmp_path: Path, content: bytes | None, problem: str) -> None:
    credential = tmp_path / "mqtt_password"
    if content is None:
        credential.mkdir()
    else:
        credential.write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        load_config(None, {"CREDENTIALS_DIRECTORY": str(tmp_path)})
    assert caught.value.problems == (f"{credential}: {problem}",)
