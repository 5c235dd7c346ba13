-- What people said a message should have been. They go with their message: its text is what they are about.
CREATE TABLE corrections (
    correction_id TEXT PRIMARY KEY,
    message_id    TEXT NOT NULL REFERENCES inbox (message_id) ON DELETE CASCADE,
    corrected_at  BIGINT NOT NULL,
    correction    TEXT NOT NULL
);
CREATE INDEX corrections_message_id ON corrections (message_id);
CREATE INDEX corrections_corrected_at ON corrections (corrected_at);
