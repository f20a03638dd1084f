// The scenario with @hey-api/openapi-ts.

import assert from "node:assert/strict";
import * as api from "./generated";
import { client } from "./generated/client.gen";
import {
  CONVERSATION,
  MESSAGE_TIMES,
  OLD_TEXT,
  TEXT,
  UNKNOWN_ID,
  base64,
  eventually,
} from "./scenario";

client.setConfig({ baseUrl: process.env.API_URL, auth: process.env.API_KEY });

// Return the body of a successful response.
function ok<T>(result: { data: T | undefined; error: unknown }): T {
  assert.equal(result.error, undefined);
  assert.ok(result.data !== undefined);
  return result.data;
}

async function discovery(): Promise<void> {
  const push = async (externalId: string, text: string, status: number) => {
    const result = await api.createSignal({
      body: { signalType: "review", text, sourceKey: "app", externalId },
    });
    assert.equal(result.response?.status, status);
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
    const page = ok(await api.listSignals({ query: { limit: 2, offset, order: "asc" } }));
    listed.push(...page.map((each) => each.id));
  }
  assert.deepEqual(listed, created);

  const path = { id: signal.publicId };
  assert.ok(ok(await api.processSignal({ path })).jobId);
  await eventually(async () => ok(await api.getSignal({ path })).status === "processed");

  const insights = ok(await api.listInsights({ query: { signalId: signal.id } }));
  assert.ok(insights.length > 0);
  for (const insight of insights) {
    const evidence = ok(await api.listInsightEvidence({ path: { id: insight.id } }));
    assert.ok(evidence.length > 0);
    for (const each of evidence) {
      assert.equal(TEXT.slice(each.start, each.end), each.quote);
    }
  }

  const opportunity = ok(
    await api.createOpportunity({
      body: { name: "Faster exports", description: "Exports take minutes.", score: 50 },
    }),
  );
  assert.equal(opportunity.score, 50);
  const patched = ok(
    await api.updateOpportunity({ path: { id: opportunity.id }, body: { score: null } }),
  );
  assert.equal(patched.score, null);
  assert.equal(patched.name, "Faster exports");

  const missing = await api.getSignal({ path: { id: UNKNOWN_ID } });
  assert.equal(missing.response?.status, 404);
  assert.equal(missing.error?.type, "urn:gateway:problem:not-found");
  const refused = await api.createSignal({ body: { signalType: "review", text: "" } });
  assert.equal(refused.response?.status, 400);
  assert.equal(refused.error?.errors?.[0]?.field, "text");
}

async function revenue(): Promise<void> {
  const source = ok(
    await api.createSource({ body: { name: "billing", displayName: "Billing" } }),
  );
  const objectType = ok(
    await api.createObjectType({
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
    api.createRow({
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
    await api.updateRow({
      query: { sourceId: source.id, remoteId: "row-1" },
      body: { fields: { plan: null } },
    }),
  );
  const read = ok(await api.getRow({ path: { rowId: row.recordId } }));
  assert.deepEqual(Object.keys(read.fields), ["seats"]);
  assert.equal(read.fields.seats?.value, 12);

  for (const [index, createdAt] of MESSAGE_TIMES.entries()) {
    ok(
      await api.createMessage({
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
  let cursor: string | undefined;
  do {
    const page: api.ListMessagesResponse = ok(
      await api.listMessages({ query: { limit: 2, cursor } }),
    );
    listed.push(...page.messages.map((each) => each.remoteId));
    cursor = page.pagination.nextCursor ?? undefined;
  } while (cursor);
  assert.deepEqual(listed, ["message-2", "message-1", "message-0"]);

  const { recordId: conversationId } = ok(
    await api.createConversation({ body: { ...CONVERSATION, sourceId: source.id } }),
  );
  await eventually(async () => {
    const found = ok(await api.getConversation({ path: { conversationId } }));
    return found.processing.status === "processed" && found.summary !== null;
  });
  const evidence = ok(await api.listConversationEvidence({ path: { conversationId } }));
  const quotes = Object.values(evidence).flat();
  assert.ok(quotes.length > 0 && quotes.every((each) => each.quote.length > 0));

  const { recordId: documentId } = ok(
    await api.createDocument({
      body: { id: "doc-1", sourceId: source.id, filename: "note.txt", content: base64(TEXT) },
    }),
  );
  const found = await eventually(async () => {
    const document = ok(await api.getDocument({ path: { documentId } }));
    return document.processing.status === "processed" && document;
  });
  assert.ok(found.normalizedUrl);
  assert.equal(found.displayName, "note.txt");

  const missing = await api.getDocument({ path: { documentId: UNKNOWN_ID } });
  assert.equal(missing.response?.status, 404);
  assert.ok(missing.error?.detail.includes("document"));
  const conflict = await api.createSource({ body: { name: "billing", displayName: "Billing" } });
  assert.equal(conflict.response?.status, 409);
  assert.equal(conflict.error?.detail.error, "conflict");
}

void discovery().then(revenue);
