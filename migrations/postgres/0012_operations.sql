-- What operators did from the console, written before it is done: act is show, replay, discard or simulate; target is the id of a
-- parked message, or the version of a policy.
CREATE TABLE console_operations (
    operation_id TEXT PRIMARY KEY,
    at           BIGINT NOT NULL,
    account      TEXT NOT NULL,
    act          TEXT NOT NULL,
    target       TEXT NOT NULL
);
CREATE INDEX console_operations_at ON console_operations (at);
