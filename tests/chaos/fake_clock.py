"""A wall clock that can be shifted while processes run: a preloaded C library."""

import mmap
import shutil
import struct
import subprocess
from pathlib import Path
from typing import Final

# The offset in seconds is in a mapped file: all processes see a change at once. Monotonic clocks
# are not shifted, as when the real clock is set.
_SOURCE: Final = r"""
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static const volatile int64_t *offset;

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("CHAOS_CLOCK");
    int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (file < 0) return;
    void *mapped = mmap(0, sizeof *offset, PROT_READ, MAP_SHARED, file, 0);
    close(file);
    if (mapped != MAP_FAILED) offset = mapped;
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    int failed = (int)syscall(SYS_clock_gettime, clock, now);
    if (!failed && offset && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
        now->tv_sec += *offset;
    return failed;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
    struct timespec real;
    (void)zone;
    if (clock_gettime(CLOCK_REALTIME, &real)) return -1;
    now->tv_sec = real.tv_sec;
    now->tv_usec = real.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *result) {
    struct timespec real;
    if (clock_gettime(CLOCK_REALTIME, &real)) return -1;
    if (result) *result = real.tv_sec;
    return real.tv_sec;
}
"""


class ClockUnavailable(Exception):
    """The library cannot be built on this machine; the message has the reason."""


class FakeClock:
    """A clock that can be shifted. Processes with the variables of `environment` use it."""

    def __init__(self, folder: Path) -> None:
        compiler = shutil.which("cc") or shutil.which("gcc")
        if compiler is None:
            raise ClockUnavailable("no C compiler")
        source, library, self._offset = (
            folder / name for name in ("clock.c", "clock.so", "clock.offset")
        )
        source.write_text(_SOURCE)
        compilation = subprocess.run(
            [compiler, "-shared", "-fPIC", "-O1", "-o", str(library), str(source)],
            capture_output=True,
            text=True,
            timeout=60,
        )
        if compilation.returncode != 0:
            raise ClockUnavailable("the C compiler builds no shared library")
        self._offset.write_bytes(struct.pack("q", 0))
        self.environment = {"LD_PRELOAD": str(library), "CHAOS_CLOCK": str(self._offset)}

    def shift(self, seconds: int) -> None:
        """Set the offset from the real time, at once for every process that uses the clock."""
        with self._offset.open("r+b") as file, mmap.mmap(file.fileno(), 8) as mapped:
            mapped[:8] = struct.pack("q", seconds)
