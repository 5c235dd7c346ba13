// Made by scripts/client-types from clients/schema.

/**
 * Where in the customer journey a message places the customer.
 */
export type Stage = "awareness" | "consideration" | "purchase" | "onboarding" | "support" | "retention" | "advocacy";

/**
 * A routing decision.
 */
export interface Decision {
  analysis: Analysis;
  /**
   * Carried on to the agent.
   */
  attachments?: Attachment[];
  /**
   * How it came.
   */
  channel: "chat" | "email" | "call" | "sms" | "messaging" | "social" | "review" | "survey";
  /**
   * Its conversation.
   */
  conversation_id: string;
  /**
   * Its customer, as stitched.
   */
  customer_id: string;
  /**
   * When it was decided.
   */
  decided_at: string;
  /**
   * Derived from `message_id` and `revision`: the same however often the message is delivered.
   */
  decision_id: string;
  /**
   * Made without the engine.
   */
  degraded: boolean;
  /**
   * For supervisors.
   */
  flags: string[];
  journey: JourneyView;
  /**
   * The interaction.
   */
  message_id: string;
  priority: Priority;
  /**
   * Why, in the order the rules matched.
   */
  reasons: Reason[];
  /**
   * 1 for the first decision of a message; corrections count up.
   */
  revision: number;
  route: Route;
  /**
   * Always `smista.decision.v1`.
   */
  schema: string;
  /**
   * Decision this one replaces in meaning.
   */
  supersedes?: string | null;
  /**
   * Free labels set by the policy.
   */
  tags?: string[];
  versions: Versions;
}
/**
 * What it means.
 */
export interface Analysis {
  /**
   * No intent was sure enough.
   */
  abstained: boolean;
  /**
   * Who can handle it.
   */
  complexity: "bot" | "standard" | "expert";
  /**
   * 0…1.
   */
  effort: number;
  /**
   * Strongest first.
   */
  emotions: Scored[];
  /**
   * The words that carried the labels; absent when this decision was not explained (`engine.explain`).
   */
  explanation?: Explained[] | null;
  /**
   * What the customer is after.
   */
  goal?: GoalView | null;
  /**
   * Up to three.
   */
  intents: Scored2[];
  language: Language;
  /**
   * Not answered yet.
   */
  questions: string[];
  sentiment: Sentiment;
  /**
   * Facts found.
   */
  signals: Signal[];
  /**
   * Where the customer stands now; none until something places them.
   */
  stage?: StageView | null;
}
/**
 * A label with its calibrated confidence.
 */
export interface Scored {
  /**
   * 0…1.
   */
  confidence: number;
  /**
   * The label.
   */
  name: "anger" | "frustration" | "confusion" | "worry" | "sadness" | "gratitude" | "joy";
}
/**
 * The words that carried one label.
 */
export interface Explained {
  /**
   * The head.
   */
  kind: "sentiment" | "intent" | "stage" | "emotion" | "signal";
  /**
   * The label.
   */
  name: string;
  /**
   * Strongest first, at most five, none overlapping.
   */
  spans: WeightedSpan[];
}
/**
 * Words in a row that spoke for a label.
 */
export interface WeightedSpan {
  /**
   * One past the last character.
   */
  end: number;
  /**
   * First character, counted in Unicode scalar values of the redacted text.
   */
  start: number;
  /**
   * Share of the strongest span's weight, above 0 and at most 1, in hundredths.
   */
  weight: number;
}
/**
 * Goal and whether it is open.
 */
export interface GoalView {
  /**
   * Kind.
   */
  kind: "solve" | "ask" | "compare" | "buy" | "change" | "praise";
  /**
   * Not met yet.
   */
  open: boolean;
  /**
   * Since when.
   */
  since: string;
}
/**
 * A label with its calibrated confidence.
 */
export interface Scored2 {
  /**
   * 0…1.
   */
  confidence: number;
  /**
   * The label.
   */
  name: string;
}
/**
 * Language.
 */
export interface Language {
  /**
   * ISO 639-1, or `und` when it cannot be told.
   */
  code: string;
  /**
   * 0…1.
   */
  confidence: number;
}
/**
 * Sentiment.
 */
export interface Sentiment {
  /**
   * Calibrated probability of the label, 0…1.
   */
  confidence: number;
  /**
   * Mean score of the first third of the customer's words.
   */
  first_third: number;
  /**
   * The label.
   */
  label: "negative" | "neutral" | "positive";
  /**
   * Mean score of the last third.
   */
  last_third: number;
  /**
   * P(positive) − P(negative), −1…1.
   */
  score: number;
  /**
   * `last_third − first_third`.
   */
  shift: number;
}
/**
 * A fact in the message that routing reacts to.
 */
export interface Signal {
  /**
   * 0…1.
   */
  confidence: number;
  /**
   * Which.
   */
  name:
    | "agent_request"
    | "legal_threat"
    | "safety"
    | "vulnerable"
    | "fraud"
    | "churn"
    | "repeat_contact"
    | "deadline"
    | "payment_difficulty"
    | "outage"
    | "praise"
    | "auto_reply"
    | "contradiction";
  /**
   * Who says so.
   */
  source: "cue" | "model" | "both" | "metadata";
  /**
   * `[start, end)` in Unicode scalar values of the analysed text; absent when the whole message carries it.
   *
   * @minItems 2
   * @maxItems 2
   */
  span?: [number, number] | null;
  /**
   * The words of the span.
   */
  text?: string | null;
}
/**
 * Stage with its transition.
 */
export interface StageView {
  /**
   * 0…1.
   */
  confidence: number;
  /**
   * Now.
   */
  name: "awareness" | "consideration" | "purchase" | "onboarding" | "support" | "retention" | "advocacy";
  /**
   * Before this message.
   */
  previous?: Stage | null;
  /**
   * Which way.
   */
  transition: "advanced" | "regressed" | "same";
}
/**
 * Something attached to a message; carried on to the agent, never opened.
 */
export interface Attachment {
  /**
   * Size in bytes.
   */
  bytes?: number | null;
  /**
   * Media type.
   */
  media_type?: string | null;
  /**
   * File name, redacted.
   */
  name: string;
  /**
   * Where the producer keeps it.
   */
  url?: string | null;
}
/**
 * Where the customer stands.
 */
export interface JourneyView {
  /**
   * At most 120 words.
   */
  brief: string;
  churn_risk: ChurnRisk;
  /**
   * Earlier contacts, oldest first, the current one left out.
   */
  contacts: ContactView[];
  /**
   * Different things the customer was told of late, the latest.
   */
  contradictions?: Contradiction[];
  /**
   * How much work the customer has had of late, 0…1.
   */
  effort?: number;
  experience: Experience;
  /**
   * A task to do later.
   */
  follow_up?: string | null;
  /**
   * What the customer wants and has not got yet, this message taken in.
   */
  open_goals?: OpenGoal[];
  /**
   * What the contact centre promised.
   */
  promises: Promise[];
  /**
   * Nothing yet shows that they bought: asks around, or is about to decide.
   */
  prospect?: boolean;
  repeat_contact: RepeatContact;
  /**
   * Which way the customer's sentiment goes over the last contacts, this one included.
   */
  sentiment_trend?: "improving" | "steady" | "worsening";
  /**
   * What the marks given with this message say.
   */
  survey?: Survey | null;
  /**
   * What is amiss with the contact centre's own turns in this message, by the configured persona.
   */
  tone?: Tone[];
}
/**
 * Will they leave?
 */
export interface ChurnRisk {
  /**
   * Level.
   */
  level: "low" | "medium" | "high";
  /**
   * Signals and intents that raised it.
   */
  reasons: string[];
}
/**
 * One earlier contact.
 */
export interface ContactView {
  /**
   * When.
   */
  at: string;
  /**
   * How it came.
   */
  channel: "chat" | "email" | "call" | "sms" | "messaging" | "social" | "review" | "survey";
  /**
   * Its conversation.
   */
  conversation_id: string;
  /**
   * Its strongest intent.
   */
  intent?: string | null;
  /**
   * −1…1.
   */
  sentiment: number;
}
/**
 * Two things the customer was told that cannot both be true.
 */
export interface Contradiction {
  first: Said;
  /**
   * What differs: `price`, `date`, `days`, `percent`, `yes_no`; a price for a time is `price/month`.
   */
  kind: string;
  second: Said1;
}
/**
 * Said first.
 */
export interface Said {
  /**
   * When.
   */
  at: string;
  /**
   * By whom.
   */
  by: "agent" | "bot" | "site";
  /**
   * In which conversation.
   */
  conversation_id: string;
  /**
   * In which message.
   */
  message_id: string;
  /**
   * `[start, end)` in that turn, in Unicode scalar values.
   *
   * @minItems 2
   * @maxItems 2
   */
  span: [number, number];
  /**
   * The sentence.
   */
  text: string;
  /**
   * Turn of the message.
   */
  turn: number;
}
/**
 * Said later.
 */
export interface Said1 {
  /**
   * When.
   */
  at: string;
  /**
   * By whom.
   */
  by: "agent" | "bot" | "site";
  /**
   * In which conversation.
   */
  conversation_id: string;
  /**
   * In which message.
   */
  message_id: string;
  /**
   * `[start, end)` in that turn, in Unicode scalar values.
   *
   * @minItems 2
   * @maxItems 2
   */
  span: [number, number];
  /**
   * The sentence.
   */
  text: string;
  /**
   * Turn of the message.
   */
  turn: number;
}
/**
 * How it has been for the customer.
 */
export interface Experience {
  /**
   * What this message adds up to, in order; see `docs/journey.md`. Empty where it does not count.
   */
  inputs?: Input[];
  /**
   * Before this message.
   */
  previous?: number | null;
  /**
   * 0…100.
   */
  score: number;
}
/**
 * One input of the experience score.
 */
export interface Input {
  /**
   * `past`, `sentiment`, `effort`, `repeat`, `promise`, `rating`, `moment`.
   */
  name: string;
  /**
   * Points of 0…100 that it gives or takes.
   */
  points: number;
  /**
   * As found.
   */
  value: number;
}
/**
 * Something the customer wants and has not got yet.
 */
export interface OpenGoal {
  /**
   * Conversation that last brought it up.
   */
  conversation_id?: string;
  /**
   * How often another conversation brought it up, the first included.
   */
  conversations?: number;
  /**
   * Intent that opened it.
   */
  intent: string;
  /**
   * Kind.
   */
  kind: "solve" | "ask" | "compare" | "buy" | "change" | "praise";
  /**
   * When it was last brought up.
   */
  last_at?: string;
  /**
   * How often it was closed and came back.
   */
  reopened?: number;
  /**
   * Since.
   */
  since: string;
}
/**
 * A promise of the contact centre.
 */
export interface Promise {
  /**
   * When it was made.
   */
  at: string;
  /**
   * Where.
   */
  conversation_id: string;
  /**
   * By when, as its words say; two days on when they do not.
   */
  due?: string | null;
  /**
   * False once the contacts tell that it was not kept; true as well while it is not due yet.
   */
  kept: boolean;
  /**
   * In its own words.
   */
  text: string;
}
/**
 * The same problem again?
 */
export interface RepeatContact {
  /**
   * The earlier messages about it.
   */
  cites?: Cited[];
  /**
   * In how many earlier conversations: those of `of`, and those no longer kept.
   */
  count?: number;
  /**
   * Days since the first of them.
   */
  days: number;
  /**
   * The same problem was brought before.
   */
  is_repeat: boolean;
  /**
   * In these conversations.
   */
  of: string[];
}
/**
 * An earlier message about the same problem.
 */
export interface Cited {
  /**
   * When.
   */
  at: string;
  /**
   * What tells that it is the same.
   */
  by: "intent" | "words" | "said";
  /**
   * How it came.
   */
  channel: "chat" | "email" | "call" | "sms" | "messaging" | "social" | "review" | "survey";
  /**
   * Its conversation.
   */
  conversation_id: string;
  /**
   * Which.
   */
  message_id: string;
}
/**
 * What marks say.
 */
export interface Survey {
  /**
   * The conversation that is about.
   */
  about?: string | null;
  /**
   * Which group the marks put the customer in.
   */
  group: "detractor" | "passive" | "promoter";
  /**
   * Mean of the marks on 0…100.
   */
  rating: number;
  /**
   * For a detractor: the intent of what went wrong, as far as the contacts tell.
   */
  root_cause?: string | null;
}
/**
 * Something amiss in the contact centre's turns.
 */
export interface Tone {
  /**
   * What.
   */
  issue: "missing_greeting" | "no_empathy" | "banned_phrase";
  /**
   * `[start, end)` in that turn, in Unicode scalar values.
   *
   * @minItems 2
   * @maxItems 2
   */
  span?: [number, number] | null;
  /**
   * The words.
   */
  text?: string | null;
  /**
   * Turn of the message, where it is one turn's.
   */
  turn?: number | null;
}
/**
 * How urgent.
 */
export interface Priority {
  /**
   * Level.
   */
  level: "low" | "normal" | "high" | "urgent";
  /**
   * 0…1; orders messages of one level.
   */
  score: number;
}
/**
 * One rule that matched.
 */
export interface Reason {
  /**
   * Span of the words that carried it, as in `analysis.signals`.
   *
   * @minItems 2
   * @maxItems 2
   */
  evidence?: [number, number] | null;
  /**
   * Rule name.
   */
  rule: string;
  /**
   * For people.
   */
  text: string;
  /**
   * Priority level had this rule not matched.
   */
  without: "low" | "normal" | "high" | "urgent";
}
/**
 * Who takes it.
 */
export interface Route {
  /**
   * What.
   */
  action: "self_service" | "queue" | "escalate" | "none";
  /**
   * Language the agent needs.
   */
  language: string;
  /**
   * Queue name; none when the action is `none`.
   */
  queue?: string | null;
  /**
   * Skills the agent needs.
   */
  skills: string[];
  /**
   * Answer due by.
   */
  sla_due_at?: string | null;
}
/**
 * What made this decision.
 */
export interface Versions {
  /**
   * Hash of the redacted interaction.
   */
  input: string;
  /**
   * Pack, `name@sha256:…`.
   */
  model: string;
  /**
   * Policy, `name@sha256:…`.
   */
  policy: string;
  /**
   * Wire schema version, `v1`.
   */
  schema: string;
  /**
   * Hash of what else it depends on: the settings of journey, persona and languages. None in decisions from before there was
   * one, and in those of a pipeline that was not told.
   */
  settings?: string | null;
  /**
   * Hash of the customer's state before this message.
   */
  state: string;
}
