-- Messages that a worker has taken on alone, because others died with them at work. A row that is there when another worker
-- takes the message on says that the first died of it.
CREATE TABLE IF NOT EXISTS alone (
    message_id TEXT PRIMARY KEY,
    worker     TEXT NOT NULL,
    since      BIGINT NOT NULL
);
