-- What the console shows and keeps. What is about a conversation goes with its latest message: purged or erased together.

-- One row per conversation, as its latest decision left it; written with the decision. listed = 1: it escalates or carries a flag.
-- urgency puts the highest priority first and within it what is due first. Marks (signals, flags) stand between spaces. done = 1: resolved.
CREATE TABLE IF NOT EXISTS review (
    conversation_id TEXT PRIMARY KEY,
    message_id      TEXT NOT NULL REFERENCES inbox (message_id) ON DELETE CASCADE,
    decided_at      INTEGER NOT NULL,
    listed          INTEGER NOT NULL,
    urgency         INTEGER NOT NULL,
    priority        TEXT NOT NULL,
    action          TEXT NOT NULL,
    queue           TEXT NOT NULL,
    channel         TEXT NOT NULL,
    stage           TEXT NOT NULL,
    sentiment       TEXT NOT NULL,
    language        TEXT NOT NULL,
    intent          TEXT NOT NULL,
    signals         TEXT NOT NULL,
    flags           TEXT NOT NULL,
    due_at          INTEGER NOT NULL,
    words           TEXT NOT NULL,
    excerpt         TEXT NOT NULL,
    status          TEXT NOT NULL,
    done            INTEGER NOT NULL,
    assignee        TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS review_message_id ON review (message_id);
CREATE INDEX IF NOT EXISTS review_urgency ON review (done, urgency, conversation_id) WHERE listed = 1;
CREATE INDEX IF NOT EXISTS review_decided_at ON review (done, decided_at, conversation_id) WHERE listed = 1;
CREATE INDEX IF NOT EXISTS review_queue ON review (done, queue, urgency, conversation_id) WHERE listed = 1;
CREATE INDEX IF NOT EXISTS review_assignee ON review (done, assignee, urgency, conversation_id) WHERE listed = 1 AND assignee <> '';
CREATE INDEX IF NOT EXISTS review_news ON review (decided_at) WHERE listed = 1;

-- Which messages a conversation has.
CREATE TABLE IF NOT EXISTS review_messages (
    message_id      TEXT PRIMARY KEY REFERENCES inbox (message_id) ON DELETE CASCADE,
    conversation_id TEXT NOT NULL,
    decided_at      INTEGER NOT NULL
);
CREATE INDEX IF NOT EXISTS review_messages_conversation ON review_messages (conversation_id, decided_at);

-- What supervisors said or did with a conversation: comment, assign, resolve, reopen.
CREATE TABLE IF NOT EXISTS review_notes (
    note_id         TEXT PRIMARY KEY,
    conversation_id TEXT NOT NULL REFERENCES review (conversation_id) ON DELETE CASCADE,
    at              INTEGER NOT NULL,
    account         TEXT NOT NULL,
    kind            TEXT NOT NULL,
    text            TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS review_notes_conversation ON review_notes (conversation_id, at);

-- Who saw which conversation.
CREATE TABLE IF NOT EXISTS console_access (
    access_id       TEXT PRIMARY KEY,
    conversation_id TEXT NOT NULL REFERENCES review (conversation_id) ON DELETE CASCADE,
    at              INTEGER NOT NULL,
    account         TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS console_access_conversation ON console_access (conversation_id, at);
CREATE INDEX IF NOT EXISTS console_access_at ON console_access (at);

-- Who may sign in. password: argon2id in PHC form. language: en, it, or nothing for what the browser asks for.
CREATE TABLE IF NOT EXISTS console_accounts (
    account    TEXT PRIMARY KEY,
    role       TEXT NOT NULL,
    password   TEXT NOT NULL,
    disabled   INTEGER NOT NULL,
    language   TEXT NOT NULL,
    created_at INTEGER NOT NULL
);

-- Who is signed in. token: SHA-256 of what the cookie holds.
CREATE TABLE IF NOT EXISTS console_sessions (
    token      TEXT PRIMARY KEY,
    account    TEXT NOT NULL REFERENCES console_accounts (account) ON DELETE CASCADE,
    created_at INTEGER NOT NULL,
    seen_at    INTEGER NOT NULL
);
CREATE INDEX IF NOT EXISTS console_sessions_account ON console_sessions (account);

-- Filters kept under a name.
CREATE TABLE IF NOT EXISTS console_views (
    account TEXT NOT NULL REFERENCES console_accounts (account) ON DELETE CASCADE,
    name    TEXT NOT NULL,
    query   TEXT NOT NULL,
    PRIMARY KEY (account, name)
);
