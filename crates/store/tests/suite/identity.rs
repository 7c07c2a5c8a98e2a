//! Credentials, applications and secrets.

use sederunt_core::agent::Opaque;
use sederunt_core::caller::{Action, Grants};
use sederunt_core::identity::{Application, Credential, CredentialId, CredentialKind, Redeem};
use serde_json::json;

use crate::world::{World, at, each};

fn credential(world: &World, secret: &str, kind: CredentialKind, created: i64) -> Credential {
    Credential {
        id: CredentialId::of(secret),
        kind,
        tenant: world.tenant.clone(),
        user: "alice".into(),
        client: "app".into(),
        name: secret.into(),
        grants: Grants::of(&[Action::Talk]),
        scope: Some("api:read".into()),
        family: Some("family".into()),
        redeem: Some(Redeem { redirect_uri: "http://localhost/".into(), challenge: "c".into() }),
        created: at(created),
        expires: None,
        revoked: None,
        enabled: true,
        extra: Opaque::from([("kept".to_owned(), json!({"a": 1}))]),
    }
}

#[tokio::test]
async fn a_credential_is_used_up_once() {
    each(async |world| {
        let code = credential(world, "s", CredentialKind::Code, 0);
        world.store.put_credential(&code).await.unwrap();
        assert_eq!(world.store.credential(&code.id).await.unwrap(), Some(code.clone()));
        assert!(world.store.revoke_credential(&code.id, at(1)).await.unwrap());
        assert!(!world.store.revoke_credential(&code.id, at(2)).await.unwrap());
        assert_eq!(world.store.credential(&code.id).await.unwrap().unwrap().revoked, Some(at(1)));
        assert!(!world.store.revoke_credential(&CredentialId::of("nobody"), at(1)).await.unwrap());
    })
    .await;
}

#[tokio::test]
async fn a_family_is_revoked_together() {
    each(async |world| {
        let (one, two) =
            (credential(world, "1", CredentialKind::Access, 0), credential(world, "2", CredentialKind::Refresh, 0));
        let stranger = Credential { family: None, ..credential(world, "3", CredentialKind::Access, 0) };
        for credential in [&one, &two, &stranger] {
            world.store.put_credential(credential).await.unwrap();
        }
        world.store.revoke_family("family", at(1)).await.unwrap();
        let revoked = async |id| world.store.credential(id).await.unwrap().unwrap().revoked;
        assert_eq!((revoked(&one.id).await, revoked(&two.id).await), (Some(at(1)), Some(at(1))));
        assert_eq!(revoked(&stranger.id).await, None);
    })
    .await;
}

#[tokio::test]
async fn api_keys_are_listed_newest_first() {
    each(async |world| {
        for (secret, kind, created) in
            [("a", CredentialKind::ApiKey, 1), ("b", CredentialKind::ApiKey, 2), ("c", CredentialKind::Access, 3)]
        {
            world.store.put_credential(&credential(world, secret, kind, created)).await.unwrap();
        }
        let keys = world.store.api_keys(&world.tenant, 9).await.unwrap();
        assert_eq!(keys.iter().map(|key| key.name.as_str()).collect::<Vec<_>>(), ["b", "a"]);
        assert!(world.store.api_keys(&"other".into(), 9).await.unwrap().is_empty());
    })
    .await;
}

#[tokio::test]
async fn an_application_is_replaced_by_its_client_id() {
    each(async |world| {
        let mut application = Application {
            client_id: "app".into(),
            secret: Some(CredentialId::of("s")),
            tenant: world.tenant.clone(),
            name: "App".into(),
            redirect_uris: vec!["http://localhost/".into()],
            grants: Grants::user(),
            created: at(0),
            description: Some("d".into()),
            extra: Opaque::from([("kept".to_owned(), json!({"a": 1}))]),
        };
        world.store.put_application(&application).await.unwrap();
        application.name = "Renamed".into();
        world.store.put_application(&application).await.unwrap();
        assert_eq!(world.store.application("app").await.unwrap(), Some(application.clone()));
        assert_eq!(world.store.applications(&world.tenant, None, 9).await.unwrap(), [application]);
    })
    .await;
}

#[tokio::test]
async fn with_an_application_goes_what_was_issued_through_it_and_nothing_else() {
    each(async |world| {
        let application = Application {
            client_id: "app".into(),
            secret: None,
            tenant: world.tenant.clone(),
            name: "App".into(),
            redirect_uris: Vec::new(),
            grants: Grants::user(),
            created: at(0),
            description: Some("d".into()),
            extra: Opaque::from([("kept".to_owned(), json!({"a": 1}))]),
        };
        world.store.put_application(&application).await.unwrap();
        let (one, two) =
            (credential(world, "1", CredentialKind::Access, 0), credential(world, "2", CredentialKind::Refresh, 0));
        let other_client = Credential { client: "other".into(), ..credential(world, "3", CredentialKind::Access, 0) };
        let other_tenant = Credential { tenant: "other".into(), ..credential(world, "4", CredentialKind::Access, 0) };
        for credential in [&one, &two, &other_client, &other_tenant] {
            world.store.put_credential(credential).await.unwrap();
        }
        let revoked = async |of: &Credential| world.store.credential(&of.id).await.unwrap().unwrap().revoked;
        assert!(!world.store.remove_application(&"other".into(), "app", at(1)).await.unwrap());
        assert_eq!((revoked(&one).await, revoked(&other_tenant).await), (None, None));
        assert!(world.store.remove_application(&world.tenant, "app", at(2)).await.unwrap());
        assert_eq!(world.store.application("app").await.unwrap(), None);
        assert_eq!((revoked(&one).await, revoked(&two).await), (Some(at(2)), Some(at(2))));
        assert_eq!((revoked(&other_client).await, revoked(&other_tenant).await), (None, None));
        assert!(!world.store.remove_application(&world.tenant, "app", at(3)).await.unwrap());
    })
    .await;
}

#[tokio::test]
async fn the_first_shared_secret_stands() {
    each(async |world| {
        assert_eq!(world.store.shared_secret("pages", [7; 32]).await.unwrap(), [7; 32]);
        assert_eq!(world.store.shared_secret("pages", [8; 32]).await.unwrap(), [7; 32]);
        assert_eq!(world.store.shared_secret("other", [0xab; 32]).await.unwrap(), [0xab; 32]);
    })
    .await;
}

#[tokio::test]
async fn a_credential_is_switched_off_and_on_until_it_is_revoked() {
    each(async |world| {
        let key = credential(world, "k", CredentialKind::ApiKey, 0);
        world.store.put_credential(&key).await.unwrap();
        let enabled = async || world.store.credential(&key.id).await.unwrap().unwrap().enabled;
        assert!(world.store.enable_credential(&key.id, false).await.unwrap());
        assert!(!enabled().await);
        assert!(world.store.enable_credential(&key.id, true).await.unwrap());
        assert!(enabled().await);
        world.store.revoke_credential(&key.id, at(1)).await.unwrap();
        assert!(!world.store.enable_credential(&key.id, true).await.unwrap());
        assert!(!world.store.enable_credential(&CredentialId::of("nobody"), true).await.unwrap());
    })
    .await;
}

#[tokio::test]
async fn keys_that_are_good_are_walked_in_the_order_they_were_made() {
    each(async |world| {
        for (secret, created) in [("a", 1), ("b", 2), ("c", 2), ("d", 3)] {
            world.store.put_credential(&credential(world, secret, CredentialKind::ApiKey, created)).await.unwrap();
        }
        world.store.revoke_credential(&CredentialId::of("d"), at(4)).await.unwrap();
        let all = world.store.live_api_keys(&world.tenant, None, 9).await.unwrap();
        assert_eq!(all.iter().map(|key| key.created).collect::<Vec<_>>(), [at(1), at(2), at(2)]);
        let mut walked = Vec::new();
        let mut after = None;
        while let [key] = world.store.live_api_keys(&world.tenant, after.as_ref(), 1).await.unwrap().as_slice() {
            after = Some((key.created, key.id.clone()));
            walked.push(key.clone());
        }
        assert_eq!(walked, all);
    })
    .await;
}

#[tokio::test]
async fn a_key_is_found_by_the_first_digits_of_its_id() {
    each(async |world| {
        let key = credential(world, "a", CredentialKind::ApiKey, 1);
        let token = credential(world, "b", CredentialKind::Access, 1);
        for one in [&key, &token] {
            world.store.put_credential(one).await.unwrap();
        }
        let found =
            async |tenant: &str, digits: &str| world.store.api_keys_beginning(&tenant.into(), digits).await.unwrap();
        let tenant = world.tenant.as_str();
        assert_eq!(found(tenant, &key.id.0[..16]).await, std::slice::from_ref(&key));
        assert_eq!(found(tenant, &key.id.0).await.len(), 1);
        assert!(found("other", &key.id.0).await.is_empty());
        assert!(found(tenant, &token.id.0).await.is_empty());
    })
    .await;
}

#[tokio::test]
async fn an_application_that_is_gone_is_not_brought_back_by_a_change() {
    each(async |world| {
        let application = Application {
            client_id: "app".into(),
            secret: None,
            tenant: world.tenant.clone(),
            name: "App".into(),
            redirect_uris: Vec::new(),
            grants: Grants::user(),
            created: at(0),
            description: None,
            extra: Opaque::new(),
        };
        assert!(!world.store.update_application(&application).await.unwrap());
        world.store.put_application(&application).await.unwrap();
        let renamed = Application { name: "Renamed".into(), ..application.clone() };
        assert!(world.store.update_application(&renamed).await.unwrap());
        let elsewhere = Application { tenant: "other".into(), ..application };
        assert!(!world.store.update_application(&elsewhere).await.unwrap());
        assert_eq!(world.store.application("app").await.unwrap(), Some(renamed));
        assert!(world.store.applications(&world.tenant, Some("app"), 9).await.unwrap().is_empty());
    })
    .await;
}
