-- Give each a password with \password, or let it log in by certificate.
DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'smista_owner') THEN CREATE ROLE "smista_owner" LOGIN; END IF; END $$;
DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'smista_worker') THEN CREATE ROLE "smista_worker" LOGIN; END IF; END $$;
REVOKE CREATE ON SCHEMA public FROM PUBLIC;
GRANT USAGE, CREATE ON SCHEMA public TO "smista_owner";
GRANT USAGE ON SCHEMA public TO "smista_worker";
-- What the owner makes, now and later: rows may come and go, tables stay as they are.
ALTER DEFAULT PRIVILEGES FOR ROLE "smista_owner" IN SCHEMA public GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO "smista_worker";
DO $$ BEGIN IF to_regclass('public._sqlx_migrations') IS NOT NULL THEN
  GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO "smista_worker";
  REVOKE INSERT, UPDATE, DELETE ON public._sqlx_migrations FROM "smista_worker";
END IF; END $$;
