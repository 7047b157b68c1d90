/**
 * Migrations by number; `$` stands for the schema. One that was released is never changed: its checksum is in every store
 * (see migrations.ts).
 *
 * What is claimed, sent and moved at every refresh (`schedule`) is apart from what is sealed (`grants`), so that finding
 * due work touches narrow rows only. Attempts are part of that row: the three commits of a refresh write it anyway, and as
 * rows of their own they would be an insert, an update and a delete each time. `unsettled` is there for the index: an
 * index that read `attempts` itself would keep the commit before the send from being an update within the page (HOT),
 * for which the pages are left half empty.
 *
 * Times of the store's clock and UTC are both whole milliseconds. Ids sort by their bytes, whatever the database's locale.
 */
export const migrations: readonly { readonly name: string; readonly sql: string }[] = [
  {
    name: 'grants, their schedule, tokens and notices; circuits, spools; consents; API keys',
    sql: `
CREATE FUNCTION $.et_now() RETURNS bigint LANGUAGE sql VOLATILE
  AS 'SELECT floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint';

CREATE TABLE $.grants (
  id text COLLATE "C" PRIMARY KEY,
  labels jsonb NOT NULL,
  grant_type text NOT NULL,
  provider text NOT NULL,
  circuit text NOT NULL,
  facts jsonb NOT NULL,
  refresh_before bigint,
  created_at bigint NOT NULL,
  updated_at bigint NOT NULL,
  definition bytea NOT NULL,
  definition_fingerprint text NOT NULL,
  status jsonb NOT NULL,
  epoch bigint NOT NULL,
  refresh_token bytea,
  refresh_token_fingerprint text,
  refresh_token_received_at bigint,
  refresh_token_spent_at bigint,
  refresh_token_spent_boot text,
  previous_refresh_token bytea,
  previous_fingerprint text,
  previous_received_at bigint,
  previous_spent_at bigint,
  previous_spent_boot text,
  candidates jsonb,
  subject text,
  login_at bigint,
  refresh_token_expires_at bigint
) WITH (fillfactor = 70);

CREATE TABLE $.schedule (
  grant_id text COLLATE "C" PRIMARY KEY REFERENCES $.grants (id) ON DELETE CASCADE,
  due_at bigint,
  backoff_until bigint NOT NULL,
  failures integer NOT NULL,
  last_error jsonb,
  last_attempt_at bigint,
  last_success_at bigint,
  last_rejection_at bigint,
  fence bigint NOT NULL,
  owner text,
  lease_until bigint,
  lease_boot text,
  attempts jsonb,
  unsettled boolean NOT NULL GENERATED ALWAYS AS (attempts IS NOT NULL) STORED
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.02);
CREATE INDEX schedule_due ON $.schedule (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX schedule_owner ON $.schedule (owner) WHERE owner IS NOT NULL;
CREATE INDEX schedule_unsettled ON $.schedule (due_at) WHERE unsettled;

CREATE TABLE $.tokens (
  grant_id text COLLATE "C" NOT NULL REFERENCES $.grants (id) ON DELETE CASCADE,
  scope text COLLATE "C" NOT NULL,
  resource text COLLATE "C" NOT NULL,
  generation bigint NOT NULL,
  sealed bytea NOT NULL,
  type text NOT NULL,
  obtained_at bigint NOT NULL,
  expires_at bigint NOT NULL,
  lifetime bigint NOT NULL,
  lifetime_from text NOT NULL,
  granted_scope jsonb NOT NULL,
  fence bigint NOT NULL,
  rejected_at bigint,
  PRIMARY KEY (grant_id, scope, resource)
) WITH (fillfactor = 70);

CREATE TABLE $.superseded (
  grant_id text COLLATE "C" NOT NULL,
  fingerprint text NOT NULL,
  sealed bytea NOT NULL,
  received_at bigint NOT NULL,
  spent_at bigint,
  spent_boot text,
  PRIMARY KEY (grant_id, fingerprint)
);

-- Of a grant that was deleted they stay, and are no longer those of the grant with that name.
CREATE TABLE $.notices (
  number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  grant_id text COLLATE "C" NOT NULL,
  deleted boolean NOT NULL DEFAULT false,
  kind text NOT NULL,
  epoch bigint NOT NULL,
  at bigint NOT NULL,
  message text NOT NULL
);
CREATE INDEX notices_grant ON $.notices (grant_id, number) WHERE NOT deleted;

CREATE TABLE $.circuits (key text COLLATE "C" PRIMARY KEY, circuit jsonb) WITH (fillfactor = 50);

-- The last transaction of each lane of each process: whether a COMMIT without an answer took effect stands here.
CREATE TABLE $.lanes (lane uuid PRIMARY KEY, batch bigint NOT NULL, seen_at bigint NOT NULL) WITH (fillfactor = 50);

CREATE TABLE $.spools (
  id text PRIMARY KEY,
  host text NOT NULL,
  folder text NOT NULL,
  seen_at bigint NOT NULL,
  retired_at bigint
);

CREATE TABLE $.consents (
  state_hash text PRIMARY KEY,
  grant_id text COLLATE "C" NOT NULL REFERENCES $.grants (id) ON DELETE CASCADE,
  sealed bytea NOT NULL,
  expires_at bigint NOT NULL
);
CREATE INDEX consents_grant ON $.consents (grant_id);
CREATE INDEX consents_expiry ON $.consents (expires_at);

CREATE TABLE $.api_keys (
  id text PRIMARY KEY,
  label text NOT NULL,
  rights text NOT NULL,
  hash text NOT NULL,
  created_at bigint NOT NULL
);
`,
  },
  {
    name: 'keys that tokens are bound to',
    sql: 'ALTER TABLE $.grants ADD COLUMN proof_key bytea;',
  },
]
