"""What the device that trains is good at."""

from pathlib import Path

import keras


def resolve_precision(wanted: str) -> str:
    """Keras' dtype policy for `float32`, `bfloat16` or `auto` (bfloat16 where the device computes in it)."""
    if wanted == "float32" or (wanted == "auto" and not _has_bfloat16()):
        return "float32"
    return "mixed_bfloat16"


def jit_setting() -> str | bool:
    """Keras' `jit_compile`: XLA makes TensorFlow slower on a CPU, everything else knows best itself."""
    if keras.backend.backend() != "tensorflow":
        return "auto"
    import tensorflow as tf  # noqa: PLC0415  only the engine in use

    return "auto" if tf.config.list_physical_devices("GPU") else False


def _has_bfloat16() -> bool:
    match keras.backend.backend():
        case "torch":
            import torch  # noqa: PLC0415  only the engine in use

            if torch.cuda.is_available():
                return bool(torch.cuda.is_bf16_supported(including_emulation=False))
        case "jax":
            import jax  # noqa: PLC0415  only the engine in use

            if jax.default_backend() != "cpu":
                capability = getattr(jax.devices()[0], "compute_capability", "9")  # a TPU has none, and bfloat16
                return float(capability) >= 8
        case _:
            import tensorflow as tf  # noqa: PLC0415  only the engine in use

            if gpus := tf.config.list_physical_devices("GPU"):
                return bool(tf.config.experimental.get_device_details(gpus[0])["compute_capability"] >= (8, 0))
    cpuinfo = Path("/proc/cpuinfo")
    return cpuinfo.exists() and bool({"avx512_bf16", "amx_bf16", "bf16"} & set(cpuinfo.read_text().split()))
