// Retries of the npm package, against a server that refuses requests.

import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import {
  type Gateway,
  GatewayError,
  ProcessingFailed,
  ProcessingTimeout,
  RateLimited,
  Unavailable,
  connect,
  ok,
  waitUntilProcessed,
} from "evidence-gateway-client";

const PRODUCT = {
  id: "6f1c1f1e-9d1b-4b7e-8a65-6f2f6ad1f001",
  name: "Atlas",
  workspaceId: "6f1c1f1e-9d1b-4b7e-8a65-6f2f6ad1f002",
  createdAt: "2026-11-11T09:00:00Z",
  updatedAt: "2026-11-11T09:00:00Z",
};
const path = { id: PRODUCT.id };

interface Answer {
  status: number;
  retryAfter?: string;
  body: unknown;
}

function refused(status: number, retryAfter?: string): Answer {
  return { status, retryAfter, body: { detail: "later" } };
}

// Run `use` with a client of a server that gives the answers in their order.
async function withAnswers(
  answers: Answer[],
  use: (gateway: Gateway, sleep: (seconds: number) => Promise<void>) => Promise<void>,
): Promise<{ pauses: number[]; keys: (string | undefined)[] }> {
  const pauses: number[] = [];
  const keys: (string | undefined)[] = [];
  const server = createServer((request, response) => {
    request.resume().on("end", () => {
      keys.push(request.headers["idempotency-key"] as string | undefined);
      const { status, retryAfter, body } = answers.shift() ?? { status: 500, body: null };
      response.writeHead(status, {
        "Content-Type": "application/json",
        ...(retryAfter === undefined ? {} : { "Retry-After": retryAfter }),
      });
      response.end(JSON.stringify(body));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const baseUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const sleep = async (seconds: number) => void pauses.push(seconds);
  try {
    await use(connect({ baseUrl, key: "key", sleep }), sleep);
  } finally {
    server.closeAllConnections();
    server.close();
  }
  return { pauses, keys };
}

const list = (gateway: Gateway) => gateway.GET("/external/v1/products");
const create = (gateway: Gateway) =>
  gateway.POST("/external/v1/products", { body: { name: "Atlas" } });

async function readsAreSentAgainWhenTheServerAsks(): Promise<void> {
  const answers = [refused(429, "7"), refused(503), { status: 200, body: [PRODUCT] }];
  const { pauses, keys } = await withAnswers(answers, async (gateway) => {
    assert.deepEqual(ok(await list(gateway)), [PRODUCT]);
  });
  assert.deepEqual(pauses, [7, 1]);
  assert.deepEqual(keys, [undefined, undefined, undefined]);
}

async function aCreateIsSentAgainWithTheSameIdempotencyKey(): Promise<void> {
  const created = { status: 201, body: PRODUCT };
  const { keys } = await withAnswers([refused(503, "1"), created, created], async (gateway) => {
    ok(await create(gateway));
    ok(await create(gateway));
  });
  assert.ok(keys[0]);
  assert.equal(keys[1], keys[0]);
  assert.ok(keys[2] && keys[2] !== keys[0]);
}

async function retriesAreLimited(): Promise<void> {
  const answers = Array.from({ length: 6 }, () => refused(503));
  const { pauses } = await withAnswers(answers, (gateway) =>
    assert.rejects(list(gateway), Unavailable),
  );
  assert.deepEqual(pauses, [0.5, 1, 2, 4]);
  assert.equal(answers.length, 1);
}

async function aLongWaitIsAnErrorAtOnce(): Promise<void> {
  const { pauses } = await withAnswers([refused(429, "3600")], (gateway) =>
    assert.rejects(list(gateway), RateLimited),
  );
  assert.deepEqual(pauses, []);
}

async function changesAndOtherErrorsAreNotSentAgain(): Promise<void> {
  const answers = [refused(503, "1"), { status: 500, retryAfter: "1", body: "no object" }];
  const { pauses } = await withAnswers(answers, async (gateway) => {
    const body = { score: null };
    await assert.rejects(
      gateway.PATCH("/external/v1/opportunities/{id}", { params: { path }, body }),
      Unavailable,
    );
    await assert.rejects(
      list(gateway),
      (error) => error instanceof GatewayError && error.status === 500 && error.body === undefined,
    );
  });
  assert.deepEqual(pauses, []);
}

async function waitingEnds(): Promise<void> {
  const signal = (status: string) => ({ status: 200, body: { status, publicId: "SIGNAL-1" } });
  const answers = ["processing", "failed", "processing", "processing", "processing"].map(signal);
  const { pauses } = await withAnswers(answers, async (gateway, sleep) => {
    await assert.rejects(waitUntilProcessed(gateway, path.id, { sleep }), ProcessingFailed);
    await assert.rejects(
      waitUntilProcessed(gateway, path.id, { sleep, timeout: 0.3 }),
      ProcessingTimeout,
    );
  });
  assert.deepEqual(pauses, [0.25, 0.25, 0.375]);
}

void readsAreSentAgainWhenTheServerAsks()
  .then(aCreateIsSentAgainWithTheSameIdempotencyKey)
  .then(retriesAreLimited)
  .then(aLongWaitIsAnErrorAtOnce)
  .then(changesAndOtherErrorsAreNotSentAgain)
  .then(waitingEnds);
