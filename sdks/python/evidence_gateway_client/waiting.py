"""Waiting until the analysis of a signal has ended."""

import time
from collections.abc import Callable
from uuid import UUID

from evidence_gateway_client.api.signals import get_signal
from evidence_gateway_client.client import AuthenticatedClient
from evidence_gateway_client.connection import ok
from evidence_gateway_client.models import Signal, SignalStatus


class ProcessingFailed(Exception):
    """The analysis failed. `signal.processing` says why."""

    def __init__(self, signal: Signal) -> None:
        super().__init__(f"the analysis of {signal.public_id} failed")
        self.signal = signal


def wait_until_processed(
    client: AuthenticatedClient,
    signal_id: str | UUID,
    *,
    timeout: float = 120,
    sleep: Callable[[float], None] = time.sleep,
) -> Signal:
    """Poll a signal until it is processed, and return it.

    Raises `ProcessingFailed`, or `TimeoutError` after `timeout` seconds of waiting.
    """
    waited, delay = 0.0, 0.25
    while waited < timeout:
        signal = ok(get_signal.sync(str(signal_id), client=client))
        if signal.status == SignalStatus.FAILED:
            raise ProcessingFailed(signal)
        if signal.status == SignalStatus.PROCESSED:
            return signal
        sleep(delay)
        waited += delay
        delay = min(delay * 1.5, 5)
    raise TimeoutError(f"signal {signal_id} is not processed after {timeout} s")
