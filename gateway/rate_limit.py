"""Rate limits: moving windows per key, counted exactly in Redis by one script, one round trip."""

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
from domains.kernel.tenancy.api_keys import Limits
from domains.kernel.tenancy.keyring import Caller

log = structlog.get_logger()

_WINDOWS: Final = (("minute", 60), ("hour", 3_600), ("day", 86_400))

# Seconds without asking Redis again after it failed, so that requests do not queue for time-outs.
_PAUSE: Final = 1.0

# KEYS[1]: sorted set of admitted requests by microsecond. ARGV: request id, then seconds and limit
# of each window. Answers: admitted (1/0), then limit, remaining and microsecond of reset of the
# window nearest to its limit, then the server's clock. Refused requests are not counted.
_SCRIPT: Final = """
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local longest, wait, full = 0, 0, nil
local nearest = nil
for i = 2, #ARGV, 2 do
  local span, limit = tonumber(ARGV[i]) * 1000000, tonumber(ARGV[i + 1])
  if span > longest then longest = span end
  local from = '(' .. string.format('%.0f', now - span)
  local used = redis.call('ZCOUNT', KEYS[1], from, '+inf')
  local left = limit - used
  local frees = now + span
  if used > 0 then
    local rank = 0
    if left <= 0 then rank = -left end
    local at = redis.call('ZRANGEBYSCORE', KEYS[1], from, '+inf', 'WITHSCORES', 'LIMIT', rank, 1)
    frees = tonumber(at[2]) + span
  end
  if left <= 0 and (not full or frees > full[3]) then full = {limit, 0, frees} end
  if not nearest or left < nearest[2] then nearest = {limit, left, frees} end
end
if full then
  return {0, full[1], 0, string.format('%.0f', full[3]), string.format('%.0f', now)}
end
redis.call('ZADD', KEYS[1], string.format('%.0f', now), ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', string.format('%.0f', now - longest))
redis.call('PEXPIRE', KEYS[1], math.floor(longest / 1000) + 1000)
local frees = string.format('%.0f', nearest[3])
return {1, nearest[1], nearest[2] - 1, frees, string.format('%.0f', now)}
"""


class Verdict(msgspec.Struct, frozen=True):
    """What the rate limit headers say: the window that is nearest to its limit."""

    limit: int
    remaining: int
    # Unix seconds at which the window frees a place.
    reset: int

    def headers(self) -> dict[str, str]:
        return {
            "X-RateLimit-Limit": str(self.limit),
            "X-RateLimit-Remaining": str(self.remaining),
            "X-RateLimit-Reset": str(self.reset),
        }


class Limiter:
    """Admits or refuses. While Redis is away it lets everything through and says so.

    A key with a limit of n in its longest window keeps n entries of about 100 bytes in Redis.
    """

    def __init__(self, client: redis.Redis) -> None:
        self._client = client
        self._script = client.register_script(_SCRIPT)
        self._paused_until = float("-inf")

    async def admit(self, caller: Caller) -> Verdict | None:
        """Count a request; RateLimited if a window is full. None: not limited, or Redis is away."""
        windows = _windows(caller.limits)
        if not windows or time.monotonic() < self._paused_until:
            return None
        arguments: list[bytes | str | int] = [new_id().bytes]
        for window in windows:
            arguments.extend(window)
        try:
            admitted, limit, remaining, reset, now = await self._script(
                keys=[f"limit:{caller.key}"], args=arguments
            )
        except (RedisError, OSError, TimeoutError) as error:
            self._paused_until = time.monotonic() + _PAUSE
            log.warning("rate_limit_skipped", error=type(error).__name__)
            return None
        frees = int(reset)
        verdict = Verdict(int(limit), int(remaining), -(-frees // 1_000_000))
        if not admitted:
            wait = max(1, -(-(frees - int(now)) // 1_000_000))
            raise RateLimited(
                "Rate limit exceeded", headers={"Retry-After": str(wait), **verdict.headers()}
            )
        return verdict

    async def check(self) -> None:
        """Return if Redis answers, else Unavailable."""
        try:
            await self._client.ping()
        except (RedisError, OSError, TimeoutError) as error:
            raise Unavailable("Redis does not answer.") from error


def _windows(limits: Limits) -> list[tuple[int, int]]:
    return [
        (seconds, limit)
        for name, seconds in _WINDOWS
        if (limit := getattr(limits, name)) is not None
    ]


def connect(url: str, timeout: float) -> redis.Redis:
    """A client whose calls wait at most `timeout` seconds, twice."""
    return redis.Redis.from_url(
        url,
        socket_timeout=timeout,
        socket_connect_timeout=timeout,
        # Once more on a fresh connection, for those that died with a restarted server.
        retry=Retry(NoBackoff(), 1),
    )
