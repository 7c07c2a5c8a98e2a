//! Instructions and their versions.

use sederunt_core::error::Conflict;
use sederunt_core::id::InstructionId;
use sederunt_core::instruction::{Instruction, Syntax};
use serde_json::json;

use crate::world::{World, at, conflict, each};

fn instruction(world: &World, id: u128, name: &str) -> Instruction {
    Instruction {
        tenant: world.tenant.clone(),
        id: InstructionId(uuid::Uuid::from_u128(id)),
        version: 1,
        name: name.into(),
        description: Some("d".into()),
        syntax: Syntax::Velocity,
        template: "Hello $agent.name".into(),
        metadata: json!({"a": [1]}).as_object().unwrap().clone(),
        enabled: true,
        created: at(1),
        updated: at(1),
    }
}

#[tokio::test]
async fn each_change_is_a_version_and_the_last_one_stands() {
    each(async |world| {
        let first = instruction(world, 1, "tone");
        world.store.insert_instruction(&first).await.unwrap();
        let next = Instruction { version: 2, name: "voice".into(), enabled: false, updated: at(2), ..first.clone() };
        world.store.insert_instruction_version(&next).await.unwrap();
        let get = async |version| world.store.instruction(&world.tenant, first.id, version).await.unwrap();
        assert_eq!(get(None).await, Some(next.clone()));
        assert_eq!((get(Some(1)).await, get(Some(2)).await), (Some(first.clone()), Some(next.clone())));
        assert_eq!(get(Some(3)).await, None);
        let stale = world.store.insert_instruction_version(&next).await;
        assert_eq!(conflict(stale), Conflict::Stale);
        assert_eq!(world.store.instruction(&"other".into(), first.id, None).await.unwrap(), None);
    })
    .await;
}

#[tokio::test]
async fn no_two_that_stand_have_one_name() {
    each(async |world| {
        let (tone, voice) = (instruction(world, 1, "tone"), instruction(world, 2, "voice"));
        for one in [&tone, &voice] {
            world.store.insert_instruction(one).await.unwrap();
        }
        let again = world.store.insert_instruction(&instruction(world, 3, "tone")).await;
        assert_eq!(conflict(again), Conflict::AlreadyExists);
        let taken = Instruction { version: 2, name: "voice".into(), ..tone.clone() };
        assert_eq!(conflict(world.store.insert_instruction_version(&taken).await), Conflict::AlreadyExists);
        let stands = world.store.instruction(&world.tenant, tone.id, None).await.unwrap();
        assert_eq!(stands, Some(tone.clone()), "what failed changed nothing");
        // A name that was given up is free.
        let renamed = Instruction { version: 2, name: "style".into(), ..tone };
        world.store.insert_instruction_version(&renamed).await.unwrap();
        world.store.insert_instruction(&instruction(world, 3, "tone")).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_list_shows_each_once_as_it_stands() {
    each(async |world| {
        for id in 1..=3 {
            world.store.insert_instruction(&instruction(world, id, &format!("n{id}"))).await.unwrap();
        }
        let next = Instruction { version: 2, ..instruction(world, 2, "n2") };
        world.store.insert_instruction_version(&next).await.unwrap();
        let list = async |after, limit| {
            let found = world.store.instructions(&world.tenant, after, limit).await.unwrap();
            found.into_iter().map(|one| (one.name, one.version)).collect::<Vec<_>>()
        };
        let all = [("n1", 1), ("n2", 2), ("n3", 1)].map(|(name, version)| (name.to_owned(), version));
        assert_eq!(list(None, 9).await, all);
        assert_eq!(list(Some(next.id), 9).await, all[2..]);
        assert_eq!(list(None, 1).await, all[..1]);
        assert!(world.store.instructions(&"other".into(), None, 9).await.unwrap().is_empty());
    })
    .await;
}

#[tokio::test]
async fn the_version_that_stands_goes_only_with_the_whole() {
    each(async |world| {
        let first = instruction(world, 1, "tone");
        world.store.insert_instruction(&first).await.unwrap();
        let next = Instruction { version: 2, ..first.clone() };
        world.store.insert_instruction_version(&next).await.unwrap();
        let delete =
            async |version| world.store.delete_instruction_version(&world.tenant, first.id, version).await.unwrap();
        assert!(!delete(2).await && delete(1).await && !delete(1).await);
        assert_eq!(world.store.instruction(&world.tenant, first.id, Some(1)).await.unwrap(), None);
        assert!(!world.store.delete_instruction(&"other".into(), first.id).await.unwrap());
        assert!(world.store.delete_instruction(&world.tenant, first.id).await.unwrap());
        assert!(!world.store.delete_instruction(&world.tenant, first.id).await.unwrap());
        assert_eq!(world.store.instruction(&world.tenant, first.id, None).await.unwrap(), None);
    })
    .await;
}
