-- Conversations in full, sessions that rest and that are kept once they have expired, turns of conversations, turns that
-- are deleted one by one, and the lists by time of creation.

-- `stopped` is when the session last went idle, as far as that was written down. `lapsed` is 1 once an expired session was
-- counted off and only its retention keeps it; its `due` is then the end of that.
alter table sessions add column idle_after bigint;
alter table sessions add column asleep integer not null default 0;
alter table sessions add column stopped bigint;
alter table sessions add column retention bigint;
alter table sessions add column lapsed integer not null default 0;
create index sessions_by_owner on sessions (tenant, owner, agent, created, id) where deleted is null;
create index sessions_by_version on sessions (tenant, agent, version) where deleted is null;

create index agents_by_created on agents (tenant, created, id) where deleted is null;

alter table conversations add column key text;
alter table conversations add column client text not null default '';
alter table conversations add column agent text;
alter table conversations add column turns bigint not null default 0;
create unique index conversations_by_key on conversations (tenant, key) where deleted is null and key is not null;
create index conversations_by_created on conversations (tenant, created, id) where deleted is null;
create index conversations_by_agent on conversations (tenant, agent, created, id) where deleted is null;
create index conversations_by_owner on conversations (tenant, owner, created, id) where deleted is null;
create index conversations_by_owner_agent on conversations (tenant, owner, agent, created, id) where deleted is null;
create index conversations_hidden on conversations (deleted) where deleted is not null;

-- `place` numbers the kept turns of a conversation, `inputs` counts the items that are a turn's input. A turn with
-- `deleted` is in no list; its row stays for the lines that go through it. From here on `elsewhere` is 1 also where the
-- parent is of a conversation, which may outlive the session of both.
alter table turns add column place bigint;
alter table turns add column inputs bigint not null default 1;
alter table turns add column recording text not null default 'items';
alter table turns add column deleted bigint;
create unique index turns_by_place on turns (tenant, conversation, place) where place is not null;
create index turns_by_conversation on turns (tenant, conversation, created, id) where conversation is not null;
create index turns_by_owner on turns (tenant, owner, agent, created, id) where deleted is null and kind <> 'import';
create index turns_by_agent on turns (tenant, agent, created, id) where deleted is null and kind <> 'import';
create index turns_deleted on turns (deleted) where deleted is not null and session is null and conversation is null;

-- Where what was deleted stood in lists by time of creation: the last session of each key, and conversations, whose
-- `agent` is empty and whose `key` is the id.
create table gone (
    tenant text not null,
    agent text not null,
    key text not null,
    id text not null,
    created bigint not null,
    at bigint not null,
    primary key (tenant, agent, key)
);
create index gone_by_time on gone (at);
