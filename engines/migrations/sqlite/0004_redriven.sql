-- Dead letters that an operator had appended once more. A binary that does not know the column shows them as before.
alter table dead_letters add column redriven integer;                        -- where the same thing lies now: the position at which it was stored or refused again
