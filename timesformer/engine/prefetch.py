"""Batches to the device; on a GPU one is copied while the previous one is computed."""

import torch

from timesformer.datasets.clips import Batch


class DevicePrefetcher:
    """Copies batches to one device.

    A GPU computes behind the program, so a batch is there to copy while the one before is still being
    computed. From pinned memory it goes through a stream of its own, beside that work.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.stream = torch.cuda.Stream(device) if device.type == "cuda" else None

    def __call__(self, batch: Batch) -> Batch:
        """``batch`` with clips and labels on the device."""
        if self.stream is None:
            return batch
        with torch.cuda.stream(self.stream):
            clips = batch.clips.to(self.device, non_blocking=True)
            labels = batch.labels.to(self.device, non_blocking=True)
        computing = torch.cuda.current_stream(self.device)
        computing.wait_stream(self.stream)
        for tensor in (clips, labels):
            tensor.record_stream(computing)  # its memory is not reused before that work is done
        return batch._replace(clips=clips, labels=labels)
