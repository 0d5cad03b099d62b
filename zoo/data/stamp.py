"""Whether files are still what they were: from their directory entries, and by content where these prove nothing."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from stat import S_ISREG

SETTLED = 2_000_000_000  # ns; no file system stamps times coarser than this (FAT: 2 s)


@dataclass(frozen=True)
class Stamp:
    """The state of some files as their directory entries tell it.

    Attributes:
        files: hash of names, sizes and modification times.
        changed: hash of the times of the last change of any kind, which no program can set back.
        newest: the last of all those times, ns since 1970.
        bytes: total size.
    """

    files: str
    changed: str
    newest: int
    bytes: int

    @classmethod
    def of(cls, files: Sequence[str]) -> Stamp | None:
        """The present state; None where a file is missing or no plain file."""
        try:
            stats = [os.stat(file) for file in files]
        except OSError:
            return None
        if not all(S_ISREG(s.st_mode) for s in stats):
            return None
        state = [[file, s.st_size, s.st_mtime_ns] for file, s in zip(files, stats, strict=True)]
        return cls(
            files=short_hash(json.dumps(state)),
            changed=short_hash(json.dumps([s.st_ctime_ns for s in stats])),
            newest=max((max(s.st_mtime_ns, s.st_ctime_ns) for s in stats), default=0),
            bytes=sum(s.st_size for s in stats),
        )

    def settled(self, moment: int) -> bool:
        """Whether a change after `moment` (ns since 1970) cannot carry the time of one before it."""
        return self.newest < moment - SETTLED

    def proves(self, now: Stamp, hashed_at: int) -> bool | None:
        """Whether the files are still those that had this stamp and were hashed at `hashed_at` (ns since 1970).

        False where name, size or modification time differ. None, "look at the content", where only other times do,
        or where a file was so young when it was hashed that a later change may carry the same time.
        """
        if self.files != now.files:
            return False
        return True if self.changed == now.changed and now.settled(hashed_at) else None


def content_hash(files: Sequence[str]) -> str | None:
    """Hash of names and bytes; None where a file cannot be read."""
    digest = hashlib.blake2b(digest_size=16)
    try:
        for file in files:
            digest.update(f"{file}\0{os.path.getsize(file)}\0".encode(errors="surrogateescape"))
            with open(file, "rb") as stream:
                while block := stream.read(1 << 20):
                    digest.update(block)
    except OSError:
        return None
    return digest.hexdigest()


def short_hash(*texts: str) -> str:
    """24 hex digits."""
    return hashlib.blake2b("\0".join(texts).encode(errors="surrogateescape"), digest_size=12).hexdigest()
