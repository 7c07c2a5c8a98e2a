-- What a session is about, and how full the model's context was after its last call.
alter table sessions add column description text;
alter table sessions add column context text;

-- Metadata that lists filter on, one field a row: `path` is the JSON list of the names that lead to it, `value` a letter for
-- its kind and then the value, as text that sorts as the values of that kind do. Never written in its first form.
drop table session_metadata;
create table session_metadata (
    tenant text not null,
    session text not null,
    path text not null,
    agent text not null,
    owner text not null,
    key text not null,
    value text not null,
    primary key (tenant, session, path)
);
create index session_metadata_by_value on session_metadata (tenant, agent, path, value, key, owner, session);

-- Lists of sessions by key, and what their counts are made of: the first has all that a count looks at.
create index sessions_by_owner_key on sessions (tenant, owner, agent, key, lapsed, deleted) where deleted is null;
create index sessions_disabled on sessions (tenant, agent, key) where deleted is null and enabled = 0;

-- Credentials that can be switched off, and what dialects keep of them and of applications.
alter table credentials add column enabled integer not null default 1;
alter table credentials add column extra text not null default '{}';
alter table applications add column description text;
alter table applications add column extra text not null default '{}';

-- Named texts, each version a row; `latest` marks the one that stands. Ids begin with the time of creation.
create table instructions (
    tenant text not null,
    id text not null,
    version bigint not null,
    latest integer not null,
    name text not null,
    description text,
    syntax text not null,
    template text not null,
    metadata text not null,
    enabled integer not null,
    created bigint not null,
    updated bigint not null,
    primary key (tenant, id, version)
);
create unique index instructions_by_name on instructions (tenant, name) where latest = 1;
create index instructions_latest on instructions (tenant, id) where latest = 1;

-- Files that users brought to turns: what is known of them. Their bytes lie beside the database.
create table artifacts (
    tenant text not null,
    session text not null,
    id text not null,
    turn text not null,
    created bigint not null,
    expires bigint,
    body text not null,
    primary key (tenant, session, id)
);
create index artifacts_by_created on artifacts (tenant, session, created, id);
create index artifacts_by_expiry on artifacts (expires) where expires is not null;
