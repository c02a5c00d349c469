-- Indexes for questions that read too much without them. The old binary goes on as before.

-- What changed of old rows: the ones that are newer themselves are passed over within the index.
drop index messages_changed;
create index messages_changed on messages (room, rev, position) where rev > position;

-- The directory's search, by trigrams. The extension comes with Postgres' own packages, and who owns the database may create it; where it can't be had, the
-- search reads along the directory.
do $$
begin
    create extension if not exists pg_trgm;
    create index rooms_search on rooms using gin (name_folded gin_trgm_ops, topic_folded gin_trgm_ops) where visibility = 'public' and not archived;
exception
    when insufficient_privilege or undefined_file or feature_not_supported then
        raise notice 'no index for the search of rooms: %', sqlerrm;
end
$$;
