-- What a policy or pack in the shadow would have decided otherwise. live and shadow name model and policy.
-- Counts by hour, hours since 1970.
CREATE TABLE IF NOT EXISTS canary_hours (
    hour      INTEGER NOT NULL,
    live      TEXT NOT NULL,
    shadow    TEXT NOT NULL,
    compared  INTEGER NOT NULL,
    differing INTEGER NOT NULL,
    PRIMARY KEY (live, shadow, hour)
);

-- A row for each aspect in which a message's decision and its shadow differ. Goes with the message.
CREATE TABLE IF NOT EXISTS canary_differences (
    message_id      TEXT NOT NULL REFERENCES inbox (message_id) ON DELETE CASCADE,
    aspect          TEXT NOT NULL,
    conversation_id TEXT NOT NULL,
    decided_at      INTEGER NOT NULL,
    live            TEXT NOT NULL,
    shadow          TEXT NOT NULL,
    live_value      TEXT NOT NULL,
    shadow_value    TEXT NOT NULL,
    live_rules      TEXT NOT NULL,
    shadow_rules    TEXT NOT NULL,
    PRIMARY KEY (message_id, aspect)
);
CREATE INDEX IF NOT EXISTS canary_differences_pair ON canary_differences (live, shadow, decided_at);
