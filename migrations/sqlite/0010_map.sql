-- What the journey map counts: one row per message, written with its decision, gone with it. In order of customer and time, so that
-- the map is folded a customer at a time. counts = 1: the customer's own words. sentiment and effort in thousandths. repeat_of: the
-- first conversation about the same problem. open_goals = 1: something is open after it; open_here = 1: of its conversation.
CREATE TABLE IF NOT EXISTS map_contacts (
    customer        TEXT NOT NULL,
    sent_at         INTEGER NOT NULL,
    message_id      TEXT NOT NULL REFERENCES inbox (message_id) ON DELETE CASCADE,
    conversation_id TEXT NOT NULL,
    channel         TEXT NOT NULL,
    language        TEXT NOT NULL,
    stage           TEXT NOT NULL,
    counts          INTEGER NOT NULL,
    sentiment       INTEGER NOT NULL,
    effort          INTEGER NOT NULL,
    repeated        INTEGER NOT NULL,
    repeat_of       TEXT NOT NULL,
    wants           INTEGER NOT NULL,
    open_goals      INTEGER NOT NULL,
    open_here       INTEGER NOT NULL,
    PRIMARY KEY (customer, sent_at, message_id)
) WITHOUT ROWID;
CREATE UNIQUE INDEX IF NOT EXISTS map_contacts_message_id ON map_contacts (message_id);
