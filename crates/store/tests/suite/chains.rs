//! Turns that stand for themselves: chains that fork, turns that are deleted one by one, and lists across sessions.

use sederunt_core::error::{Conflict, Kind};
use sederunt_core::id::TurnId;
use sederunt_core::page::{Order, Slice};
use sederunt_core::session::Owner;
use sederunt_core::store::{Accept, Finish, Keyed, RequestKey};
use sederunt_core::turn::{Ending, Recording, Turn, TurnFilter, TurnKind};

use crate::world::{HOUR, World, at, conflict, each, missing, newest, owner, parts};

fn everything(world: &World) -> TurnFilter {
    let tenant = world.tenant.clone();
    TurnFilter { tenant, owner: Some(owner("alice")), agent: None, version: None, conversation: None }
}

async fn listed(world: &World, filter: &TurnFilter) -> Vec<TurnId> {
    let slice = Slice { order: Order::OldestFirst, ..newest(None, 99) };
    let found = world.store.turns_by_created(filter, &slice).await.unwrap();
    found.items.iter().map(|record| record.turn.id).collect()
}

async fn line(world: &World, head: TurnId) -> Vec<(TurnId, usize)> {
    let line = world.store.line(&world.tenant, head, 99).await.unwrap();
    line.iter().map(|record| (record.turn.id, record.items.len())).collect()
}

#[tokio::test]
async fn a_chain_goes_on_and_forks_at_any_kept_turn() {
    each(async |world| {
        let agent = world.agent("helper").await;
        let root = world.run(&world.alone(&agent, None, "one", at(1)), at(2)).await;
        assert_eq!((root.session, root.number, root.kept), (None, None, true));
        let left = world.alone(&agent, Some(root.id), "two", at(3));
        let right = world.alone(&agent, Some(root.id), "three", at(3));
        for fork in [&left, &right] {
            world.store.accept_turn(fork).await.unwrap();
        }
        let on_running = world.alone(&agent, Some(left.turn.id), "four", at(4));
        assert_eq!(missing(world.store.accept_turn(&on_running).await), Kind::Turn);
        for fork in [&left, &right] {
            world.store.finish_turn(&world.finish(fork, "fine", at(5))).await.unwrap();
            assert_eq!(line(world, fork.turn.id).await, [(root.id, 2), (fork.turn.id, 2)]);
        }
    })
    .await;
}

#[tokio::test]
async fn a_deleted_turn_is_nowhere_and_lines_still_go_through_it() {
    each(async |world| {
        let agent = world.agent("helper").await;
        let session = world.session(&agent, at(0)).await;
        let mut kept = Vec::new();
        for n in 1..=4 {
            kept.push(world.talk(&session, "hi", at(n)).await);
        }
        let delete = async |turn: TurnId| world.store.delete_turn(&world.tenant, turn, at(9)).await;
        assert!(delete(kept[1].id).await.unwrap());
        assert!(!delete(kept[1].id).await.unwrap());
        assert_eq!(world.store.turn(&world.tenant, kept[1].id).await.unwrap(), None);
        assert_eq!(world.read(&session).await.unwrap().turns, 3);
        let page = async |after, limit| {
            let found = world.store.turns(&world.tenant, session.id, after, limit).await.unwrap();
            assert!(found.iter().all(|record| record.items.len() == 2));
            found.iter().map(|record| record.turn.number.unwrap()).collect::<Vec<_>>()
        };
        assert_eq!((page(0, 2).await, page(3, 2).await), (vec![1, 3], vec![4]), "a page is full in spite of the gap");
        assert_eq!(world.store.all_turns(&world.tenant, session.id, None, 9).await.unwrap().len(), 3);
        let empty = (kept[1].id, 0);
        assert_eq!(line(world, kept[3].id).await, [(kept[0].id, 2), empty, (kept[2].id, 2), (kept[3].id, 2)]);
        assert_eq!(world.rows("items"), 6, "nothing is left of what it said");

        let after = world.alone(&agent, Some(kept[1].id), "on", at(10));
        assert_eq!(missing(world.store.accept_turn(&after).await), Kind::Turn);
        assert!(delete(kept[3].id).await.unwrap());
        let next = world.talk(&session, "on", at(11)).await;
        assert_eq!((next.parent, next.number), (Some(kept[3].id), Some(5)));
        assert_eq!(line(world, next.id).await.len(), 5);
    })
    .await;
}

#[tokio::test]
async fn a_turn_that_runs_is_not_deleted() {
    each(async |world| {
        let agent = world.agent("helper").await;
        let accept = world.alone(&agent, None, "hi", at(1));
        world.store.accept_turn(&accept).await.unwrap();
        let delete = async || world.store.delete_turn(&world.tenant, accept.turn.id, at(2)).await;
        assert_eq!(conflict(delete().await), Conflict::Busy);
        let parts = Some(parts(0, &["fi", "ne"]));
        world.store.finish_turn(&Finish { parts, ..world.finish(&accept, "fine", at(3)) }).await.unwrap();
        assert!(delete().await.unwrap());
        assert_eq!(["items", "parts"].map(|table| world.rows(table)), [0, 0]);
        assert!(!world.store.delete_turn(&world.tenant, TurnId(world.uuid()), at(4)).await.unwrap());
    })
    .await;
}

#[tokio::test]
async fn what_a_deleted_turn_said_stays_in_its_conversation_as_long_as_that() {
    each(async |world| {
        let agent = world.agent("helper").await;
        let talk = world.conversation(at(0)).await;
        let session = world.session(&agent, at(0)).await;
        let first = world.run(&world.say(&talk, &agent, Some(&session), at(1)), at(2)).await;
        let failed = world.say(&talk, &agent, Some(&session), at(3));
        world.store.accept_turn(&failed).await.unwrap();
        world.store.finish_turn(&Finish { kept: false, ..world.finish(&failed, "half", at(4)) }).await.unwrap();
        for turn in [first.id, failed.turn.id] {
            assert!(world.store.delete_turn(&world.tenant, turn, at(5)).await.unwrap());
            assert_eq!(world.store.turn(&world.tenant, turn).await.unwrap(), None);
        }
        assert_eq!((world.texts(&talk).await, world.rows("items")), (vec!["hi".to_owned(), "fine".to_owned()], 2));
        let second = world.run(&world.say(&talk, &agent, Some(&session), at(6)), at(7)).await;
        assert_eq!(line(world, second.id).await, [(first.id, 2), (second.id, 2)]);
        world.store.delete_conversation(&world.tenant, talk.id, at(8)).await.unwrap();
        world.sweep(at(9)).await;
        assert_eq!(line(world, second.id).await, [(first.id, 0), (second.id, 2)]);
    })
    .await;
}

#[tokio::test]
async fn the_row_of_a_deleted_turn_goes_once_nothing_follows_it_and_its_place_is_forgotten() {
    each(async |world| {
        let agent = world.agent("helper").await;
        let talk = world.conversation(at(0)).await;
        let said = world.run(&world.say(&talk, &agent, None, at(1)), at(1)).await;
        let middle = world.run(&world.alone(&agent, Some(said.id), "two", at(2)), at(2)).await;
        let leaf = world.run(&world.alone(&agent, Some(middle.id), "three", at(3)), at(3)).await;
        world.store.delete_conversation(&world.tenant, talk.id, at(4)).await.unwrap();
        world.store.delete_turn(&world.tenant, middle.id, at(4)).await.unwrap();
        world.sweep(at(5).plus(HOUR)).await;
        assert_eq!(world.store.turn(&world.tenant, said.id).await.unwrap(), None);
        assert_eq!(line(world, leaf.id).await, [(said.id, 2), (middle.id, 0), (leaf.id, 2)]);

        let later = at(10).plus(HOUR);
        world.store.delete_turn(&world.tenant, leaf.id, later).await.unwrap();
        world.sweep(later.plus(HOUR)).await;
        let place = async || world.store.turn_place(&world.tenant, leaf.id).await.unwrap();
        assert_eq!(place().await, Some((leaf.created, leaf.id)));
        let forgotten = later.plus(HOUR).plus(HOUR);
        world.sweep(forgotten).await;
        assert_eq!(place().await, None);
        world.sweep(forgotten).await;
        assert_eq!(["turns", "items", "conversations"].map(|table| world.rows(table)), [0, 0, 0]);
    })
    .await;
}

#[tokio::test]
async fn turns_are_listed_by_owner_agent_version_and_conversation() {
    each(async |world| {
        let (one, two) = (world.agent("one").await, world.agent("two").await);
        let talk = world.conversation(at(0)).await;
        let mut made = Vec::new();
        for (by, agent, version) in [("alice", &one, 1), ("alice/a", &two, 1), ("alice0", &one, 1), ("alice", &two, 2)]
        {
            let mut accept = world.alone(agent, None, "hi", at(1));
            (accept.turn.owner, accept.turn.version) = (by.into(), Some(version));
            made.push(world.run(&accept, at(2)).await.id);
        }
        made.push(world.run(&world.say(&talk, &one, None, at(1)), at(2)).await.id);
        let mut brought = world.say(&talk, &one, None, at(3));
        brought.turn.kind = TurnKind::Import;
        world.run(&brought, at(3)).await;
        let all = everything(world);
        assert_eq!(listed(world, &all).await, [made[0], made[3], made[4]], "what was only brought is absent");
        assert_eq!(listed(world, &TurnFilter { owner: None, ..all.clone() }).await, made);
        let end_users = Some(Owner { end_users: true, ..owner("alice") });
        let with_theirs = TurnFilter { owner: end_users, ..all.clone() };
        assert_eq!(listed(world, &with_theirs).await, [made[0], made[1], made[3], made[4]]);
        let of_two = TurnFilter { agent: Some(two.id), ..with_theirs.clone() };
        assert_eq!(listed(world, &of_two).await, [made[1], made[3]]);
        assert_eq!(listed(world, &TurnFilter { version: Some(2), ..of_two }).await, [made[3]]);
        assert_eq!(listed(world, &TurnFilter { agent: Some(one.id), ..all.clone() }).await, [made[0], made[4]]);
        let of_talk = TurnFilter { conversation: Some(talk.id), ..with_theirs };
        assert_eq!(listed(world, &of_talk).await, [made[4]]);
        assert!(listed(world, &TurnFilter { agent: Some(two.id), ..of_talk }).await.is_empty());
    })
    .await;
}

#[tokio::test]
async fn running_and_failed_turns_are_listed_and_unrecorded_ones_only_while_they_run() {
    each(async |world| {
        let agent = world.agent("helper").await;
        let failed = world.alone(&agent, None, "hi", at(1));
        world.store.accept_turn(&failed).await.unwrap();
        let end = Finish { kept: false, ending: Ending::Cancelled, ..world.finish(&failed, "half", at(2)) };
        world.store.finish_turn(&end).await.unwrap();
        let mut silent = Accept { input: vec![], ..world.alone(&agent, None, "", at(3)) };
        (silent.turn.recording, silent.turn.inputs) = (Recording::Nothing, 0);
        world.store.accept_turn(&silent).await.unwrap();
        let filter = everything(world);
        let found = world.store.turns_by_created(&filter, &newest(None, 9)).await.unwrap().items;
        let items: Vec<_> = found.iter().map(|record| (record.turn.id, record.items.len())).collect();
        assert_eq!(items, [(silent.turn.id, 0), (failed.turn.id, 2)]);
        assert_eq!(found[0].turn, Turn { parent: None, ..silent.turn.clone() }, "it reads back as it was accepted");
        let end = Finish { kept: false, output: vec![], ..world.finish(&silent, "", at(4)) };
        world.store.finish_turn(&end).await.unwrap();
        assert_eq!(listed(world, &filter).await, [failed.turn.id]);
        let place = world.store.turn_place(&world.tenant, silent.turn.id).await.unwrap();
        assert_eq!(place, Some((at(3), silent.turn.id)));
    })
    .await;
}

#[tokio::test]
async fn the_lists_of_many_agents_are_one_list() {
    each(async |world| {
        let mut made = Vec::new();
        for n in 0..40 {
            let agent = world.agent(&format!("a{n}")).await;
            made.push(world.run(&world.alone(&agent, None, "hi", at(100 - n)), at(100)).await.id);
        }
        let filter = everything(world);
        let (mut seen, mut after) = (Vec::new(), None);
        loop {
            let page = world.store.turns_by_created(&filter, &newest(after, 7)).await.unwrap();
            after = page.items.last().map(|record| (record.turn.created, record.turn.id));
            seen.extend(page.items.iter().map(|record| record.turn.id));
            if !page.more {
                break;
            }
        }
        assert_eq!(seen, made);
    })
    .await;
}

#[tokio::test]
async fn a_first_attempt_takes_its_key_over_and_a_later_one_joins_it() {
    each(async |world| {
        let agent = world.agent("helper").await;
        let asked = |first_attempt| {
            let mut accept = world.alone(&agent, None, "hi", at(1));
            let request = world.request("k", "body");
            accept.request = Some(RequestKey { first_attempt, ..request });
            accept
        };
        let [one, two, again] = [asked(true), asked(true), asked(false)];
        for first in [&one, &two] {
            let applied = Keyed::Applied(None);
            assert_eq!(world.store.accept_turn(first).await.unwrap(), applied);
            assert_eq!(world.store.accept_turn(first).await.unwrap(), applied, "the call itself, again");
        }
        let joined = world.store.accept_turn(&again).await.unwrap();
        assert_eq!(joined, Keyed::Replayed(two.turn.id.to_string()));
    })
    .await;
}
