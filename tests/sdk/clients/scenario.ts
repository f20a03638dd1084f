// Data and helpers that the programs in TypeScript share.

export const TEXT =
  "Exports are hard to find and take minutes. I would love a button that exports to CSV.";

export const OLD_TEXT = "Exports are slow.";

export const UNKNOWN_ID = "6f1c1f1e-9d1b-4b7e-8a65-6f2f6ad1f001";

export const MESSAGE_TIMES = [
  "2026-11-11T09:00:00Z",
  "2026-11-12T09:00:00Z",
  "2026-11-13T09:00:00Z",
];

export const CONVERSATION = {
  id: "call-1",
  createdAt: "2026-11-11T09:00:00Z",
  startedAt: "2026-11-11T09:00:00Z",
  endedAt: "2026-11-11T09:30:00Z",
  participants: [
    { id: "ana", name: "Ana", email: "ana@acme.com" },
    { id: "rick", name: "Rick", email: "rick@example.com" },
  ],
  transcript: [
    { speakerId: "ana", text: TEXT, timestamp: "2026-11-11T09:01:00Z" },
    {
      speakerId: "rick",
      text: "I will send you the offer by Friday.",
      timestamp: "2026-11-11T09:02:00Z",
    },
  ],
};

export function base64(text: string): string {
  return Buffer.from(text, "utf-8").toString("base64");
}

// Poll until `condition` returns a true value, and return that value.
export async function eventually<T>(
  condition: () => Promise<T | undefined | false>,
): Promise<T> {
  const deadline = Date.now() + 60_000;
  while (Date.now() < deadline) {
    const value = await condition();
    if (value) {
      return value;
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error("the condition was not met in time");
}
