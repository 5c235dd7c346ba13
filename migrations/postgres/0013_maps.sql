-- The pages of maps. Which messages a span has, without reading them.
CREATE INDEX IF NOT EXISTS map_contacts_sent_at ON map_contacts (sent_at);

-- How likely each customer is to leave, as of the latest decision: level 0 low, 1 medium, 2 high. Goes with that message.
CREATE TABLE IF NOT EXISTS customer_risks (
    customer        TEXT PRIMARY KEY,
    message_id      TEXT NOT NULL REFERENCES inbox (message_id) ON DELETE CASCADE,
    conversation_id TEXT NOT NULL,
    level           BIGINT NOT NULL,
    decided_at      BIGINT NOT NULL
);
CREATE INDEX IF NOT EXISTS customer_risks_message_id ON customer_risks (message_id);
CREATE INDEX IF NOT EXISTS customer_risks_level ON customer_risks (level, decided_at) WHERE level > 0;

-- What messages are about over time: of intents there are few, of phrases there is no end.
CREATE INDEX IF NOT EXISTS topic_hours_intents ON topic_hours (hour, topic) WHERE substr(topic, 1, 7) = 'intent:';

-- What of it was seen: the conversation, or the timeline of its customer.
ALTER TABLE console_access ADD COLUMN what TEXT NOT NULL DEFAULT 'conversation';
