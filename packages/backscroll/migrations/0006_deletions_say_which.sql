-- The deleted message's stored id: an import that meets the message again knows that it was deleted here, and is not new.
-- null: it was deleted before this was kept.
alter table deleted_messages add column id uuid;
