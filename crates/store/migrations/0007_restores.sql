-- A restore that has begun and is not complete, a row at most: how many lines of the archive are in, what they hash to,
-- how many rows and files they hold, and the commit number at which owners' lists begin. Nothing serves from a database
-- that has one.
create table restores (
    name text not null primary key,
    line bigint not null,
    hash text not null,
    rows_done bigint not null,
    base bigint not null
);
