"""Rate limits per API key: sliding windows, counted exactly by one script in Redis."""

import math
import time
from typing import Final

import msgspec
import redis.asyncio as redis
import structlog
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from domains.kernel.core.ids import new_id
from domains.kernel.core.problems import RateLimited, Unavailable
from domains.kernel.tenancy.api_keys import RateLimits
from domains.kernel.tenancy.keyring import Caller

logger = structlog.get_logger()

# Seconds without calls to Redis after a failure, so that requests do not queue for timeouts.
_PAUSE_AFTER_FAILURE: Final = 1.0

# KEYS[1]: sorted set of counted requests, scored by microsecond.
# ARGV: request id, then seconds and limit of each window.
# Returns admitted (1 or 0), then limit, remaining requests and microsecond of the next free place
# of the window nearest to its limit, then the server's clock. Refused requests are not counted.
_SCRIPT: Final = """
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local longest = 0
local nearest, full = nil, nil
for i = 2, #ARGV, 2 do
  local span, limit = tonumber(ARGV[i]) * 1000000, tonumber(ARGV[i + 1])
  if span > longest then longest = span end
  local from = '(' .. string.format('%.0f', now - span)
  local used = redis.call('ZCOUNT', KEYS[1], from, '+inf')
  local remaining = limit - used
  local reset = now + span
  if used > 0 then
    local rank = 0
    if remaining <= 0 then rank = -remaining end
    local at = redis.call('ZRANGEBYSCORE', KEYS[1], from, '+inf', 'WITHSCORES', 'LIMIT', rank, 1)
    reset = tonumber(at[2]) + span
  end
  if remaining <= 0 and (not full or reset > full[3]) then full = {limit, 0, reset} end
  if not nearest or remaining < nearest[2] then nearest = {limit, remaining, reset} end
end
if full then
  return {0, full[1], 0, string.format('%.0f', full[3]), string.format('%.0f', now)}
end
redis.call('ZADD', KEYS[1], string.format('%.0f', now), ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', string.format('%.0f', now - longest))
redis.call('PEXPIRE', KEYS[1], math.floor(longest / 1000) + 1000)
local reset = string.format('%.0f', nearest[3])
return {1, nearest[1], nearest[2] - 1, reset, string.format('%.0f', now)}
"""


class RateLimitStatus(msgspec.Struct, frozen=True):
    """State of the window nearest to its limit, as the response headers show it."""

    limit: int
    remaining: int
    # Unix time in seconds at which the window next admits a request.
    reset: int

    def headers(self) -> dict[str, str]:
        return {
            "X-RateLimit-Limit": str(self.limit),
            "X-RateLimit-Remaining": str(self.remaining),
            "X-RateLimit-Reset": str(self.reset),
        }


class Limiter:
    """Counts and limits requests. Admits all and logs a warning while Redis is unavailable.

    A key whose longest window allows n requests uses up to n entries of about 100 bytes in Redis.
    """

    def __init__(self, client: redis.Redis) -> None:
        self._client = client
        self._script = client.register_script(_SCRIPT)
        self._paused_until = float("-inf")

    async def admit(self, caller: Caller) -> RateLimitStatus | None:
        """Count a request. Raises RateLimited if a window is full.

        Returns None if the key has no limits or Redis is unavailable.
        """
        windows = _windows(caller.limits)
        if not windows or time.monotonic() < self._paused_until:
            return None
        try:
            admitted, limit, remaining, reset, now = await self._script(
                keys=[f"limit:{caller.key}"], args=[new_id().bytes, *windows]
            )
        except (RedisError, OSError, TimeoutError) as error:
            self._paused_until = time.monotonic() + _PAUSE_AFTER_FAILURE
            logger.warning("rate_limit_skipped", error=type(error).__name__)
            return None
        status = RateLimitStatus(int(limit), int(remaining), _whole_seconds(int(reset)))
        if not admitted:
            wait = max(1, _whole_seconds(int(reset) - int(now)))
            raise RateLimited(
                "Rate limit exceeded", headers={"Retry-After": str(wait), **status.headers()}
            )
        return status

    async def check(self) -> None:
        """Raise Unavailable unless Redis answers."""
        try:
            await self._client.ping()
        except (RedisError, OSError, TimeoutError) as error:
            raise Unavailable("Redis does not answer.") from error


def _windows(limits: RateLimits) -> list[int]:
    """Seconds and limit of each limited window, as the script takes them."""
    windows = ((60, limits.minute), (3_600, limits.hour), (86_400, limits.day))
    return [
        number for seconds, limit in windows if limit is not None for number in (seconds, limit)
    ]


def _whole_seconds(microseconds: int) -> int:
    return math.ceil(microseconds / 1_000_000)


def connect(url: str, timeout: float) -> redis.Redis:
    """Create a client. A call makes at most two attempts of `timeout` seconds each."""
    return redis.Redis.from_url(
        url,
        socket_timeout=timeout,
        socket_connect_timeout=timeout,
        # A second attempt on a new connection, for connections closed by a restart of Redis.
        retry=Retry(NoBackoff(), 1),
    )
