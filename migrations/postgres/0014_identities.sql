-- Whose account it is, where an OpenID Connect provider vouches for them: the provider's issuer and its subject, which never change.
CREATE TABLE IF NOT EXISTS console_identities (
    issuer  TEXT NOT NULL,
    subject TEXT NOT NULL,
    account TEXT NOT NULL REFERENCES console_accounts (account) ON DELETE CASCADE,
    PRIMARY KEY (issuer, subject)
);
CREATE INDEX IF NOT EXISTS console_identities_account ON console_identities (account);
