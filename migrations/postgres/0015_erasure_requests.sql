-- Customers whom somebody has asked from the console to erase, until `smista erase` has done so or the request is withdrawn. The
-- request goes with the customer; it names the conversation it was made from.
CREATE TABLE erasure_requests (
    customer        TEXT PRIMARY KEY,
    conversation_id TEXT NOT NULL,
    requested_at    BIGINT NOT NULL,
    account         TEXT NOT NULL,
    reason          TEXT NOT NULL
);
