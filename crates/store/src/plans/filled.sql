-- A database with as much in each table as makes the reading of all of it dear.
create function pg_temp.id(of text, n bigint) returns text language sql immutable as
    $$ select md5(of || n)::uuid::text $$;

insert into agents (tenant, id, key, enabled, created, updated, ordinal, latest, published, revision, extra)
    select 'acme', pg_temp.id('agent', n), 'agent' || n, 1, n, n, 3, 3, 3, 3, '{}' from generate_series(1, 20) n;
insert into agent_versions (tenant, agent, ordinal, major, minor, published, draft, created, definition)
    select 'acme', a.id, v, v, 0, 1, 0, v, '{}' from agents a, generate_series(1, 200) v;
insert into counts (tenant, agent, shard, sessions)
    select 'acme', a.id, shard, 100 from agents a, generate_series(0, 15) shard;
insert into sessions (tenant, id, key, agent, version, owner, client, metadata, enabled, ttl, created, updated, accessed,
    expires, due, asleep, lapsed, running, turns, items, kept, last_turn, extra, seq, shard)
    select 'acme', pg_temp.id('session', n), 'key' || n, pg_temp.id('agent', 1 + n % 20), 1 + n % 200, 'user' || n % 500,
        'client' || n % 3, '{}', case when n % 50 = 0 then 0 else 1 end, 1000, n, n, n, n + 100000, n + 100000, 0, 0, 0, 2, 4, 2,
        pg_temp.id('turn', 2 * n), '{"kept":"some text that makes a row as long as rows are"}', 1 + n / 500, n % 16
    from generate_series(1, 20000) n;
insert into session_metadata (tenant, session, path, agent, owner, key, value)
    select tenant, id, '["tier"]', agent, owner, key, 't' || right(key, 2) from sessions;
insert into heads (tenant, owner, shard, seq, trimmed)
    select 'acme', 'user' || n, shard, 100, 0 from generate_series(0, 499) n, generate_series(0, 15) shard;
insert into moved (tenant, owner, shard, left_seq, made_seq, client, agent, session, updated, at)
    select tenant, 'user' || created % 5, shard, created, 0, client, agent, id, updated, updated from sessions;
insert into conversations (tenant, id, key, owner, client, agent, session, head, metadata, created, turns)
    select 'acme', pg_temp.id('conversation', n), 'key' || n, 'user' || n % 500, 'client', pg_temp.id('agent', 1 + n % 20),
        null, null, '{}', n, 4
    from generate_series(1, 20000) n;
insert into turns (tenant, id, session, conversation, agent, version, owner, client, parent, number, kind, lane, state,
    ending, kept, alias, tag, on_failure, on_disconnect, parameters, created, ended, extra, items, first_item, elsewhere,
    place, deleted)
    select 'acme', pg_temp.id('turn', n), pg_temp.id('session', (n + 1) / 2),
        case when n % 2 = 0 then pg_temp.id('conversation', 1 + n / 2 % 20000) end, pg_temp.id('agent', 1 + n / 2 % 20), 1,
        'user' || n / 2 % 500, 'client', case when n % 2 = 0 then pg_temp.id('turn', n - 1) end, 2 - n % 2, 'message',
        'session:' || n, case when n % 500 = 0 then 'running' else 'completed' end, '{}', 1, 'alias' || n, 'tag' || n,
        'discard', 'finish', '{}', n, case when n % 500 > 0 then n end, '{}', 2, 1 + 2 * (1 - n % 2), 0,
        case when n % 2 = 0 then 1 + n / 40000 end, null
    from generate_series(1, 40000) n;
insert into items (tenant, turn, position, id, session, created, body)
    select tenant, id, position, pg_temp.id('item' || position, created), session, created, '{"type":"message"}'
    from turns, generate_series(0, 1) position;
insert into item_masks (tenant, item, session, reason, created)
    select tenant, id, '', 'manual', created from items where created % 50 = 0;
insert into parts (tenant, turn, first, last, body)
    select tenant, id, first, first + 9, '[]' from turns, generate_series(0, 90, 10) first where created % 10 = 0;
insert into leases (tenant, lane, node, token, beat, turn, agent)
    select tenant, lane, 'node' || created % 3, 1, 0, id, agent from turns where state = 'running';
insert into waiting (tenant, lane, id, node, input, until)
    select tenant, lane, turn, node, '{}', 1 from leases;
insert into request_keys (tenant, scope, key, body, object, at)
    select 'acme', 'scope' || n % 100, 'key' || n, '', '', n from generate_series(1, 20000) n;
insert into credentials (id, kind, tenant, user_id, client, name, grants, family, created, expires, revoked)
    select md5('credential' || n), case when n % 10 = 0 then 'api_key' else 'refresh' end, 'acme', 'user', 'client' || n % 100,
        '', '{}', 'family' || n / 10, n, n, null
    from generate_series(1, 20000) n;
insert into applications (client_id, secret, tenant, name, redirect_uris, grants, created)
    select 'client' || n, null, 'acme', '', '[]', '{}', n from generate_series(1, 5000) n;
insert into instructions (tenant, id, version, latest, name, syntax, template, metadata, enabled, created, updated)
    select 'acme', pg_temp.id('instruction', n), v, case when v = 3 then 1 else 0 end, 'name' || n, 'plain', '', '{}', 1, n, n
    from generate_series(1, 5000) n, generate_series(1, 3) v;
insert into artifacts (tenant, session, id, turn, created, expires, body)
    select tenant, session, pg_temp.id('artifact', created), id, created, created, '{}' from turns where created % 5 = 0;
insert into gone (tenant, agent, key, id, created, at)
    select tenant, agent, key, id, created, created from sessions;
analyze;
