-- Files of sessions, where they are kept in the database. A home counts what it holds; `revision` rises with each change
-- of it.
create table homes (
    tenant text not null,
    session text not null,
    revision bigint not null,
    bytes bigint not null,
    entries bigint not null,
    modified bigint not null,
    primary key (tenant, session)
);

-- Files, and folders, whose `content` is empty. `folder` is the path of what they are in, empty for the home, and `place` a
-- hash of it: paths are longer than keys may be.
create table files (
    tenant text not null,
    session text not null,
    place text not null,
    name text not null,
    folder text not null,
    content text not null,
    size bigint not null,
    modified bigint not null,
    primary key (tenant, session, place, name)
);

-- What a file says. A content that no file names has `at`: a draft when it last grew, another when it was let go.
create table contents (
    id text not null primary key,
    tenant text not null,
    session text not null,
    size bigint not null,
    draft integer not null,
    at bigint
);
create index contents_by_home on contents (tenant, session, draft);
create index contents_by_time on contents (at) where at is not null;

create table chunks (
    content text not null,
    number bigint not null,
    body bytea not null,
    primary key (content, number)
);
