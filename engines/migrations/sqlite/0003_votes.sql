-- A room's top messages. A binary that does not know sent_at leaves it 0 on tallies that it makes: such a message is in no day, week or month until somebody
-- votes on it again.
alter table tallies add column sent_at integer not null default 0;      -- the message's, for display only: it says which day's, week's or month's top it is in
update tallies set sent_at = coalesce((select sent_at from messages where messages.id = tallies.message), 0);
create index tallies_best on tallies (room, sum, position) where sum > 0;
create index tallies_of_a_time on tallies (room, sent_at) where sum > 0;
