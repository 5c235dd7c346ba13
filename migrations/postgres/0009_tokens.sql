-- Who may call the HTTP API. token: SHA-256 of what the caller sends. scopes: read, review, operate, between spaces. used_at: when it was
-- last in use, to some minutes; 0 for never.
CREATE TABLE IF NOT EXISTS console_tokens (
    token      TEXT PRIMARY KEY,
    name       TEXT NOT NULL UNIQUE,
    scopes     TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    used_at    BIGINT NOT NULL
);
