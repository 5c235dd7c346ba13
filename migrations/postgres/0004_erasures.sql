-- What is left of an erased customer: by keyed hash, when, and how much went from where.
CREATE TABLE erasures (
    erasure_id TEXT PRIMARY KEY,
    customer   TEXT NOT NULL,
    erased_at  BIGINT NOT NULL,
    counts     TEXT NOT NULL
);

-- Keyed hashes by which a late message of an erased customer is known again. owner joins those of one customer.
CREATE TABLE erased (
    mark      TEXT PRIMARY KEY,
    owner     TEXT NOT NULL,
    erased_at BIGINT NOT NULL
);
CREATE INDEX erased_owner ON erased (owner);
CREATE INDEX erased_erased_at ON erased (erased_at);
