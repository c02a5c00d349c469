-- The store, first version. Forward only.
-- Ids are UUIDs as 16-byte blobs, times are milliseconds since 1970 in UTC (for display only), positions and cursors are integers below 2^53.
-- No foreign key hangs on what the log feeds: a record of a room that is not (or not yet) here is stored all the same.

create table accounts (
    id            blob    primary key,
    user_name     text    not null unique,              -- lower case
    display_name  text    not null,
    color         text    not null,                     -- #rrggbb
    status_text   text    not null,
    password_hash text,                                 -- PHC string; null: can't sign in by password
    disabled      integer not null check (disabled in (0, 1)),
    created_at    integer not null
) without rowid;

create table sessions (
    id         blob    primary key,
    user       blob    not null references accounts (id),
    created_at integer not null,
    expires_at integer not null,
    ended      integer not null check (ended in (0, 1))
) without rowid;
create index sessions_of_user on sessions (user);

create table refresh_tokens (
    hash    blob primary key,                           -- SHA-256; the token itself is never stored
    session blob not null references sessions (id) on delete cascade,
    state   text not null check (state in ('current', 'replaced', 'spent'))
                                                        -- replaced: the one before the current, still good for one lost answer
) without rowid;
create index refresh_tokens_of_session on refresh_tokens (session);

create table rooms (
    id           blob    primary key,                   -- its first 16 bits are the partition
    kind         text    not null,
    name         text    not null,
    name_folded  text    not null,                      -- lower case, for the directory's search
    topic        text    not null,
    topic_folded text    not null,
    visibility   text    not null check (visibility in ('public', 'private')),
    public_name  text    unique,                        -- the folded name of a public room; null for a private one, whose name is not claimed
    archived     integer not null check (archived in (0, 1)),
    version      integer not null,                      -- grows with each change of the room or its members
    member_count integer not null default 0,            -- rows of members with a role, kept in the same transaction
    created_at   integer not null
) without rowid;
create index rooms_directory on rooms (-member_count, id) where visibility = 'public' and archived = 0;

create table members (
    room      blob    not null,
    user      blob    not null,
    role      text    check (role in ('owner', 'member')), -- null: no longer a member; the row stays for its version
    joined_at integer not null,
    version   integer not null,                         -- the room's when this row was last changed
    primary key (room, user)
) without rowid;
create index members_by_user on members (user, room) where role is not null;

-- How far each room has come, fed by the log alone, so a room that has no row in rooms counts too.
create table room_positions (
    room          blob    primary key,
    last_seq      integer not null,                     -- of its last message; 0: none yet
    last_position integer not null,                     -- of its last row
    last_sent_at  integer                               -- of its last message
) without rowid;

-- The timeline: rows of kind message, system, removed and archived.
create table messages (
    room     blob    not null,
    position integer not null,
    id       blob    not null,                          -- derived from (room, sender, base, cid)
    seq      integer,                                   -- numbers the room's messages from 1 without gaps; null for other kinds
    rev      integer not null,                          -- position of the record that changed the row last
    kind     text    not null check (kind in ('message', 'system', 'removed', 'archived')),
    sender   blob    not null,
    cid      blob    not null,
    base     integer not null,
    body     text,                                      -- as sent; null: sealed, deleted or erased
    key_id   integer,                                   -- of the key that a sealed body is sealed under
    sealed   blob,                                      -- nonce, ciphertext and tag
    sent_at  integer not null,
    imported integer not null check (imported in (0, 1)),
    edited   integer not null check (edited in (0, 1)),
    deleted  integer not null check (deleted in (0, 1)), -- a tombstone: id and position stay, so that a late retry stays a repeat
    primary key (room, position)
) without rowid;
create unique index messages_by_id on messages (id);
create index messages_changed on messages (room, rev) where rev > position;

create table votes (
    message  blob    not null,
    user     blob    not null,
    position integer not null,                          -- of the vote that counts: the highest
    value    integer not null check (value between -1 and 1),
    primary key (message, user)
) without rowid;

create table tallies (
    message   blob    primary key,
    room      blob    not null,
    position  integer not null,                         -- of the message
    sum       integer not null,                         -- of its votes' values
    count     integer not null,                         -- of its votes that are not 0
    tally_rev integer not null                          -- position of the vote that changed it last
) without rowid;
create index tallies_changed on tallies (room, tally_rev);

create table reactions (
    message  blob    not null,
    user     blob    not null,
    emoji    text    not null,
    position integer not null,
    present  integer not null check (present in (0, 1)), -- 0: taken back
    primary key (message, user, emoji)
) without rowid;

create table read_marks (
    room blob    not null,
    user blob    not null,
    seq  integer not null,                              -- read up to here
    primary key (room, user)
) without rowid;

-- Changes of rooms and members that still have to reach the log.
create table outbox (
    n          integer primary key autoincrement,       -- commit order
    id         blob    not null unique,                 -- becomes the record's cid
    partition  integer not null,
    room       blob    not null,
    sender     blob    not null,
    body       text    not null,                        -- the event as JSON
    created_at integer not null
);
create index outbox_of_partition on outbox (partition, n);

-- Records that could not be applied.
create table dead_letters (
    partition integer not null,
    position  integer not null,
    reason    text    not null,
    bytes     blob    not null,
    primary key (partition, position)
) without rowid;

-- How far the store has come. Conservation: the counters sum up to the records below next.
create table partitions (
    partition   integer primary key,
    phase       text    not null check (phase in ('opening', 'open')),
    log_id      blob    not null,
    epoch       integer not null default 0,
    next        integer not null default 0,             -- everything below is stored
    applied     integer not null default 0,
    superseded  integer not null default 0,
    duplicate   integer not null default 0,
    expired     integer not null default 0,
    dead_letter integer not null default 0,
    control     integer not null default 0,
    last_hash   blob                                    -- first 16 bytes of SHA-256 of the record at next - 1
);
