#!/bin/bash
# Run once, by the image, when the database is made: gives the roles of roles.sql the passwords of the secrets.
# psql quotes them itself (:'…'), whatever is in them.
set -euo pipefail
psql --username "${POSTGRES_USER:-postgres}" --dbname "$POSTGRES_DB" --set ON_ERROR_STOP=1 \
  --set owner="$(cat /run/secrets/postgres-owner)" --set worker="$(cat /run/secrets/postgres-worker)" <<'SQL'
ALTER ROLE smista_owner PASSWORD :'owner';
ALTER ROLE smista_worker PASSWORD :'worker';
SQL
