"""Published peaks of accelerators, by the name that JAX gives them."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Chip:
    """The published limits of one device.

    Attributes:
      flops: of dense bfloat16 matrix products, a second.
      memory: bytes.
      bandwidth: of that memory, bytes a second.
      network: bytes a second that the chip sends to its neighbours, all links one way.
    """

    flops: float
    memory: float
    bandwidth: float
    network: float


# TPUs: Google's "System architecture" pages of each version, cloud.google.com/tpu/docs
# (2026); interconnects are given there for both ways and halved here. GPUs: NVIDIA's
# data sheets of the SXM modules, without sparsity; NVLink halved too.
CHIPS = {
    "TPU v4": Chip(275e12, 32 << 30, 1228e9, 300e9),
    "TPU v5 lite": Chip(197e12, 16 << 30, 819e9, 200e9),
    "TPU v5": Chip(459e12, 95 << 30, 2765e9, 600e9),
    "TPU v6 lite": Chip(918e12, 32 << 30, 1640e9, 400e9),
    "NVIDIA A100-SXM4-80GB": Chip(312e12, 80e9, 2039e9, 300e9),
    "NVIDIA H100 80GB HBM3": Chip(989e12, 80e9, 3352e9, 450e9),
    "NVIDIA H200": Chip(989e12, 141e9, 4800e9, 450e9),
}
