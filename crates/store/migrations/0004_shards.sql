-- What many transactions move at once is spread over rows where they run side by side. A session's `shard` says which of
-- its owner's commit numbers and of its agent's counts are its: always 0 where transactions run one after the other.
alter table sessions add column shard integer not null default 0;

-- Left positions again, numbered within their shard. The log is short: it reaches back as far as walks may.
create table moved_by_shard (
    tenant text not null,
    owner text not null,
    shard integer not null,
    left_seq bigint not null,
    made_seq bigint not null,
    client text not null,
    agent text not null,
    session text not null,
    updated bigint not null,
    at bigint not null,
    primary key (tenant, owner, shard, left_seq)
);
insert into moved_by_shard (tenant, owner, shard, left_seq, made_seq, client, agent, session, updated, at)
    select tenant, owner, 0, left_seq, made_seq, client, agent, session, updated, at from moved;
drop table moved;
alter table moved_by_shard rename to moved;
create index moved_by_client on moved (tenant, owner, client, updated, session);
create index moved_by_time on moved (at);
