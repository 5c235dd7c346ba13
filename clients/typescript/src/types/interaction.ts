// Made by scripts/client-types from clients/schema.

/**
 * A customer's message, or a conversation, on its way to analysis. Exactly one of `text`, `turns` and `mime` is
 * given. Fields not named here are left out and counted. At most 1 MiB of UTF-8, nested at most 32 levels deep.
 */
export interface Interaction {
  /**
   * Carried on to the agent, never opened.
   */
  attachments?: WireAttachment[];
  /**
   * Facts for the policy; names up to 64 bytes, values up to 1024.
   */
  attributes?: {
    [k: string]: string;
  };
  /**
   * Who wrote it; `customer` when absent.
   */
  author?: "customer" | "agent" | "bot";
  /**
   * Customer effort score; 7 is easy.
   */
  ces?: number | null;
  /**
   * How the message came.
   */
  channel: "chat" | "email" | "call" | "sms" | "messaging" | "social" | "review" | "survey";
  /**
   * Thread, call or ticket. A call or chat may come piece by piece under one id.
   */
  conversation_id: string;
  /**
   * Satisfaction.
   */
  csat?: number | null;
  /**
   * The customer, where known; else `identities` are looked up, else the conversation stands for the customer.
   */
  customer_id?: string | null;
  /**
   * Addresses of the customer: `mailto:…`, `tel:…`, `whatsapp:…`. Stitched to one customer, kept as keyed hashes.
   */
  identities?: string[];
  /**
   * Language hint, BCP 47, such as `it` or `en-GB`.
   */
  language?: string | null;
  /**
   * The producer's unique id: the idempotency key. No control or invisible characters.
   */
  message_id: string;
  /**
   * An RFC 5322 message in base64; channel `email` only.
   */
  mime?: string | null;
  /**
   * Likelihood to recommend.
   */
  nps?: number | null;
  /**
   * Stars.
   */
  rating?: number | null;
  /**
   * Names this form and its version.
   */
  schema: "smista.interaction.v1";
  /**
   * When it was sent, RFC 3339; the time of receipt when absent. Not before 2000, at most a year ahead.
   */
  sent_at?: string | null;
  /**
   * Subject line; else the one of `mime`.
   */
  subject?: string | null;
  /**
   * Plain text. May be empty only on a survey or review that carries a score.
   */
  text?: string | null;
  /**
   * Speaker turns, in order.
   */
  turns?: WireTurn[] | null;
}
/**
 * Something attached; `name` or `url` is given.
 */
export interface WireAttachment {
  /**
   * Size in bytes.
   */
  bytes?: number | null;
  /**
   * Media type.
   */
  media_type?: string | null;
  /**
   * File name.
   */
  name?: string | null;
  /**
   * Where the producer keeps it; no script or data address.
   */
  url?: string | null;
}
/**
 * One speaker's turn.
 */
export interface WireTurn {
  /**
   * The transcriber's confidence.
   */
  confidence?: number | null;
  /**
   * End in the recording, milliseconds; not before the start.
   */
  end_ms?: number | null;
  /**
   * `customer`, `agent` or `bot`; the usual other names for them (`client`, `cliente`, `caller`, `operator`,
   * `operatore`, `assistant`…) are understood.
   */
  speaker: string;
  /**
   * Start in the recording, milliseconds.
   */
  start_ms?: number | null;
  /**
   * What was said.
   */
  text: string;
}
