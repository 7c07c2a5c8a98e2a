//! A node of one release on the schema of the next: what migrations may do, so that the older nodes of a cluster go on while
//! the first of the newer ones has already brought the schema up to date.

use sederunt_store::{DatabaseError, Postgres, PostgresOptions};

use crate::databases::Database;
use crate::world::{World, at, open};

/// What the next release may add: columns that need no value, tables, indexes.
const NEXT: &str = "alter table agents add column later text collate \"C\" not null default ''; \
     alter table sessions add column later bigint; \
     alter table turns add column later integer not null default 0; \
     alter table items add column later text collate \"C\"; \
     alter table leases add column later bigint not null default 0; \
     alter table nodes add column later text collate \"C\" not null default ''; \
     create table later (id text collate \"C\" not null primary key); \
     create index sessions_later on sessions (tenant, later);";

#[tokio::test]
async fn a_node_goes_on_when_a_newer_one_has_added_to_the_schema() {
    let database = Database::new().await;
    let node = World::sqlite().with(open(&database).await);
    let agent = node.agent("helper").await;
    let session = node.session(&agent, at(0)).await;
    node.talk(&session, "before", at(1)).await;
    let running = node.accept(&session, "during", at(2));
    node.store.accept_turn(&running).await.unwrap();
    database.execute(NEXT);
    database
        .execute("insert into migrations (number, name, compatible) select 9000, 'later', max(number) from migrations");
    node.store.finish_turn(&node.finish(&running, "fine", at(3))).await.unwrap();
    node.talk(&session, "after", at(4)).await;
    let another = node.agent("second").await;
    node.session(&another, at(5)).await;
    let restarted = node.with(open(&database).await);
    restarted.talk(&session, "once more", at(6)).await;
    assert_eq!(restarted.read(&session).await.unwrap().turns, 4);
    restarted.store.close().await;
}

#[tokio::test]
async fn a_schema_that_took_something_away_is_refused() {
    let database = Database::new().await;
    database.execute("insert into migrations (number, name, compatible) values (9000, 'later', 9000)");
    let refused = Postgres::open(database.url(), PostgresOptions::default()).await.unwrap_err();
    assert!(matches!(refused, DatabaseError::Newer { found: 9000, .. }), "{refused}");
}
