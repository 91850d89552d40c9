"""Data-parallel training over several processes or hosts, through Keras' distribution API on JAX.

Every process runs the same command and sees the same data; three environment variables, which Keras defines, tell
them apart:

    KERAS_BACKEND=jax
    KERAS_DISTRIBUTION_JOB_ADDRESSES=host0:12345
    KERAS_DISTRIBUTION_NUM_PROCESSES=2
    KERAS_DISTRIBUTION_PROCESS_ID=0        # 1 in the other one

Each process makes the views of every batch, trains on its part of them, and the gradients and BatchNorm's
statistics are those of the whole batch, so the result is that of one process. Process 0 alone writes the run
folder, which all of them must see.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import keras

from edge_fer.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Share:
    """Which part of the work is this process's: number `process` of `processes`, counted from 0."""

    process: int = 0
    processes: int = 1

    @property
    def writes(self) -> bool:
        """Whether this process writes the run folder."""
        return self.process == 0

    def part(self, batch_size: int) -> slice:
        """This process's rows of a batch."""
        size = batch_size // self.processes
        return slice(self.process * size, (self.process + 1) * size)


ALONE = Share()
"""All of the work, as long as nobody helps."""


def join(*batch_sizes: int) -> Share:
    """Join the other processes that the environment names; alone where it names none.

    Waits until all of them are there. Afterwards variables are replicated and batches are split over all devices.

    Args:
        batch_sizes: those that will be trained with.

    Raises:
        ConfigError: another backend than JAX is in use, or a batch cannot be split evenly.
    """
    if "KERAS_DISTRIBUTION_NUM_PROCESSES" not in os.environ:
        return ALONE
    if keras.backend.backend() != "jax":
        raise ConfigError(
            "KERAS_DISTRIBUTION_NUM_PROCESSES: several processes need KERAS_BACKEND=jax, "
            f"not {keras.backend.backend()}."
        )
    keras.distribution.initialize()
    keras.distribution.set_distribution(keras.distribution.DataParallel(auto_shard_dataset=False))
    share = Share(int(os.environ["KERAS_DISTRIBUTION_PROCESS_ID"]), int(os.environ["KERAS_DISTRIBUTION_NUM_PROCESSES"]))
    for size in batch_sizes:
        if size % share.processes:
            raise ConfigError(f"batch_size: {size} pictures cannot be split evenly over {share.processes} processes.")
    return share


@contextmanager
def alone() -> Iterator[None]:
    """What is made and computed in here stays in this process."""
    distribution = keras.distribution.distribution()
    keras.distribution.set_distribution(None)
    try:
        yield
    finally:
        keras.distribution.set_distribution(distribution)


def wait_for_all(share: Share, where: str) -> None:
    """Wait until every process is here, so that what process 0 wrote can be read."""
    if share.processes > 1:
        from jax.experimental import multihost_utils  # noqa: PLC0415  only the engine in use

        multihost_utils.sync_global_devices(where)
