"""Which implementation of attention a model is loaded with."""

import torch
from device import Device
from transformers.utils import is_flash_attn_2_available, is_flash_attn_3_available

HALF = (torch.bfloat16, torch.float16)


def choose_attention(device: Device, *, packing: bool) -> str:
    """Give the name under which transformers knows the implementation.

    torch's own (`sdpa`) is right everywhere: packed documents are kept apart by a mask that
    transformers makes from their positions, which costs memory with the square of the length.
    Flash attention is told the borders instead. It is taken where packs are trained on a GPU in
    half precision and the image carries it; it is never compiled or fetched at run time.
    """
    if packing and device.is_gpu and device.dtype in HALF:
        if is_flash_attn_3_available() and torch.cuda.get_device_capability()[0] == 9:
            return "flash_attention_3"
        if is_flash_attn_2_available():
            return "flash_attention_2"
    return "sdpa"
