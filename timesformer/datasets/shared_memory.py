"""Messages between a run and its loader processes, and the pixels of a batch with them.

On Linux a batch travels in anonymous memory, whose descriptor goes through a socket: it is not copied
on arrival, needs no folder such as /dev/shm, and is gone with its last user, however that one ends.
Elsewhere it goes through a pipe. No thread sends anything, so errors are raised where something is sent.

A process also shows which video it reads: that wakes nobody, and can be read after a crash.
"""

import errno
import mmap
import multiprocessing
import os
import pickle
import socket
import struct
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any, NamedTuple

import torch
from torch import Tensor

_ACTIVITY = struct.Struct("<qq")  # how often it was set, the value
_HEADER = struct.Struct("<QQ")  # bytes of the tensor, bytes of the message
_INLINE = 8192  # bytes of a message that goes through the socket itself


class Message(NamedTuple):
    """Anything that can be pickled, and a tensor, uint8 (N,)."""

    content: Any
    tensor: Tensor | None = None


@dataclass(frozen=True)
class Activity:
    """What a process does: a number, and how often it was set."""

    count: int = 0
    value: int = -1


class SharedMemoryChannel:
    """One end of a socket for descriptors of anonymous memory; messages arrive whole or not at all."""

    def __init__(self, end: socket.socket) -> None:
        self._socket = end
        self._shared: mmap.mmap | None = None

    def offer_activity(self) -> None:
        """Send the memory of the activity to the other end; the first message."""
        descriptor = os.memfd_create("timesformer-activity")
        try:
            _write(descriptor, memoryview(_ACTIVITY.pack(0, -1)))
            socket.send_fds(self._socket, [b"activity"], [descriptor])
            self._shared = mmap.mmap(descriptor, _ACTIVITY.size)
        finally:
            os.close(descriptor)

    def accept_activity(self) -> None:
        """Take the first message."""
        _, descriptors, _, _ = socket.recv_fds(self._socket, _HEADER.size, 1)
        self._shared = mmap.mmap(_only(descriptors), _ACTIVITY.size)
        os.close(descriptors[0])

    @property
    def activity(self) -> Activity:
        """What the other end has set last."""
        return Activity(*_ACTIVITY.unpack(self._shared[:]))  # type: ignore[index]

    def set_activity(self, value: int) -> None:
        """Show a number to the other end."""
        self._shared[:] = _ACTIVITY.pack(self.activity.count + 1, value)  # type: ignore[index]

    def send(self, content: object, tensor: Tensor | None = None) -> None:
        """``tensor`` (N,) uint8.

        Raises:
            OSError: no memory, no descriptor, or the other end is gone.
        """
        pickled = pickle.dumps(content, protocol=5)
        size = 0 if tensor is None else len(tensor)
        header = _HEADER.pack(size, len(pickled))
        if tensor is None and len(pickled) <= _INLINE:
            self._socket.send(header + pickled)
            return
        descriptor = os.memfd_create("timesformer-batch")
        try:
            if tensor is not None:
                _write(descriptor, tensor.numpy().data)
            _write(descriptor, memoryview(pickled))
            socket.send_fds(self._socket, [header], [descriptor])
        finally:
            os.close(descriptor)

    def receive(self) -> Message:
        """The next message; its tensor lies in the memory of the sender.

        Raises:
            EOFError: the other end is gone.
            OSError: no descriptor is left.
        """
        data, descriptors, _, _ = socket.recv_fds(self._socket, _HEADER.size + _INLINE, 1)
        if not data:
            raise EOFError
        size, pickled = _HEADER.unpack_from(data)
        if len(data) > _HEADER.size:
            return Message(pickle.loads(data[_HEADER.size :]))
        try:
            memory = mmap.mmap(_only(descriptors), size + pickled)
        finally:
            for descriptor in descriptors:
                os.close(descriptor)
        content = pickle.loads(memoryview(memory)[size:])
        if not size:
            return Message(content, torch.empty(0, dtype=torch.uint8))
        return Message(content, torch.frombuffer(memory, dtype=torch.uint8, count=size))

    def fileno(self) -> int:
        return self._socket.fileno()

    def close(self) -> None:
        self._socket.close()


class PipeChannel:
    """One end of a pipe, as a ``SharedMemoryChannel``; a tensor is copied."""

    def __init__(self, end: "Connection[Any, Any]") -> None:
        self.end = end
        self.activity = Activity()

    def offer_activity(self) -> None:
        """The activity is a message here."""

    accept_activity = offer_activity

    def set_activity(self, value: int) -> None:
        """As a message; ``receive`` remembers it."""
        self.activity = Activity(self.activity.count + 1, value)
        self.send(self.activity)

    def send(self, content: object, tensor: Tensor | None = None) -> None:
        array = None if tensor is None else tensor.numpy()
        self.end.send_bytes(pickle.dumps((content, array), protocol=5))

    def receive(self) -> Message:
        content, array = pickle.loads(self.end.recv_bytes())
        if isinstance(content, Activity):
            self.activity = content
        return Message(content, None if array is None else torch.from_numpy(array))

    def fileno(self) -> int:
        return self.end.fileno()

    def close(self) -> None:
        self.end.close()


Channel = SharedMemoryChannel | PipeChannel


def channel_pair() -> tuple[Channel, Channel]:
    """The two ends of a new channel."""
    if _has_anonymous_memory():
        here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        channel = SharedMemoryChannel(here)
        channel.offer_activity()
        return channel, SharedMemoryChannel(there)
    one, other = multiprocessing.Pipe()
    return PipeChannel(one), PipeChannel(other)


def is_readable(channel: Channel, seconds: float = 0.0) -> bool:
    """Whether a message, or the end, arrives within ``seconds``."""
    return bool(multiprocessing.connection.wait([waitable(channel)], seconds))


def waitable(channel: Channel) -> Any:
    """What ``multiprocessing.connection.wait`` takes; Windows knows pipes alone."""
    return channel.end if isinstance(channel, PipeChannel) else channel


def _has_anonymous_memory() -> bool:
    """Linux, and no sandbox that forbids it."""
    if not hasattr(os, "memfd_create"):
        return False
    try:
        os.close(os.memfd_create("timesformer-probe"))
    except OSError as error:
        return error.errno in (errno.EMFILE, errno.ENFILE)  # to be told where it matters
    return True


def _only(descriptors: list[int]) -> int:
    if not descriptors:  # the system drops those that would be too many
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
    return descriptors[0]


def _write(descriptor: int, data: memoryview) -> None:
    while len(data):
        data = data[os.write(descriptor, data) :]
