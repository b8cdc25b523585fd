-- Credentials, found before it is known whose they are: like `users`, copied to every node when tables are distributed.
create table api_keys (
  id uuid not null,
  -- who is answerable for what it does
  user_id bigint not null,
  name text not null,
  -- of the key as it was shown, once
  key_sha256 bytea not null,
  -- own: this person's history. admin: may act for everybody, and sees what only admins see
  scope text not null,
  created_at timestamptz(3) not null default statement_timestamp(),
  -- about: written at most once a minute
  last_used_at timestamptz(3),
  expires_at timestamptz(3),
  revoked_at timestamptz(3),
  constraint api_keys_pkey primary key (id),
  constraint api_keys_key_sha256_key unique (key_sha256),
  constraint api_keys_user_id_fkey foreign key (user_id) references users (id) on delete cascade,
  constraint api_keys_scope_check check (scope in ('own', 'admin'))
);
create index api_keys_user_id_idx on api_keys (user_id);

-- Browsers that are logged in: the cookie is a random secret, kept here only as its hash.
create table logins (
  cookie_sha256 bytea not null,
  user_id bigint not null,
  -- the key it was made with: it ends with it
  api_key_id uuid,
  is_admin boolean not null,
  -- the conversation that its token named, for SESSIONS=claim
  conversation_claim text,
  created_at timestamptz(3) not null default statement_timestamp(),
  expires_at timestamptz(3) not null,
  constraint logins_pkey primary key (cookie_sha256),
  constraint logins_user_id_fkey foreign key (user_id) references users (id) on delete cascade,
  constraint logins_api_key_id_fkey foreign key (api_key_id) references api_keys (id) on delete cascade
);
create index logins_user_id_idx on logins (user_id);
create index logins_api_key_id_idx on logins (api_key_id);
create index logins_expires_at_idx on logins (expires_at);

-- An app's session, and the conversation it is in.
create table sessions (
  user_id bigint not null,
  session_id text not null,
  -- UUIDv5 of (user, session_id), for the cache and the log: a session's id may be a secret of its app
  id uuid not null,
  conversation_id uuid not null,
  context jsonb not null default '{}',
  -- as of conversations: what the cache holds of it is compared with this
  version bigint not null default (extract(epoch from statement_timestamp()) * 1000000)::bigint,
  created_at timestamptz(3) not null default statement_timestamp(),
  updated_at timestamptz(3) not null default statement_timestamp(),
  expires_at timestamptz(3) not null,
  constraint sessions_pkey primary key (user_id, session_id),
  constraint sessions_conversation_fkey foreign key (user_id, conversation_id)
    references conversations (user_id, id) on delete cascade
);
create index sessions_id_idx on sessions (user_id, id);
create index sessions_conversation_id_idx on sessions (user_id, conversation_id);
create index sessions_expires_at_idx on sessions (expires_at);

-- Who deleted, exported, erased, or acted for somebody. A person is an HMAC under a key of their own: once that key
-- is destroyed, nobody can tell whose rows these were.
create table audit_persons (
  user_id bigint not null,
  hmac_key bytea not null,
  pseudonym bytea not null,
  constraint audit_persons_pkey primary key (user_id),
  constraint audit_persons_pseudonym_key unique (pseudonym),
  constraint audit_persons_user_id_fkey foreign key (user_id) references users (id) on delete cascade
);
create table audit_log (
  id bigint generated always as identity,
  at timestamptz(3) not null default statement_timestamp(),
  action text not null,
  -- null: the service itself, or its operator at the command line
  actor bytea,
  -- the key that was used, if any
  actor_key_id uuid,
  -- whose history it was; null: everybody's
  subject bytea,
  -- encrypted under the subject's key: an app's own id may say whose it is
  sealed_conversation_id bytea,
  constraint audit_log_pkey primary key (id),
  constraint audit_log_action_check check (action in (
    'conversation_trashed', 'conversation_deleted', 'message_deleted', 'conversation_exported', 'person_exported',
    'everything_exported', 'person_erased', 'acted_for'
  ))
);
create index audit_log_subject_idx on audit_log (subject, id);
create index audit_log_actor_idx on audit_log (actor, id);
-- Acting for somebody is written once a day, whichever server sees it first.
create unique index audit_log_acted_for_key on audit_log (actor, actor_key_id, subject, ((at at time zone 'UTC')::date))
  nulls not distinct where action = 'acted_for';

create function refuse_audit_change() returns trigger language plpgsql as $$
begin
  raise exception 'the audit log is append-only';
end $$;
create trigger audit_log_append_only before update or delete on audit_log
  for each row execute function refuse_audit_change();
create trigger audit_log_no_truncate before truncate on audit_log
  for each statement execute function refuse_audit_change();

-- Who was erased a while ago: what is still on its way in their name is refused. Only an HMAC under the installation's
-- secret, and only for a day.
create table erased_users (
  identity_hmac bytea not null,
  erased_at timestamptz(3) not null default statement_timestamp(),
  constraint erased_users_pkey primary key (identity_hmac)
);
-- An erasure has begun: nobody is this person any more.
alter table users add column erasing_at timestamptz(3);
create index users_erasing_idx on users (id) where erasing_at is not null;
alter table installation
  add column secret bytea not null default (uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()));

-- When a task of the upkeep last began, on whichever server: one of them takes it when it is due.
create table upkeep_tasks (
  task text not null,
  started_at timestamptz(3) not null,
  constraint upkeep_tasks_pkey primary key (task)
);
