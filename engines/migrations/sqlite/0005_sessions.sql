-- What people see of their sessions, who is an administrator, and a number by which gateways notice ended rights. A binary that does not know the number does not
-- raise it: what it ends is told over the bus alone.
alter table sessions add column last_seen_at integer not null default 0;   -- when its tokens were last renewed
alter table sessions add column agent text not null default '';            -- which program signed in, in a few words
update sessions set last_seen_at = created_at;
alter table accounts add column is_admin integer not null default 0 check (is_admin in (0, 1));
alter table accounts add column rights_version integer not null default 0; -- grows when a session or a membership of this person ends
create index accounts_admins on accounts (user_name) where is_admin = 1;
