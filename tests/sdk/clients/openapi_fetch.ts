// The scenario with openapi-typescript and openapi-fetch.

import assert from "node:assert/strict";
import createClient from "openapi-fetch";
import type { paths } from "./generated/schema";
import {
  CONVERSATION,
  MESSAGE_TIMES,
  OLD_TEXT,
  TEXT,
  UNKNOWN_ID,
  base64,
  eventually,
} from "./scenario";

const client = createClient<paths>({
  baseUrl: process.env.API_URL,
  headers: { Authorization: `Bearer ${process.env.API_KEY}` },
});

// Return the body of a successful response.
function ok<T>(result: { data?: T; error?: unknown }): T {
  assert.equal(result.error, undefined);
  assert.ok(result.data !== undefined);
  return result.data;
}

async function discovery(): Promise<void> {
  const push = async (externalId: string, text: string, status: number) => {
    const result = await client.POST("/external/v1/signals", {
      body: { signalType: "review", text, sourceKey: "app", externalId },
    });
    assert.equal(result.response.status, status);
    return ok(result);
  };
  const old = await push("1", OLD_TEXT, 201);
  const signal = await push("1", TEXT, 200);
  assert.equal(signal.publicId, old.publicId);
  const created = [
    signal.id,
    (await push("2", TEXT, 201)).id,
    (await push("3", TEXT, 201)).id,
  ];

  const listed: string[] = [];
  for (let offset = 0; offset < 4; offset += 2) {
    const query = { limit: 2, offset, order: "asc" as const };
    const page = ok(await client.GET("/external/v1/signals", { params: { query } }));
    listed.push(...page.map((each) => each.id));
  }
  assert.deepEqual(listed, created);

  const path = { id: signal.publicId };
  const job = ok(await client.POST("/external/v1/signals/{id}/process", { params: { path } }));
  assert.ok(job.jobId);
  await eventually(async () => {
    const found = ok(await client.GET("/external/v1/signals/{id}", { params: { path } }));
    return found.status === "processed";
  });

  const query = { signalId: signal.id };
  const insights = ok(await client.GET("/external/v1/insights", { params: { query } }));
  assert.ok(insights.length > 0);
  for (const insight of insights) {
    const evidence = ok(
      await client.GET("/external/v1/insights/{id}/evidence", {
        params: { path: { id: insight.id } },
      }),
    );
    assert.ok(evidence.length > 0);
    for (const each of evidence) {
      assert.equal(TEXT.slice(each.start, each.end), each.quote);
    }
  }

  const opportunity = ok(
    await client.POST("/external/v1/opportunities", {
      body: { name: "Faster exports", description: "Exports take minutes.", score: 50 },
    }),
  );
  assert.equal(opportunity.score, 50);
  const patched = ok(
    await client.PATCH("/external/v1/opportunities/{id}", {
      params: { path: { id: opportunity.id } },
      body: { score: null },
    }),
  );
  assert.equal(patched.score, null);
  assert.equal(patched.name, "Faster exports");

  const missing = await client.GET("/external/v1/signals/{id}", {
    params: { path: { id: UNKNOWN_ID } },
  });
  assert.equal(missing.response.status, 404);
  assert.equal(missing.error?.type, "urn:gateway:problem:not-found");
  const refused = await client.POST("/external/v1/signals", {
    body: { signalType: "review", text: "" },
  });
  assert.equal(refused.response.status, 400);
  assert.equal(refused.error?.errors?.[0]?.field, "text");
}

async function revenue(): Promise<void> {
  const source = ok(
    await client.POST("/v1/sources", { body: { name: "billing", displayName: "Billing" } }),
  );
  const objectType = ok(
    await client.POST("/v1/object-types", {
      body: {
        sourceId: source.id,
        name: "subscription",
        displayName: "Subscription",
        fieldDefinitions: [
          { name: "plan", fieldType: "string" },
          { name: "seats", fieldType: "int", required: true },
        ],
      },
    }),
  );
  const upsert = () =>
    client.POST("/v1/rows", {
      body: {
        id: "row-1",
        sourceId: source.id,
        objectTypeId: objectType.id,
        name: "ACME",
        fields: {
          plan: { fieldType: "string", value: "team" },
          seats: { fieldType: "int", value: 12 },
        },
      },
    });
  const row = ok(await upsert());
  assert.equal(row.status, "created");
  assert.deepEqual(ok(await upsert()), { ...row, status: "updated" });

  ok(
    await client.PATCH("/v1/rows", {
      params: { query: { sourceId: source.id, remoteId: "row-1" } },
      body: { fields: { plan: null } },
    }),
  );
  const read = ok(
    await client.GET("/v1/rows/{rowId}", { params: { path: { rowId: row.recordId } } }),
  );
  assert.deepEqual(Object.keys(read.fields), ["seats"]);
  assert.equal(read.fields.seats?.value, 12);

  for (const [index, createdAt] of MESSAGE_TIMES.entries()) {
    ok(
      await client.POST("/v1/messages", {
        body: {
          id: `message-${index}`,
          sourceId: source.id,
          createdAt,
          body: "Hello",
          sender: { email: "ana@acme.com" },
          recipients: [{ email: "rick@example.com" }],
        },
      }),
    );
  }
  const listed: (string | null)[] = [];
  let cursor: string | null | undefined;
  do {
    const query = { limit: 2, ...(cursor ? { cursor } : {}) };
    const page = ok(await client.GET("/v1/messages", { params: { query } }));
    listed.push(...page.messages.map((each) => each.remoteId));
    cursor = page.pagination.nextCursor;
  } while (cursor);
  assert.deepEqual(listed, ["message-2", "message-1", "message-0"]);

  const conversation = ok(
    await client.POST("/v1/conversations", { body: { ...CONVERSATION, sourceId: source.id } }),
  );
  const conversationId = conversation.recordId;
  await eventually(async () => {
    const found = ok(
      await client.GET("/v1/conversations/{conversationId}", {
        params: { path: { conversationId } },
      }),
    );
    return found.processing.status === "processed" && found.summary !== null;
  });
  const evidence = ok(
    await client.GET("/v1/conversations/{conversationId}/evidence", {
      params: { path: { conversationId } },
    }),
  );
  const quotes = Object.values(evidence).flat();
  assert.ok(quotes.length > 0 && quotes.every((each) => each.quote.length > 0));

  const document = ok(
    await client.POST("/v1/documents", {
      body: { id: "doc-1", sourceId: source.id, filename: "note.txt", content: base64(TEXT) },
    }),
  );
  const found = await eventually(async () => {
    const path = { documentId: document.recordId };
    const read = ok(await client.GET("/v1/documents/{documentId}", { params: { path } }));
    return read.processing.status === "processed" && read;
  });
  assert.ok(found.normalizedUrl);
  assert.equal(found.displayName, "note.txt");

  const missing = await client.GET("/v1/documents/{documentId}", {
    params: { path: { documentId: UNKNOWN_ID } },
  });
  assert.equal(missing.response.status, 404);
  assert.ok(missing.error?.detail.includes("document"));
  const conflict = await client.POST("/v1/sources", {
    body: { name: "billing", displayName: "Billing" },
  });
  assert.equal(conflict.response.status, 409);
  assert.equal(conflict.error?.detail.error, "conflict");
}

void discovery().then(revenue);
