-- The nodes of a cluster: one row for each life of a process, whose beat it raises for as long as it lives.
create table nodes (
    id text not null primary key,
    address text not null,
    beat bigint not null,
    release text not null,
    joined bigint not null
);

-- What one node at a time does for all of them.
create table duties (
    name text not null primary key,
    node text not null
);

create index waiting_by_node on waiting (node);

-- A node's leases, in order.
drop index leases_by_node;
create index leases_by_node on leases (node, tenant, lane);
