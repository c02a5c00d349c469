-- Indexes for questions that read too much without them. The old binary goes on as before.

-- What changed of old rows: the ones that are newer themselves are passed over within the index.
drop index messages_changed;
create index messages_changed on messages (room, rev, position) where rev > position;
