// The scenario with openapi-generator's typescript-fetch.

import assert from "node:assert/strict";
import * as api from "./generated";
import {
  CONVERSATION,
  MESSAGE_TIMES,
  OLD_TEXT,
  TEXT,
  UNKNOWN_ID,
  base64,
  eventually,
} from "./scenario";

const configuration = new api.Configuration({
  basePath: process.env.API_URL,
  accessToken: process.env.API_KEY,
});
const signals = new api.SignalsApi(configuration);
const insights = new api.InsightsApi(configuration);
const opportunities = new api.OpportunitiesApi(configuration);
const sources = new api.SourcesApi(configuration);
const objectTypes = new api.ObjectTypesApi(configuration);
const rows = new api.RowsApi(configuration);
const messages = new api.MessagesApi(configuration);
const conversations = new api.ConversationsApi(configuration);
const documents = new api.DocumentsApi(configuration);

// Await an error response and return its status and decoded body.
async function refusal<T>(
  call: Promise<unknown>,
  decode: (json: unknown) => T,
): Promise<[number, T]> {
  try {
    await call;
  } catch (error) {
    assert.ok(error instanceof api.ResponseError);
    return [error.response.status, decode(await error.response.json())];
  }
  throw new Error("the request was accepted");
}

async function discovery(): Promise<void> {
  const push = async (externalId: string, text: string, status: number) => {
    const result = await signals.createSignalRaw({
      createSignalRequest: { signalType: "review", text, sourceKey: "app", externalId },
    });
    assert.equal(result.raw.status, status);
    return result.value();
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
    const page = await signals.listSignals({ limit: 2, offset, order: "asc" });
    listed.push(...page.map((each) => each.id));
  }
  assert.deepEqual(listed, created);

  assert.ok((await signals.processSignal({ id: signal.publicId })).jobId);
  await eventually(async () => {
    return (await signals.getSignal({ id: signal.id })).status === "processed";
  });

  const found = await insights.listInsights({ signalId: signal.id });
  assert.ok(found.length > 0);
  for (const insight of found) {
    const evidence = await insights.listInsightEvidence({ id: insight.id });
    assert.ok(evidence.length > 0);
    for (const each of evidence) {
      assert.equal(TEXT.slice(each.start, each.end), each.quote);
    }
  }

  const opportunity = await opportunities.createOpportunity({
    opportunityCreate: {
      name: "Faster exports",
      description: "Exports take minutes.",
      score: 50,
    },
  });
  assert.equal(opportunity.score, 50);
  const patched = await opportunities.updateOpportunity({
    id: opportunity.id,
    opportunityUpdate: { score: null },
  });
  assert.equal(patched.score, null);
  assert.equal(patched.name, "Faster exports");

  const [missing, problem] = await refusal(
    signals.getSignal({ id: UNKNOWN_ID }),
    api.ProblemDetailsFromJSON,
  );
  assert.equal(missing, 404);
  assert.equal(problem.type, "urn:gateway:problem:not-found");
  const [status, refused] = await refusal(
    signals.createSignal({ createSignalRequest: { signalType: "review", text: "" } }),
    api.ProblemDetailsFromJSON,
  );
  assert.equal(status, 400);
  assert.equal(refused.errors?.[0]?.field, "text");
}

async function revenue(): Promise<void> {
  const createSourceRequest = { name: "billing", displayName: "Billing" };
  const source = await sources.createSource({ createSourceRequest });
  const objectType = await objectTypes.createObjectType({
    createObjectTypeRequest: {
      sourceId: source.id,
      name: "subscription",
      displayName: "Subscription",
      fieldDefinitions: [
        { name: "plan", fieldType: "string" },
        { name: "seats", fieldType: "int", required: true },
      ],
    },
  });
  const upsert = () =>
    rows.createRow({
      rowRequest: {
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
  const row = await upsert();
  assert.equal(row.status, "created");
  assert.deepEqual(await upsert(), { ...row, status: "updated" });

  await rows.updateRow({
    sourceId: source.id,
    remoteId: "row-1",
    updateRowRequest: { fields: { plan: null } },
  });
  const read = await rows.getRow({ rowId: row.recordId });
  assert.deepEqual(Object.keys(read.fields), ["seats"]);
  assert.equal(read.fields.seats?.value, 12);

  for (const [index, createdAt] of MESSAGE_TIMES.entries()) {
    await messages.createMessage({
      messageRequest: {
        id: `message-${index}`,
        sourceId: source.id,
        createdAt,
        body: "Hello",
        sender: { email: "ana@acme.com" },
        recipients: [{ email: "rick@example.com" }],
      },
    });
  }
  const listed: (string | null)[] = [];
  let cursor: string | undefined;
  do {
    const page = await messages.listMessages({ limit: 2, cursor });
    listed.push(...page.messages.map((each) => each.remoteId));
    cursor = page.pagination.nextCursor ?? undefined;
  } while (cursor);
  assert.deepEqual(listed, ["message-2", "message-1", "message-0"]);

  const { recordId: conversationId } = await conversations.createConversation({
    conversationRequest: { ...CONVERSATION, sourceId: source.id },
  });
  await eventually(async () => {
    const found = await conversations.getConversation({ conversationId });
    return found.processing.status === "processed" && found.summary !== null;
  });
  const evidence = await conversations.listConversationEvidence({ conversationId });
  const quotes = Object.values(evidence).flat();
  assert.ok(quotes.length > 0 && quotes.every((each) => each.quote.length > 0));

  const { recordId: documentId } = await documents.createDocument({
    documentRequest: {
      id: "doc-1",
      sourceId: source.id,
      filename: "note.txt",
      content: base64(TEXT),
    },
  });
  const found = await eventually(async () => {
    const document = await documents.getDocument({ documentId });
    return document.processing.status === "processed" && document;
  });
  assert.ok(found.normalizedUrl);
  assert.equal(found.displayName, "note.txt");

  const [missing, error] = await refusal(
    documents.getDocument({ documentId: UNKNOWN_ID }),
    api.ReadErrorFromJSON,
  );
  assert.equal(missing, 404);
  assert.ok(error.detail.includes("document"));
  const [status, conflict] = await refusal(
    sources.createSource({ createSourceRequest }),
    api.WriteErrorFromJSON,
  );
  assert.equal(status, 409);
  assert.equal(conflict.detail.error, "conflict");
}

void discovery().then(revenue);
