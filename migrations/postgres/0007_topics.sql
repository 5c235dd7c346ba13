-- How many messages were about a topic ('intent:…', 'phrase:…') in an hour, since 1970 (UTC), by when they were sent.
CREATE TABLE topic_hours (
    topic    TEXT NOT NULL,
    hour     BIGINT NOT NULL,
    messages BIGINT NOT NULL,
    PRIMARY KEY (topic, hour)
);
CREATE INDEX topic_hours_hour ON topic_hours (hour);

-- Topics that went over their bar: once per topic and hour. expected: thousandths of a message.
CREATE TABLE topic_spikes (
    event_id  TEXT PRIMARY KEY,
    topic     TEXT NOT NULL,
    hour      BIGINT NOT NULL,
    raised_at BIGINT NOT NULL,
    expected  BIGINT NOT NULL,
    UNIQUE (topic, hour)
);
CREATE INDEX topic_spikes_hour ON topic_spikes (hour);

-- Messages shown with a spike. Their texts are those of the decisions. No reference: a message that is purged or erased at the
-- same moment must not fail the one that is decided.
CREATE TABLE topic_examples (
    event_id   TEXT NOT NULL,
    place      BIGINT NOT NULL,
    message_id TEXT NOT NULL,
    PRIMARY KEY (event_id, place)
);
CREATE INDEX topic_examples_message_id ON topic_examples (message_id);
