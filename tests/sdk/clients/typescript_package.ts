// The scenario with the npm package, installed from its tarball.

import assert from "node:assert/strict";
import {
  BadRequest,
  Conflict,
  NotFound,
  connect,
  ok,
  pages,
  records,
  waitUntilProcessed,
} from "evidence-gateway-client";
import {
  CONVERSATION,
  MESSAGE_TIMES,
  OLD_TEXT,
  TEXT,
  UNKNOWN_ID,
  base64,
  eventually,
} from "./scenario";

const gateway = connect({
  baseUrl: process.env.API_URL ?? "",
  key: process.env.API_KEY ?? "",
});

// Await an error of a class and return it.
async function caught<E>(call: Promise<unknown>, Kind: new (...values: any[]) => E): Promise<E> {
  try {
    await call;
  } catch (error) {
    assert.ok(error instanceof Kind, String(error));
    return error;
  }
  throw new Error("the request was accepted");
}

async function discovery(): Promise<void> {
  const push = async (externalId: string, text: string, status: number) => {
    const result = await gateway.POST("/external/v1/signals", {
      body: { signalType: "review", text, sourceKey: "app", externalId },
    });
    assert.equal(result.response.status, status);
    return ok(result).publicId;
  };
  const created: string[] = [];
  for (const number of ["1", "2", "3", "4"]) {
    created.push(await push(number, OLD_TEXT, 201));
  }
  assert.equal(await push("1", TEXT, 200), created[0]);
  const listed: string[] = [];
  const signals = records(
    (page) =>
      gateway.GET("/external/v1/signals", { params: { query: { ...page, order: "asc" } } }),
    3,
  );
  for await (const signal of signals) {
    listed.push(signal.publicId);
  }
  assert.deepEqual(listed, created);

  const signal = await waitUntilProcessed(gateway, created[0]!);
  let insights = 0;
  for await (const insight of records((page) =>
    gateway.GET("/external/v1/insights", {
      params: { query: { ...page, signalId: signal.id } },
    }),
  )) {
    insights += 1;
    const path = { id: insight.id };
    const evidence = ok(
      await gateway.GET("/external/v1/insights/{id}/evidence", { params: { path } }),
    );
    assert.ok(evidence.length > 0);
    for (const each of evidence) {
      assert.equal(TEXT.slice(each.start, each.end), each.quote);
    }
  }
  assert.ok(insights > 0);

  const opportunity = ok(
    await gateway.POST("/external/v1/opportunities", {
      body: { name: "Faster exports", description: "Exports take minutes.", score: 50 },
    }),
  );
  const patched = ok(
    await gateway.PATCH("/external/v1/opportunities/{id}", {
      params: { path: { id: opportunity.id } },
      body: { score: null },
    }),
  );
  assert.deepEqual([opportunity.score, patched.score], [50, null]);

  const get = (header: { "If-None-Match"?: string }) =>
    gateway.GET("/external/v1/opportunities/{id}", {
      params: { path: { id: opportunity.publicId }, header },
    });
  const read = await get({});
  assert.deepEqual(ok(read), patched);
  const tag = read.response.headers.get("ETag") ?? "";
  assert.equal((await get({ "If-None-Match": tag })).response.status, 304);

  const missing = await caught(
    gateway.GET("/external/v1/signals/{id}", { params: { path: { id: UNKNOWN_ID } } }),
    NotFound,
  );
  assert.equal(missing.status, 404);
  const wrong = { signalType: "review" as const, text: "" };
  const refused = await caught(gateway.POST("/external/v1/signals", { body: wrong }), BadRequest);
  assert.deepEqual(Object.keys(refused.fields), ["text"]);
  assert.ok(refused.requestId);
}

async function revenue(): Promise<void> {
  const billing = { name: "billing", displayName: "Billing" };
  const sourceId = ok(await gateway.POST("/v1/sources", { body: billing })).id;
  for (const [index, createdAt] of MESSAGE_TIMES.entries()) {
    const message = {
      id: `message-${index}`,
      sourceId,
      createdAt,
      body: "Hello",
      sender: { email: "ana@acme.com" },
      recipients: [{ email: "rick@example.com" }],
    };
    for (const status of ["created", "updated"]) {
      const pushed = ok(await gateway.POST("/v1/messages", { body: message }));
      assert.equal(pushed.status, status);
    }
  }
  const listed: (string | null)[] = [];
  for await (const page of pages((cursor) =>
    gateway.GET("/v1/messages", { params: { query: { limit: 2, cursor } } }),
  )) {
    listed.push(...page.messages.map((each) => each.remoteId));
  }
  assert.deepEqual(listed, ["message-2", "message-1", "message-0"]);

  const { recordId: conversationId } = ok(
    await gateway.POST("/v1/conversations", { body: { ...CONVERSATION, sourceId } }),
  );
  const { recordId: documentId } = ok(
    await gateway.POST("/v1/documents", {
      body: { id: "doc-1", sourceId, filename: "note.txt", content: base64(TEXT) },
    }),
  );
  await eventually(async () => {
    const path = { conversationId };
    const found = ok(
      await gateway.GET("/v1/conversations/{conversationId}", { params: { path } }),
    );
    return found.processing.status === "processed";
  });
  await eventually(async () => {
    const path = { documentId };
    const found = ok(await gateway.GET("/v1/documents/{documentId}", { params: { path } }));
    return found.processing.status === "processed" && found.normalizedUrl;
  });

  const conflict = await caught(gateway.POST("/v1/sources", { body: billing }), Conflict);
  assert.deepEqual(conflict.status, 409);
}

void discovery().then(revenue);
