-- The store, first version. Forward only.
-- Times are milliseconds since 1970 in UTC (for display only), positions and cursors are integers below 2^53. SQLite's column "user" is user_id here, since
-- user is a word of SQL's own.
-- No foreign key hangs on what the log feeds: a record of a room that is not (or not yet) here is stored all the same.
-- Constraints have names: what they refuse becomes a message to people, or the reason of a dead letter.

create table accounts (
    id            uuid    not null,
    user_name     text    not null,                     -- lower case
    display_name  text    not null,
    color         text    not null,                     -- #rrggbb
    status_text   text    not null,
    password_hash text,                                 -- PHC string; null: can't sign in by password
    disabled      boolean not null,
    created_at    bigint  not null,
    constraint accounts_key primary key (id),
    constraint accounts_user_name unique (user_name)
);

create table sessions (
    id         uuid    not null,
    user_id    uuid    not null,
    created_at bigint  not null,
    expires_at bigint  not null,
    ended      boolean not null,
    constraint sessions_key primary key (id),
    constraint sessions_of_an_account foreign key (user_id) references accounts (id)
);
create index sessions_of_user on sessions (user_id);

create table refresh_tokens (
    hash    bytea not null,                             -- SHA-256; the token itself is never stored
    session uuid  not null,
    state   text  not null,                             -- replaced: the one before the current, still good for one lost answer
    constraint refresh_tokens_key primary key (hash),
    constraint refresh_tokens_of_a_session foreign key (session) references sessions (id) on delete cascade,
    constraint refresh_tokens_state check (state in ('current', 'replaced', 'spent'))
);
create index refresh_tokens_of_session on refresh_tokens (session);

create table rooms (
    id           uuid    not null,                      -- its first 16 bits are the partition
    kind         text    not null,
    name         text    not null,
    name_folded  text    not null,                      -- lower case, for the directory's search
    topic        text    not null,
    topic_folded text    not null,
    visibility   text    not null,
    public_name  text,                                  -- the folded name of a public room; null for a private one, whose name is not claimed
    archived     boolean not null,
    version      bigint  not null,                      -- grows with each change of the room or its members
    member_count bigint  not null default 0,            -- rows of members with a role, kept in the same transaction
    created_at   bigint  not null,
    constraint rooms_key primary key (id),
    constraint rooms_public_name unique (public_name),
    constraint rooms_visibility check (visibility in ('public', 'private'))
);
create index rooms_directory on rooms ((-member_count), id) where visibility = 'public' and not archived;

create table members (
    room      uuid   not null,
    user_id   uuid   not null,
    role      text,                                     -- null: no longer a member; the row stays for its version
    joined_at bigint not null,
    version   bigint not null,                          -- the room's when this row was last changed
    constraint members_key primary key (room, user_id),
    constraint members_role check (role in ('owner', 'member'))
);
create index members_by_user on members (user_id, room) where role is not null;

-- How far each room has come, fed by the log alone, so a room that has no row in rooms counts too. Every batch updates it: space is left in its pages.
create table room_positions (
    room          uuid   not null,
    last_seq      bigint not null,                      -- of its last message; 0: none yet
    last_position bigint not null,                      -- of its last row
    last_sent_at  bigint,                               -- of its last message
    constraint room_positions_key primary key (room)
) with (fillfactor = 50);

-- The timeline: rows of kind message, system, removed and archived.
create table messages (
    room     uuid    not null,
    position bigint  not null,
    id       uuid    not null,                          -- derived from (room, sender, base, cid)
    seq      bigint,                                    -- numbers the room's messages from 1 without gaps; null for other kinds
    rev      bigint  not null,                          -- position of the record that changed the row last
    kind     text    not null,
    sender   uuid    not null,
    cid      uuid    not null,
    base     bigint  not null,
    body     text,                                      -- as sent; null: sealed, deleted or erased
    key_id   bigint,                                    -- of the key that a sealed body is sealed under
    sealed   bytea,                                     -- nonce, ciphertext and tag
    sent_at  bigint  not null,
    imported boolean not null,
    edited   boolean not null,
    deleted  boolean not null,                          -- a tombstone: id and position stay, so that a late retry stays a repeat
    constraint messages_key primary key (room, position),
    constraint messages_id unique (id),
    constraint messages_kind check (kind in ('message', 'system', 'removed', 'archived'))
);
create index messages_changed on messages (room, rev) where rev > position;

create table votes (
    message  uuid   not null,
    user_id  uuid   not null,
    position bigint not null,                           -- of the vote that counts: the highest
    value    bigint not null,
    constraint votes_key primary key (message, user_id),
    constraint votes_value check (value between -1 and 1)
);

create table tallies (
    message   uuid   not null,
    room      uuid   not null,
    position  bigint not null,                          -- of the message
    sum       bigint not null,                          -- of its votes' values
    count     bigint not null,                          -- of its votes that are not 0
    tally_rev bigint not null,                          -- position of the vote that changed it last
    constraint tallies_key primary key (message)
);
create index tallies_changed on tallies (room, tally_rev);

create table reactions (
    message  uuid    not null,
    user_id  uuid    not null,
    emoji    text    not null,
    position bigint  not null,
    present  boolean not null,                          -- false: taken back
    constraint reactions_key primary key (message, user_id, emoji)
);

create table read_marks (
    room    uuid   not null,
    user_id uuid   not null,
    seq     bigint not null,                            -- read up to here
    constraint read_marks_key primary key (room, user_id)
);

-- Changes of rooms and members that still have to reach the log.
create table outbox (
    n          bigint  not null generated always as identity, -- given while the room's row is locked, so within a room it is the order of commits
    id         uuid    not null,                        -- becomes the record's cid
    partition  integer not null,
    room       uuid    not null,
    sender     uuid    not null,
    body       text    not null,                        -- the event as JSON
    created_at bigint  not null,
    constraint outbox_key primary key (n),
    constraint outbox_id unique (id)
);
create index outbox_of_partition on outbox (partition, n);

-- Records that could not be applied.
create table dead_letters (
    partition integer not null,
    position  bigint  not null,
    reason    text    not null,
    bytes     bytea   not null,
    constraint dead_letters_key primary key (partition, position)
);

-- How far the store has come. Conservation: the counters sum up to the records below next. Every batch updates it: space is left in its pages.
create table partitions (
    partition   integer not null,
    phase       text    not null,
    log_id      uuid    not null,
    epoch       bigint  not null default 0,
    next        bigint  not null default 0,             -- everything below is stored
    applied     bigint  not null default 0,
    superseded  bigint  not null default 0,
    duplicate   bigint  not null default 0,
    expired     bigint  not null default 0,
    dead_letter bigint  not null default 0,
    control     bigint  not null default 0,
    last_hash   bytea,                                  -- first 16 bytes of SHA-256 of the record at next - 1
    constraint partitions_key primary key (partition),
    constraint partitions_phase check (phase in ('opening', 'open'))
) with (fillfactor = 20);
