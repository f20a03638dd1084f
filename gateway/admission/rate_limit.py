"""Rate limits per API key: sliding windows, counted exactly by one script in Redis."""

import functools
import hashlib
import itertools
import math
import os
import time
from typing import Any, Final

import msgspec
from redis.exceptions import NoScriptError

from domains.kernel.core.breaker import Breaker
from domains.kernel.core.problems import RateLimited, Unavailable
from domains.kernel.tenancy.api_keys import RateLimits
from domains.kernel.tenancy.keyring import Caller
from gateway.admission.redis_connection import UNAVAILABLE, RedisConnection

_UNAVAILABLE: Final = "Redis does not answer."

# KEYS[1]: sorted set of counted requests, scored by microsecond.
# ARGV: request id, then seconds and limit of each window, the shortest first.
# Returns admitted (1 or 0), then limit, remaining requests and microsecond of the next free place
# of the window nearest to its limit, then the server's clock. Refused requests are not counted.
_SCRIPT: Final = """
local key = KEYS[1]
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local spans, limits, used = {}, {}, {}
local longest = (#ARGV - 1) / 2
for i = 1, longest do
  spans[i], limits[i] = ARGV[2 * i] * 1000000, tonumber(ARGV[2 * i + 1])
end
-- The set then holds the requests of the longest window, so that its size is their number.
redis.call('ZREMRANGEBYSCORE', key, '-inf', now - spans[longest])
local function next_free_place(i)
  if used[i] == 0 then return now + spans[i] end
  local rank = math.max(used[i] - limits[i], 0) - used[i]
  local request = redis.call('ZRANGE', key, rank, rank, 'WITHSCORES')
  return request[2] + spans[i]
end
local nearest, full, reset = 1, nil, nil
for i = 1, longest do
  if i == longest then
    used[i] = redis.call('ZCARD', key)
  else
    used[i] = redis.call('ZCOUNT', key, string.format('(%.0f', now - spans[i]), '+inf')
  end
  if used[i] >= limits[i] then
    local free = next_free_place(i)
    if not full or free > reset then full, reset = i, free end
  end
  if limits[i] - used[i] < limits[nearest] - used[nearest] then nearest = i end
end
if full then return {0, limits[full], 0, reset, now} end
reset = next_free_place(nearest)
redis.call('ZADD', key, now, ARGV[1])
redis.call('PEXPIRE', key, math.floor(spans[longest] / 1000) + 1000)
return {1, limits[nearest], limits[nearest] - used[nearest] - 1, reset, now}
"""
_SCRIPT_HASH: Final = hashlib.sha1(_SCRIPT.encode(), usedforsecurity=False).hexdigest()


class RateLimitStatus(msgspec.Struct, frozen=True):
    """State of the window nearest to its limit, as the response headers show it."""

    limit: int
    remaining: int
    # Unix time in seconds at which the window next admits a request.
    reset: int

    def headers(self) -> dict[str, str]:
        return {name.decode(): value.decode() for name, value in self.raw_headers()}

    def raw_headers(self) -> list[tuple[bytes, bytes]]:
        """The headers as ASGI takes them."""
        return [
            (b"x-ratelimit-limit", b"%d" % self.limit),
            (b"x-ratelimit-remaining", b"%d" % self.remaining),
            (b"x-ratelimit-reset", b"%d" % self.reset),
        ]


class Limiter:
    """Counts and limits requests. Admits all while Redis is unavailable.

    A key whose longest window allows n requests uses up to n entries of about 100 bytes in Redis.
    """

    def __init__(self, connection: RedisConnection, probe_interval: float = 1.0) -> None:
        """`probe_interval`: seconds between two requests that try Redis during an outage."""
        self._connection = connection
        self.breaker: Final = Breaker("redis", _UNAVAILABLE, probe_interval)
        # Together unique among all requests of all processes.
        self._process = os.urandom(8)
        self._requests = itertools.count()

    async def admit(self, caller: Caller) -> RateLimitStatus | None:
        """Count a request. Raises RateLimited if a window is full.

        Returns None if the key has no limits or Redis is unavailable.
        """
        windows = _windows(caller.limits)
        if not windows or not self.breaker.admits():
            return None
        request_id = self._process + next(self._requests).to_bytes(8, "big")
        began = time.monotonic()
        try:
            admitted, limit, remaining, reset, now = await self._run_script(
                "limit:" + caller.key_text, request_id, *windows
            )
        except UNAVAILABLE as error:
            self.breaker.failed(type(error).__name__, began=began)
            return None
        self.breaker.succeeded()
        status = RateLimitStatus(limit, remaining, _whole_seconds(reset))
        if not admitted:
            wait = max(1, _whole_seconds(reset - now))
            raise RateLimited(
                "Rate limit exceeded", headers={"Retry-After": str(wait), **status.headers()}
            )
        return status

    async def check(self) -> None:
        """Raise Unavailable unless Redis answers."""
        try:
            await self._connection.execute("PING")
        except UNAVAILABLE as error:
            raise Unavailable(_UNAVAILABLE) from error

    async def _run_script(self, key: str, *arguments: bytes | int) -> Any:
        try:
            return await self._connection.execute("EVALSHA", _SCRIPT_HASH, 1, key, *arguments)
        except NoScriptError:
            return await self._connection.execute("EVAL", _SCRIPT, 1, key, *arguments)


@functools.lru_cache(1024)
def _windows(limits: RateLimits) -> tuple[int, ...]:
    """Seconds and limit of each limited window, as the script takes them."""
    windows = ((60, limits.minute), (3_600, limits.hour), (86_400, limits.day))
    return tuple(
        number for seconds, limit in windows if limit is not None for number in (seconds, limit)
    )


def _whole_seconds(microseconds: int) -> int:
    return math.ceil(microseconds / 1_000_000)
