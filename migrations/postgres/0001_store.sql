-- Times are microseconds since 1970 (UTC). JSON is text, so that what was published is kept byte for byte.

-- A customer's state. epoch rises with every commit. stand_in = 1: a conversation whose customer is not known yet.
CREATE TABLE customers (
    customer   TEXT PRIMARY KEY,
    epoch      BIGINT NOT NULL,
    journey    TEXT NOT NULL,
    stand_in   BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);

-- Whom an identity hash, or 'conversation:<id>', stands for.
CREATE TABLE identities (
    identity TEXT PRIMARY KEY,
    customer TEXT NOT NULL,
    stand_in BIGINT NOT NULL
);
CREATE INDEX identities_customer ON identities (customer);

-- One row per message ever decided, for as long as a redelivery may come.
CREATE TABLE inbox (
    message_id  TEXT PRIMARY KEY,
    customer    TEXT NOT NULL,
    decision_id TEXT NOT NULL,
    decided_at  BIGINT NOT NULL
);
CREATE INDEX inbox_customer ON inbox (customer);
CREATE INDEX inbox_decided_at ON inbox (decided_at);

-- What was decided and what it was decided from.
CREATE TABLE decisions (
    decision_id TEXT PRIMARY KEY,
    message_id  TEXT NOT NULL REFERENCES inbox (message_id) ON DELETE CASCADE,
    decided_at  BIGINT NOT NULL,
    decision    TEXT NOT NULL,
    interaction TEXT NOT NULL,
    before      TEXT NOT NULL
);
CREATE INDEX decisions_message_id ON decisions (message_id);
CREATE INDEX decisions_decided_at ON decisions (decided_at);

-- What has to be published. sent_at is set once the broker has confirmed it.
CREATE TABLE outbox (
    seq         BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id          TEXT NOT NULL UNIQUE,
    message_id  TEXT NOT NULL REFERENCES inbox (message_id) ON DELETE CASCADE,
    destination TEXT NOT NULL,
    routing_key TEXT NOT NULL,
    body        TEXT NOT NULL,
    created_at  BIGINT NOT NULL,
    sent_at     BIGINT
);
CREATE INDEX outbox_message_id ON outbox (message_id);
CREATE INDEX outbox_unsent ON outbox (created_at) WHERE sent_at IS NULL;
