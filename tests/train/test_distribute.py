import pytest

from edge_fer.errors import ConfigError
from edge_fer_train.distribute import Share, join


def test_alone_without_a_word_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KERAS_DISTRIBUTION_NUM_PROCESSES", raising=False)
    assert join(128) == Share(0, 1)
    assert Share().writes
    assert Share().part(128) == slice(0, 128)


def test_every_process_has_its_rows_and_the_first_one_writes() -> None:
    assert [Share(i, 4).part(32) for i in range(4)] == [slice(0, 8), slice(8, 16), slice(16, 24), slice(24, 32)]
    assert [Share(i, 2).writes for i in range(2)] == [True, False]


def test_several_processes_need_jax(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KERAS_DISTRIBUTION_NUM_PROCESSES", "2")
    with pytest.raises(ConfigError, match="several processes need KERAS_BACKEND=jax, not tensorflow"):
        join(128)
