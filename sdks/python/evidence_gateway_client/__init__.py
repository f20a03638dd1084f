"""Typed client of the evidence gateway.

`api` and `models` are generated from the OpenAPI document. The functions here add what every
program needs: retries and errors (`connect`), lists (`records`, `pages`), waiting for an analysis.
"""

from evidence_gateway_client.connection import connect as connect
from evidence_gateway_client.connection import ok as ok
from evidence_gateway_client.lists import pages as pages
from evidence_gateway_client.lists import records as records
from evidence_gateway_client.problems import BadRequest as BadRequest
from evidence_gateway_client.problems import Conflict as Conflict
from evidence_gateway_client.problems import GatewayError as GatewayError
from evidence_gateway_client.problems import NotFound as NotFound
from evidence_gateway_client.problems import RateLimited as RateLimited
from evidence_gateway_client.problems import Unavailable as Unavailable
from evidence_gateway_client.waiting import ProcessingFailed as ProcessingFailed
from evidence_gateway_client.waiting import wait_until_processed as wait_until_processed
