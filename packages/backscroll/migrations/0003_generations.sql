-- Replies being written: one a conversation. Opened by the statement that saves the question, deleted by the one that
-- saves the reply; in between, its server says every two seconds that it lives, and what has been written.
create table generations (
  user_id bigint not null,
  conversation_id uuid not null,
  -- of the reply
  message_id uuid not null,
  question_id uuid not null,
  question_seq bigint not null,
  -- replies to the question up to this seq leave when this one is saved; 0: none but failed ones
  replaces_up_to bigint not null default 0,
  -- of this attempt and no other: who closes it names it, so a server that was only asleep closes nothing
  fence bigint not null,
  -- the process that writes it
  server_id uuid not null,
  started_at timestamptz(3) not null default statement_timestamp(),
  heartbeat_at timestamptz(3) not null default statement_timestamp(),
  stop_requested boolean not null default false,
  partial_text text not null default '',
  partial_tools json,
  constraint generations_pkey primary key (user_id, conversation_id),
  constraint generations_conversation_fkey foreign key (user_id, conversation_id)
    references conversations (user_id, id) on delete cascade
) with (fillfactor = 50);
-- No index on heartbeat_at: every heartbeat would write it, and there are never more rows than replies being written.

-- The question that a reply answers; null for everything that was saved as it is.
alter table messages add column reply_to uuid;
