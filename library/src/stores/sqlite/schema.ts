/**
 * Migrations by number. One that was released is never changed: its checksum is in every store (see migrations.ts).
 * What the worker looks for (`schedule`) is apart from what is sealed (`grants`), so that finding due work touches
 * narrow rows only. Attempts (JSON) are part of that row: the three commits of a refresh write it anyway, and as rows of
 * their own they would be an insert, an update and a delete each time, in a table and an index more. Tables whose rows are
 * long have row ids: without, SQLite puts whatever is beyond a quarter of a page into a page of its own.
 */
export const migrations: readonly { readonly name: string; readonly sql: string }[] = [
  {
    name: 'grants and what belongs to them; notices; circuits; spools; consents; API keys',
    sql: `
CREATE TABLE grants (
  id TEXT NOT NULL PRIMARY KEY,
  labels TEXT NOT NULL,
  grant_type TEXT NOT NULL,
  provider TEXT NOT NULL,
  circuit TEXT NOT NULL,
  facts TEXT NOT NULL,
  refresh_before INTEGER,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  definition BLOB NOT NULL,
  definition_fingerprint TEXT NOT NULL,
  status TEXT NOT NULL,
  epoch INTEGER NOT NULL,
  refresh_token BLOB, refresh_token_fingerprint TEXT, refresh_token_received_at INTEGER,
  refresh_token_spent_at INTEGER, refresh_token_spent_boot TEXT,
  previous_refresh_token BLOB, previous_fingerprint TEXT, previous_received_at INTEGER,
  previous_spent_at INTEGER, previous_spent_boot TEXT,
  subject TEXT,
  login_at INTEGER,
  refresh_token_expires_at INTEGER
) STRICT;

CREATE TABLE schedule (
  grant_id TEXT PRIMARY KEY REFERENCES grants (id) ON DELETE CASCADE,
  due_at INTEGER,
  backoff_until INTEGER NOT NULL,
  failures INTEGER NOT NULL,
  last_error TEXT,
  last_attempt_at INTEGER,
  last_success_at INTEGER,
  last_rejection_at INTEGER,
  fence INTEGER NOT NULL,
  owner TEXT,
  lease_until INTEGER,
  lease_boot TEXT,
  attempts TEXT
) STRICT, WITHOUT ROWID;
CREATE INDEX schedule_due ON schedule (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX schedule_owner ON schedule (owner) WHERE owner IS NOT NULL;
CREATE INDEX schedule_unsettled ON schedule (due_at) WHERE attempts IS NOT NULL;

CREATE TABLE tokens (
  grant_id TEXT NOT NULL REFERENCES grants (id) ON DELETE CASCADE,
  scope TEXT NOT NULL,
  resource TEXT NOT NULL,
  generation INTEGER NOT NULL,
  sealed BLOB NOT NULL,
  type TEXT NOT NULL,
  obtained_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  lifetime INTEGER NOT NULL,
  lifetime_from TEXT NOT NULL,
  granted_scope TEXT NOT NULL,
  fence INTEGER NOT NULL,
  rejected_at INTEGER,
  PRIMARY KEY (grant_id, scope, resource)
) STRICT;

CREATE TABLE candidates (
  grant_id TEXT NOT NULL REFERENCES grants (id) ON DELETE CASCADE,
  id TEXT NOT NULL,
  place INTEGER NOT NULL,
  fence INTEGER NOT NULL,
  parent TEXT NOT NULL,
  refresh_token BLOB NOT NULL, fingerprint TEXT NOT NULL, received_at INTEGER NOT NULL,
  spent_at INTEGER, spent_boot TEXT,
  token TEXT, token_sealed BLOB,
  PRIMARY KEY (grant_id, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE superseded (
  grant_id TEXT NOT NULL REFERENCES grants (id) ON DELETE CASCADE,
  fingerprint TEXT NOT NULL,
  sealed BLOB NOT NULL,
  received_at INTEGER NOT NULL,
  spent_at INTEGER, spent_boot TEXT,
  PRIMARY KEY (grant_id, fingerprint)
) STRICT, WITHOUT ROWID;
CREATE INDEX superseded_age ON superseded (received_at);

-- Notices outlive their grant; then they are no longer those of a grant of that name (current = 0).
CREATE TABLE notices (
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  grant_id TEXT NOT NULL,
  kind TEXT NOT NULL,
  epoch INTEGER NOT NULL,
  at INTEGER NOT NULL,
  message TEXT NOT NULL,
  current INTEGER NOT NULL
) STRICT;
CREATE INDEX notices_grant ON notices (grant_id, number) WHERE current = 1;

CREATE TABLE circuits (
  key TEXT PRIMARY KEY,
  state TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE spools (
  id TEXT PRIMARY KEY,
  host TEXT NOT NULL,
  folder TEXT NOT NULL,
  seen_at INTEGER NOT NULL,
  retired_at INTEGER
) STRICT, WITHOUT ROWID;

CREATE TABLE consents (
  state_hash TEXT PRIMARY KEY,
  grant_id TEXT NOT NULL REFERENCES grants (id) ON DELETE CASCADE,
  sealed BLOB NOT NULL,
  expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE api_keys (
  id TEXT PRIMARY KEY,
  label TEXT NOT NULL,
  rights TEXT NOT NULL,
  hash TEXT NOT NULL,
  created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
`,
  },
  {
    name: 'keys that tokens are bound to',
    sql: 'ALTER TABLE grants ADD COLUMN proof_key BLOB;',
  },
  {
    name: 'which grants changed last',
    sql: `
-- Every change that a reader may have to see, whoever makes it: a process of an older evertoken that has the store open knows
-- nothing of this. Row 0 is there so that the newest change always has a row.
CREATE TABLE changes (number INTEGER PRIMARY KEY, grant_id TEXT NOT NULL) STRICT;
INSERT INTO changes VALUES (0, '');
CREATE TRIGGER grant_added AFTER INSERT ON grants BEGIN INSERT INTO changes (grant_id) VALUES (NEW.id); END;
CREATE TRIGGER grant_changed AFTER UPDATE ON grants BEGIN INSERT INTO changes (grant_id) VALUES (NEW.id); END;
CREATE TRIGGER grant_removed AFTER DELETE ON grants BEGIN INSERT INTO changes (grant_id) VALUES (OLD.id); END;
CREATE TRIGGER grant_claimed AFTER UPDATE OF owner ON schedule WHEN NEW.owner IS NOT OLD.owner
  BEGIN INSERT INTO changes (grant_id) VALUES (NEW.grant_id); END;
CREATE TRIGGER token_added AFTER INSERT ON tokens BEGIN INSERT INTO changes (grant_id) VALUES (NEW.grant_id); END;
CREATE TRIGGER token_changed AFTER UPDATE ON tokens BEGIN INSERT INTO changes (grant_id) VALUES (NEW.grant_id); END;
CREATE TRIGGER token_removed AFTER DELETE ON tokens BEGIN INSERT INTO changes (grant_id) VALUES (OLD.grant_id); END;
CREATE TRIGGER changes_kept AFTER INSERT ON changes WHEN NEW.number % 1000 = 0
  BEGIN DELETE FROM changes WHERE number < NEW.number - 10000; END;
`,
  },
]
