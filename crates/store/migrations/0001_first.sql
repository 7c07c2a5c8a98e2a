-- The whole record. Times are nanoseconds since 1970, ids are hyphenated UUIDs, JSON is text, yes and no are 1 and 0.
-- `tenant` leads every key but those of what is looked up before the tenant is known. A row with `deleted` is hidden
-- everywhere at once and removed later, in batches.

create table agents (
    tenant text not null,
    id text not null,
    key text not null,
    enabled integer not null,
    created bigint not null,
    updated bigint not null,
    ordinal bigint not null,
    latest bigint,
    published bigint,
    revision bigint not null,
    extra text not null,
    deleted bigint,
    primary key (tenant, id)
);
create unique index agents_by_key on agents (tenant, key) where deleted is null;
create index agents_hidden on agents (deleted) where deleted is not null;

create table agent_versions (
    tenant text not null,
    agent text not null,
    ordinal bigint not null,
    major bigint not null,
    minor bigint not null,
    published integer not null,
    draft integer not null,
    created bigint not null,
    definition text not null,
    primary key (tenant, agent, ordinal)
);
create index agent_versions_by_label on agent_versions (tenant, agent, major, minor);

-- How many unhidden sessions an agent has.
create table counts (
    tenant text not null,
    agent text not null,
    shard integer not null,
    sessions bigint not null,
    primary key (tenant, agent, shard)
);

-- `due` is a lower bound of `expires`: a turn moves only `expires`, so that no index entry moves with it.
-- `kept` counts kept turns of every kind; `seq` is the owner's commit number of the last move.
create table sessions (
    tenant text not null,
    id text not null,
    key text not null,
    agent text not null,
    version bigint,
    owner text not null,
    client text not null,
    title text,
    auto_title text,
    metadata text not null,
    enabled integer not null,
    ttl bigint,
    created bigint not null,
    updated bigint not null,
    accessed bigint not null,
    expires bigint,
    due bigint,
    running bigint not null,
    turns bigint not null,
    items bigint not null,
    kept bigint not null,
    last_turn text,
    extra text not null,
    seq bigint not null,
    deleted bigint,
    primary key (tenant, id)
);
create unique index sessions_by_key on sessions (tenant, agent, key) where deleted is null;
create index sessions_by_client on sessions (tenant, owner, client, updated, id) where deleted is null;
create index sessions_by_client_agent on sessions (tenant, owner, client, agent, updated, id) where deleted is null;
create index sessions_by_created on sessions (tenant, created, id) where deleted is null;
create index sessions_by_agent on sessions (tenant, agent, created, id) where deleted is null;
create index sessions_due on sessions (tenant, agent, due) where deleted is null and due is not null;
create index sessions_hidden on sessions (deleted) where deleted is not null;

-- Metadata that lists filter on, one typed value a row.
create table session_metadata (
    tenant text not null,
    agent text not null,
    session text not null,
    path text not null,
    kind text not null,
    text_value text,
    number_value double precision,
    primary key (tenant, session, path)
);
create index session_metadata_by_text on session_metadata (tenant, agent, path, text_value);
create index session_metadata_by_number on session_metadata (tenant, agent, path, number_value);

-- The commit number of each owner's list. `trimmed` is the greatest number that the log of left positions lost.
create table heads (
    tenant text not null,
    owner text not null,
    shard integer not null,
    seq bigint not null,
    trimmed bigint not null,
    primary key (tenant, owner, shard)
);

-- Positions that sessions have left: each held from commit number `made_seq` until `left_seq`.
create table moved (
    tenant text not null,
    owner text not null,
    left_seq bigint not null,
    made_seq bigint not null,
    client text not null,
    agent text not null,
    session text not null,
    updated bigint not null,
    at bigint not null,
    primary key (tenant, owner, left_seq)
);
create index moved_by_client on moved (tenant, owner, client, updated, session);
create index moved_by_time on moved (at);

create table conversations (
    tenant text not null,
    id text not null,
    owner text not null,
    session text,
    head text,
    metadata text not null,
    created bigint not null,
    deleted bigint,
    primary key (tenant, id)
);

-- `items` counts the turn's items and `first_item` numbers the first of them, once the turn is kept.
-- `elsewhere` is 1 where the parent lies in another session.
create table turns (
    tenant text not null,
    id text not null,
    session text,
    conversation text,
    agent text,
    version bigint,
    owner text not null,
    client text not null,
    parent text,
    number bigint,
    kind text not null,
    lane text not null,
    state text not null,
    ending text,
    kept integer not null,
    alias text not null,
    tag text,
    on_failure text not null,
    on_disconnect text not null,
    parameters text not null,
    usage text,
    created bigint not null,
    ended bigint,
    extra text not null,
    items bigint not null,
    first_item bigint,
    elsewhere integer not null,
    primary key (tenant, id)
);
create unique index turns_by_alias on turns (tenant, session, alias);
create index turns_by_created on turns (tenant, session, created, id);
create unique index turns_by_number on turns (tenant, session, number) where number is not null;
create index turns_by_tag on turns (tenant, session, tag, created, id) where tag is not null;
create index turns_elsewhere on turns (tenant, parent) where elsewhere = 1;

create table items (
    tenant text not null,
    turn text not null,
    position bigint not null,
    id text not null,
    session text,
    created bigint not null,
    body text not null,
    primary key (tenant, turn, position)
);

-- Hides an item from lines: in one session, or everywhere where `session` is empty.
create table item_masks (
    tenant text not null,
    item text not null,
    session text not null,
    reason text not null,
    created bigint not null,
    primary key (tenant, item, session)
);

-- Batches of parts as they were written: numbers `first` to `last`, and a JSON array of them.
create table parts (
    tenant text not null,
    turn text not null,
    first bigint not null,
    last bigint not null,
    body text not null,
    primary key (tenant, turn, first)
);

create table leases (
    tenant text not null,
    lane text not null,
    node text not null,
    token bigint not null,
    beat bigint not null,
    turn text not null,
    agent text,
    primary key (tenant, lane)
);
create index leases_by_node on leases (node);

create table waiting (
    tenant text not null,
    lane text not null,
    id text not null,
    node text not null,
    input text not null,
    until bigint not null,
    primary key (tenant, lane, id)
);
create index waiting_by_until on waiting (until);

create table request_keys (
    tenant text not null,
    scope text not null,
    key text not null,
    body text not null,
    object text not null,
    at bigint not null,
    primary key (tenant, scope, key)
);
create index request_keys_by_time on request_keys (at);

create table credentials (
    id text not null primary key,
    kind text not null,
    tenant text not null,
    user_id text not null,
    client text not null,
    name text not null,
    grants text not null,
    scope text,
    family text,
    redeem text,
    created bigint not null,
    expires bigint,
    revoked bigint
);
create index credentials_by_family on credentials (family) where family is not null;
create index credentials_api_keys on credentials (tenant, created, id) where kind = 'api_key';
create index credentials_by_client on credentials (tenant, client);
create index credentials_by_expiry on credentials (expires) where expires is not null;

create table applications (
    client_id text not null primary key,
    secret text,
    tenant text not null,
    name text not null,
    redirect_uris text not null,
    grants text not null,
    created bigint not null
);
create index applications_by_tenant on applications (tenant, client_id);

create table secrets (
    name text not null primary key,
    value text not null
);
