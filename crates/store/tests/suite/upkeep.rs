//! The sweeper.

use sederunt_core::agent::Opaque;
use sederunt_core::caller::Grants;
use sederunt_core::error::Conflict;
use sederunt_core::identity::{Credential, CredentialId, CredentialKind};
use sederunt_core::store::Accept;
use sederunt_core::turn::Parent;

use crate::world::{HOUR, at, conflict, each};

const DAY: i64 = 24 * 3600;

#[tokio::test]
async fn what_has_expired_is_hidden_then_removed() {
    each(async |world| {
        let agent = world.agent("helper").await;
        for _ in 0..8 {
            let session = world.mortal_session(&agent, at(0)).await;
            world.talk(&session, "hi", at(1)).await;
        }
        let alive = world.mortal_session(&agent, at(0)).await;
        world.talk(&alive, "hi", at(1800)).await;
        assert_eq!(world.sweep(at(3700)).await.expired, 8);
        assert_eq!((world.rows("sessions"), world.rows("turns"), world.rows("items")), (1, 1, 2));
        assert!(world.read(&alive).await.is_some());
        assert_eq!(world.sweep(at(5500)).await.expired, 1);
        assert_eq!(world.rows("sessions"), 0);
        assert_eq!(world.store.count_sessions(&world.tenant, agent.id, at(5500)).await.unwrap(), 0);
    })
    .await;
}

#[tokio::test]
async fn a_deleted_agent_is_removed_with_all_that_was_its() {
    each(async |world| {
        let agent = world.agent("helper").await;
        for _ in 0..5 {
            let session = world.session(&agent, at(0)).await;
            world.talk(&session, "hi", at(1)).await;
        }
        world.store.delete_agent(&world.tenant, agent.id, true, at(2)).await.unwrap();
        world.sweep(at(3)).await;
        for table in ["agents", "agent_versions", "counts", "sessions", "turns", "items"] {
            assert_eq!(world.rows(table), 0, "{table}");
        }
        world.store.insert_agent(&agent, &world.version_of(&agent, 1, (1, 0)), None).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_turn_that_another_line_goes_through_stays_until_that_line_goes() {
    each(async |world| {
        let agent = world.agent("helper").await;
        let (one, two) = (world.session(&agent, at(0)).await, world.session(&agent, at(0)).await);
        let root = world.talk(&one, "root", at(1)).await;
        let fork = Accept { parent: Parent::Turn(root.id), ..world.accept(&two, "fork", at(2)) };
        world.store.accept_turn(&fork).await.unwrap();
        world.store.finish_turn(&world.finish(&fork, "ok", at(3))).await.unwrap();
        world.store.delete_session(&world.tenant, one.id, at(4), None).await.unwrap();
        world.sweep(at(5)).await;
        assert_eq!(world.store.turn(&world.tenant, root.id).await.unwrap(), None);
        assert_eq!(world.store.line(&world.tenant, fork.turn.id, 9).await.unwrap().len(), 2);
        world.store.delete_session(&world.tenant, two.id, at(6), None).await.unwrap();
        world.sweep(at(7)).await;
        assert_eq!((world.rows("turns"), world.rows("sessions")), (0, 0));
    })
    .await;
}

#[tokio::test]
async fn old_keys_and_credentials_are_forgotten_by_the_wall_clock() {
    each(async |world| {
        let agent = world.agent("helper").await;
        let request = world.request("k", "body");
        world.store.insert_session(&world.new_session(&agent, at(0)), Some(&request)).await.unwrap();
        let credential = Credential {
            id: CredentialId::of("s"),
            kind: CredentialKind::Access,
            tenant: world.tenant.clone(),
            user: "alice".into(),
            client: "app".into(),
            name: String::new(),
            grants: Grants::default(),
            scope: None,
            family: None,
            redeem: None,
            created: at(0),
            expires: Some(at(10)),
            revoked: None,
            enabled: true,
            extra: Opaque::new(),
        };
        world.store.put_credential(&credential).await.unwrap();
        let other = world.request("k", "other body");
        let repeat = async || world.store.insert_session(&world.new_session(&agent, at(0)), Some(&other)).await;
        world.store.sweep(at(9 * DAY), at(DAY - 1), HOUR, 9).await.unwrap();
        assert_eq!(conflict(repeat().await), Conflict::KeyReused, "only the movable clock has moved on");
        world.store.sweep(at(0), at(DAY + 10), HOUR, 9).await.unwrap();
        repeat().await.unwrap();
        assert_eq!(world.store.credential(&credential.id).await.unwrap(), None);
    })
    .await;
}
