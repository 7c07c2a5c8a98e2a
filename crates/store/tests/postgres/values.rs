//! What goes in comes out, transactions are all or nothing, reads are of one moment.

use std::time::Duration;

use super::*;

#[tokio::test]
async fn values_come_back_as_they_went_in() {
    let put = "insert into notes (id, body, bytes, n) values ($1, $2, $3, $4) returning id, body, bytes, n, n is null";
    let texts = ["", "plain", "a\0b\u{1}\u{2}\u{1}", "𝄞 ü 'quoted' \\ $1"];
    for driver in connect_each().await {
        for (id, text) in (0_i64..).zip(texts) {
            let bytes = Bytes::from_static(&[0, 1, 255, b'\\']);
            let n = if id % 2 == 0 { Value::Null } else { Value::Int(i64::MIN) };
            let steps = vec![Step::any(put, vec![id.into(), text.into(), bytes.clone().into(), n.clone()])];
            let back = vec![id.into(), text.into(), bytes.into(), n, (id % 2 == 0).into()];
            assert_eq!(driver.transact(steps).await.unwrap(), Outcome::Done(vec![vec![back]]));
        }
        driver.close().await;
    }
}

#[tokio::test]
async fn a_missed_guard_undoes_the_transaction() {
    for driver in connect_each().await {
        assert!(matches!(driver.transact(noted(1)).await.unwrap(), Outcome::Done(_)));
        let mut steps = noted(2);
        steps.extend(noted(1));
        steps.extend(noted(3));
        assert_eq!(driver.transact(steps).await.unwrap(), Outcome::Missed(Guard::Row));
        let alone = vec![Step::guarded(Guard::Waiting, RAISE, vec![Value::Int(9)])];
        assert_eq!(driver.transact(alone).await.unwrap(), Outcome::Missed(Guard::Waiting));
        assert_eq!(rows(&driver, "select id, n from notes").await, [vec![Value::Int(1), Value::Int(1)]]);
        driver.close().await;
    }
}

#[tokio::test]
async fn ten_thousand_steps_are_one_transaction() {
    let patient = PostgresOptions { patience: Duration::from_secs(60), ..PostgresOptions::default() };
    let driver = connect_with(&database(), patient).await;
    let body = "x".repeat(2_000);
    let put = "insert into notes (id, body) values ($1, $2) returning id, body";
    let step = |id: i64| Step::guarded(Guard::Row, put, vec![id.into(), body.as_str().into()]);
    let Outcome::Done(all) = driver.transact((0..10_000).map(step).collect()).await.unwrap() else { panic!("missed") };
    assert_eq!(all.len(), 10_000);
    assert_eq!(all[9_999], [vec![Value::Int(9_999), body.as_str().into()]]);
    let mut late = (10_000..11_000).map(step).collect::<Vec<_>>();
    late.push(Step::guarded(Guard::Lane, "update notes set n = 1 where id = -1", vec![]));
    assert_eq!(driver.transact(late).await.unwrap(), Outcome::Missed(Guard::Lane));
    assert_eq!(rows(&driver, "select count(*) from notes").await, [[Value::Int(10_000)]]);
    driver.close().await;
}

#[tokio::test]
async fn several_reads_see_one_moment() {
    let driver = connect(&database()).await;
    driver.transact(noted(1)).await.unwrap();
    let slow = "select n from notes, pg_sleep(0.2) where id = 1";
    let reads = vec![Read::new(slow, vec![]), Read::new("select n from notes where id = 1", vec![])];
    let raise = driver.transact(vec![Step::any(RAISE, vec![Value::Int(1)])]);
    let (seen, raised) = tokio::join!(driver.read(reads, Reach::Point), raise);
    raised.unwrap();
    let seen = seen.unwrap();
    assert_eq!(seen[0], seen[1]);
    driver.close().await;
}

#[tokio::test]
async fn a_mistaken_statement_is_ours_and_leaves_the_connection_whole() {
    let options = PostgresOptions { connections: 1, ..PostgresOptions::default() };
    let driver = connect_with(&database(), options).await;
    let mut steps = noted(1);
    steps.push(Step::any("update nothing set n = 1", vec![]));
    for _ in 0..2 {
        let error = driver.transact(steps.clone()).await.unwrap_err();
        assert!(matches!(error, sederunt_core::Error::Internal(_)), "{error:?}");
    }
    let read = vec![Read::new("select 1", vec![]), Read::new("select nothing", vec![])];
    driver.read(read, Reach::Point).await.unwrap_err();
    assert_eq!(rows(&driver, "select count(*) from notes").await, [[Value::Int(0)]]);
    assert!(matches!(driver.transact(noted(1)).await.unwrap(), Outcome::Done(_)));
    driver.close().await;
}

#[tokio::test]
async fn after_the_close_everything_is_unavailable() {
    let driver = connect(&database()).await;
    driver.ping().await.unwrap();
    assert!(driver.wall_time().await.unwrap().is_some());
    driver.close().await;
    assert!(driver.ping().await.is_err());
    assert!(driver.read(vec![Read::new("select 1", vec![])], Reach::Point).await.is_err());
    assert!(driver.transact(noted(1)).await.is_err());
}
