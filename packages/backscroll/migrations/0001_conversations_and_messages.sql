-- Every key begins with its owner: no query can read a row by guessing an id, erasing a person is one
-- cascade, and the tables can be distributed by user_id. Times are in milliseconds, as the API shows them.

-- Whose cache keys are whose: a recreated or shared database never meets another's cache.
create table installation (
  only_row boolean not null default true,
  database_id uuid not null default gen_random_uuid(),
  constraint installation_pkey primary key (only_row),
  constraint installation_only_row_check check (only_row)
);
insert into installation default values;

create table users (
  id bigint generated always as identity,
  issuer text not null,
  subject text not null,
  email text,
  created_at timestamptz(3) not null default statement_timestamp(),
  constraint users_pkey primary key (id),
  constraint users_issuer_subject_key unique (issuer, subject)
);

create table conversations (
  user_id bigint not null,
  id uuid not null,
  -- the caller's own id when it is not a UUID; `id` is then derived from it
  client_id text,
  title text not null,
  title_source text not null,
  metadata jsonb not null default '{}',
  pinned_at timestamptz(3),
  archived_at timestamptz(3),
  deleted_at timestamptz(3),
  -- a permanent deletion has begun: it leaves in batches, and nothing brings it back
  erasing boolean not null default false,
  last_seq bigint not null default 0,
  message_count bigint not null default 0,
  -- messages up to this seq are counted in usage_daily
  usage_seq bigint not null default 0,
  -- one more with everything that changes what a reader of the messages would see
  version bigint not null default 0,
  created_at timestamptz(3) not null default statement_timestamp(),
  updated_at timestamptz(3) not null default statement_timestamp(),
  -- the list's index: it changes once a day, so that appends stay HOT (see ARCHITECTURE.md)
  updated_day date not null generated always as ((updated_at at time zone 'UTC')::date) stored,
  constraint conversations_pkey primary key (user_id, id),
  constraint conversations_user_id_fkey foreign key (user_id) references users (id) on delete cascade,
  constraint conversations_title_source_check check (title_source in ('default', 'user', 'generated'))
) with (fillfactor = 70);
create index conversations_updated_day_idx on conversations (user_id, updated_day);
create index conversations_pinned_idx on conversations (user_id) where pinned_at is not null;
create index conversations_deleted_at_idx on conversations (user_id, deleted_at) where deleted_at is not null;
create index conversations_erasing_idx on conversations (user_id) where erasing;

create table messages (
  user_id bigint not null,
  conversation_id uuid not null,
  seq bigint not null,
  id uuid not null,
  client_id text,
  role text not null,
  content text not null,
  -- as its provider wrote it, key order included: json keeps the text, jsonb would not
  parts json,
  status text not null default 'complete',
  model text,
  tokens_used integer,
  latency_ms integer,
  metadata jsonb,
  version integer not null default 1,
  -- never runs backwards along seq
  created_at timestamptz(3) not null,
  edited_at timestamptz(3),
  -- of the content before its first edit: a late retry of the save is still recognised
  saved_content_md5 uuid,
  constraint messages_pkey primary key (user_id, conversation_id, seq),
  constraint messages_id_key unique (user_id, conversation_id, id),
  constraint messages_conversation_fkey foreign key (user_id, conversation_id)
    references conversations (user_id, id) on delete cascade,
  constraint messages_role_check check (role in ('system', 'user', 'assistant', 'tool')),
  constraint messages_status_check check (status in ('complete', 'stopped', 'interrupted', 'failed'))
);
-- A conversation has one owner. Without being told, the planner takes the two conditions for independent, expects
-- less than a row where there are a million, and then finds one message by reading all of them.
create statistics messages_owner_stats (dependencies) on user_id, conversation_id from messages;
alter table messages alter column conversation_id set (n_distinct = -0.01);

-- The seq of every deleted message: page N stays a range of seq, whatever was deleted.
create table deleted_messages (
  user_id bigint not null,
  conversation_id uuid not null,
  seq bigint not null,
  constraint deleted_messages_pkey primary key (user_id, conversation_id, seq),
  constraint deleted_messages_conversation_fkey foreign key (user_id, conversation_id)
    references conversations (user_id, id) on delete cascade
);

-- Folded from messages when read, and before messages are deleted: an append never touches it.
create table usage_daily (
  user_id bigint not null,
  day date not null,
  role text not null,
  -- '' when the message names no model
  model text not null,
  messages bigint not null,
  tokens_used bigint not null,
  constraint usage_daily_pkey primary key (user_id, day, role, model),
  constraint usage_daily_user_id_fkey foreign key (user_id) references users (id) on delete cascade
);

create table idempotency_keys (
  user_id bigint not null,
  key text not null,
  request_hash bytea not null,
  -- everything the request creates gets an id derived from this, so that a second try meets the first one's rows
  seed uuid not null,
  -- null while the request runs
  response_status integer,
  response_type text,
  response_body bytea,
  -- a request that has not answered by then is taken over by its retry
  running_until timestamptz(3) not null,
  expires_at timestamptz(3) not null,
  constraint idempotency_keys_pkey primary key (user_id, key),
  constraint idempotency_keys_user_id_fkey foreign key (user_id) references users (id) on delete cascade
);
create index idempotency_keys_expires_at_idx on idempotency_keys (expires_at);
