-- Two customers found to be one: the row of the former one stays, empty, and says who they are now.
ALTER TABLE customers ADD COLUMN merged_into TEXT;
CREATE INDEX customers_merged_into ON customers (merged_into) WHERE merged_into IS NOT NULL;
-- 0: a message that named no customer brought it with others, so that whose it is was only concluded.
ALTER TABLE identities ADD COLUMN vouched BIGINT NOT NULL DEFAULT 1;
