"""Which arithmetic a device is good at."""

from pathlib import Path

import keras


def resolve_precision(wanted: str) -> str:
    """Keras' dtype policy for `float32`, `bfloat16` or `auto` (bfloat16 where the device computes in it)."""
    if wanted == "float32" or (wanted == "auto" and not _has_bfloat16()):
        return "float32"
    return "mixed_bfloat16"


def _has_bfloat16() -> bool:
    if keras.backend.backend() == "torch":
        import torch

        if torch.cuda.is_available():
            return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    elif keras.backend.backend() == "jax":
        import jax

        if jax.default_backend() == "tpu":
            return True
        if jax.default_backend() == "gpu":
            return float(jax.devices()[0].compute_capability) >= 8
    else:
        import tensorflow as tf

        if gpus := tf.config.list_physical_devices("GPU"):
            return bool(tf.config.experimental.get_device_details(gpus[0])["compute_capability"] >= (8, 0))
    cpuinfo = Path("/proc/cpuinfo")
    return cpuinfo.exists() and bool({"avx512_bf16", "amx_bf16", "bf16"} & set(cpuinfo.read_text().split()))
