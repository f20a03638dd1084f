// Typed client of the evidence gateway. The types are generated from the OpenAPI document; the
// functions here add what every program needs: retries, errors, lists, and waiting.

import createClient, { type Client } from "openapi-fetch";
import type { components, paths } from "./schema.js";

export type { components, paths };
export type Schemas = components["schemas"];
export type Gateway = Client<paths>;

type ErrorBody = Schemas["ProblemDetails"] | Schemas["ReadError"] | Schemas["WriteError"];
type Sleep = (seconds: number) => Promise<void>;

export interface Options {
  /** Address of the gateway, such as `https://gateway.example.com`. */
  baseUrl: string;
  /** API key. */
  key: string;
  /** How often a refused request is sent again. Default: 4. */
  retries?: number;
  /** Longest pause before a request is sent again, in seconds. Default: 60. */
  maxWait?: number;
  /** Sends requests. Default: the global `fetch`. */
  fetch?: (request: Request) => Promise<Response>;
  /** Waits. Default: a timer. */
  sleep?: Sleep;
}

/**
 * Create a client for the paths of both APIs.
 *
 * GET and POST are sent again after 429 and 503, as often and as late as `options` allow. Each POST
 * has an Idempotency-Key, so that it takes effect once. Error responses throw a `GatewayError`.
 */
export function connect(options: Options): Gateway {
  return createClient<paths>({
    baseUrl: options.baseUrl,
    headers: { Authorization: `Bearer ${options.key}` },
    fetch: (request) => send(request, options),
  });
}

/**
 * Return the data of a response.
 *
 * A client of `connect` throws error responses. Only 304 (see `If-None-Match`) has no data.
 */
export function ok<T>(result: { data?: T }): T {
  if (result.data === undefined) {
    throw new TypeError("status 304, or the client was not created by connect()");
  }
  return result.data;
}

/** A response with a status of 400 or more. */
export class GatewayError extends Error {
  constructor(
    readonly status: number,
    /** Finds the request in the gateway's log. */
    readonly requestId: string | null,
    /**
     * The decoded body: `ProblemDetails` of the discovery API, `ReadError` or `WriteError` of the
     * revenue record API, and undefined if a proxy answered.
     */
    readonly body: ErrorBody | undefined,
  ) {
    const detail = body?.detail;
    super(`${status}: ${typeof detail === "object" ? detail.message : detail}`);
    this.name = new.target.name;
  }

  /** Messages by the fields of the request that are wrong. */
  get fields(): Record<string, string> {
    if (this.body !== undefined && "title" in this.body) {
      return Object.fromEntries((this.body.errors ?? []).map((each) => [each.field, each.message]));
    }
    const detail = this.body?.detail;
    return typeof detail === "object" && detail.field ? { [detail.field]: detail.message } : {};
  }
}

/** The request is wrong (400). */
export class BadRequest extends GatewayError {}

/** There is no such record in this workspace (404). */
export class NotFound extends GatewayError {}

/** A name is taken, or another request conflicts (409). */
export class Conflict extends GatewayError {}

/** The key's rate limit is exceeded, also after the retries (429). */
export class RateLimited extends GatewayError {}

/** The gateway cannot serve the request now, also after the retries (503). */
export class Unavailable extends GatewayError {}

const ERRORS = new Map<number, typeof GatewayError>([
  [400, BadRequest],
  [404, NotFound],
  [409, Conflict],
  [429, RateLimited],
  [503, Unavailable],
]);

async function errorOf(response: Response): Promise<GatewayError> {
  let body: ErrorBody | undefined;
  try {
    const decoded = (await response.json()) as ErrorBody;
    body = decoded?.detail === undefined ? undefined : decoded;
  } catch {
    body = undefined;
  }
  const Kind = ERRORS.get(response.status) ?? GatewayError;
  return new Kind(response.status, response.headers.get("X-Request-Id"), body);
}

async function send(request: Request, options: Options): Promise<Response> {
  const { fetch = globalThis.fetch, retries = 4, sleep = pause } = options;
  if (request.method === "POST" && !request.headers.has("Idempotency-Key")) {
    request.headers.set("Idempotency-Key", crypto.randomUUID());
  }
  for (let attempt = 0; ; attempt++) {
    const response = await fetch(request.clone());
    if (response.status < 400) {
      return response;
    }
    const delay = delayAfter(request, response, attempt, options.maxWait ?? 60);
    if (delay === undefined || attempt >= retries) {
      throw await errorOf(response);
    }
    await response.body?.cancel();
    await sleep(delay);
  }
}

// Seconds until the next attempt, or undefined if the error is final. POST has an Idempotency-Key.
function delayAfter(
  request: Request,
  response: Response,
  attempt: number,
  maxWait: number,
): number | undefined {
  if (![429, 503].includes(response.status) || !["GET", "POST"].includes(request.method)) {
    return undefined;
  }
  const asked = response.headers.get("Retry-After") ?? "";
  const delay = /^\d+$/.test(asked) ? Number(asked) : 0.5 * 2 ** attempt;
  return delay <= maxWait ? delay : undefined;
}

function pause(seconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, seconds * 1000));
}

/**
 * Iterate over a list of the discovery API:
 *
 *     records((query) => gateway.GET("/external/v1/signals", { params: { query } }))
 *
 * Add `order: "asc"` to the query if records may be created meanwhile: none is then repeated.
 * `limit` is the number of records per request, at most 100.
 */
export async function* records<T>(
  fetchPage: (query: { limit: number; offset: number }) => Promise<{ data?: T[] }>,
  limit = 100,
): AsyncGenerator<T, void, undefined> {
  for (let offset = 0; ; offset += limit) {
    const found = ok(await fetchPage({ limit, offset }));
    yield* found;
    if (found.length < limit) {
      return;
    }
  }
}

/**
 * Iterate over the pages of a list of the revenue record API:
 *
 *     pages((cursor) => gateway.GET("/v1/deals", { params: { query: { cursor } } }))
 */
export async function* pages<P extends { pagination: Schemas["PaginationInfo"] }>(
  fetchPage: (cursor: string | undefined) => Promise<{ data?: P }>,
): AsyncGenerator<P, void, undefined> {
  let cursor: string | undefined;
  do {
    const page = ok(await fetchPage(cursor));
    yield page;
    cursor = page.pagination.nextCursor ?? undefined;
  } while (cursor !== undefined);
}

/** The analysis failed. `signal.processing` says why. */
export class ProcessingFailed extends Error {
  constructor(readonly signal: Schemas["Signal"]) {
    super(`the analysis of ${signal.publicId} failed`);
    this.name = "ProcessingFailed";
  }
}

/** The analysis has not ended in time. It goes on. */
export class ProcessingTimeout extends Error {}

/**
 * Poll a signal until it is processed, and return it.
 *
 * Throws `ProcessingFailed`, or `ProcessingTimeout` after `timeout` seconds of waiting.
 */
export async function waitUntilProcessed(
  gateway: Gateway,
  id: string,
  { timeout = 120, sleep = pause }: { timeout?: number; sleep?: Sleep } = {},
): Promise<Schemas["Signal"]> {
  let delay = 0.25;
  for (let waited = 0; waited < timeout; waited += delay, delay = Math.min(delay * 1.5, 5)) {
    const signal = ok(await gateway.GET("/external/v1/signals/{id}", { params: { path: { id } } }));
    if (signal.status === "failed") {
      throw new ProcessingFailed(signal);
    }
    if (signal.status === "processed") {
      return signal;
    }
    await sleep(delay);
  }
  throw new ProcessingTimeout(`signal ${id} is not processed after ${timeout} s`);
}
