//! Two clients in one session at once, in many random schedules: turns never interleave, each policy does what it
//! says, and the record is whole.

use std::collections::HashMap;

use sederunt_core::agent::WhenBusy;
use sederunt_core::error::{Conflict, Error, FaultKind};
use sederunt_core::id::TurnId;
use sederunt_core::item::ItemBody;
use sederunt_core::store::TurnStore as _;
use sederunt_core::turn::{Ending, NewTurn, OnFailure, TurnState};

use crate::dice::Dice;
use crate::world::{Call, Seat, World, aside, say, soon};

const SCHEDULES: u64 = 1_000;

/// What one client asked for, and what it was told.
struct Asked {
    text: String,
    policy: WhenBusy,
    told: Result<TurnId, Conflict>,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_clients_in_one_session_never_interleave_and_the_record_is_whole() {
    let world = World::new().await;
    let mut endings: HashMap<&str, u32> = HashMap::new();
    let mut refusals: HashMap<Conflict, u32> = HashMap::new();
    for seed in 0..SCHEDULES {
        let mut dice = Dice::new(seed);
        let seat = world.seat().await;
        let clients = ["a", "b"].map(|name| {
            let dice = Dice::new(dice.next());
            aside(client(name, seat.clone(), dice))
        });
        let asked = speak_until(&world, &mut dice, async {
            let mut asked = Vec::new();
            for client in clients {
                asked.extend(client.await.unwrap());
            }
            asked
        })
        .await;
        check(seed, &seat, &asked).await;
        for turn in states(&seat).await {
            if let TurnState::Ended { ending } = turn {
                *endings.entry(ending.word()).or_default() += 1;
            }
        }
        for refused in asked.iter().filter_map(|asked| asked.told.err()) {
            *refusals.entry(refused).or_default() += 1;
        }
    }
    // The schedules met everything that they are about.
    for ending in ["done", "failed", "interrupted_by_caller"] {
        assert!(endings.get(ending).is_some_and(|n| *n > 50), "{endings:?}");
    }
    for refusal in [Conflict::Busy, Conflict::Interrupted] {
        assert!(refusals.get(&refusal).is_some_and(|n| *n > 5), "{refusals:?}");
    }
}

/// Asks a few times, each under some policy, and waits for each answer.
async fn client(name: &str, seat: Seat, mut dice: Dice) -> Vec<Asked> {
    let mut asked = Vec::new();
    let mut answers = Vec::new();
    for n in 0..1 + dice.below(3) {
        linger(&mut dice).await;
        let text = format!("{name}{n}");
        let policy = *dice.pick(&[WhenBusy::Reject, WhenBusy::Queue, WhenBusy::Interrupt, WhenBusy::Steer]);
        let on_failure = *dice.pick(&[OnFailure::Discard, OnFailure::Keep]);
        let new = NewTurn { when_busy: Some(policy), on_failure, ..say(&text) };
        let told = match seat.start(new).await {
            Ok(started) => {
                // Some wait for their answer before they ask again, some do not.
                let turn = started.turn().id;
                match dice.below(3) {
                    0 => answers.push(started),
                    _ => _ = soon(started.outcome()).await,
                }
                Ok(turn)
            }
            Err(Error::Conflict { kind, .. }) => Err(kind),
            Err(other) => panic!("{text} {policy:?}: {other:?}"),
        };
        asked.push(Asked { text, policy, told });
    }
    for started in answers {
        soon(started.outcome()).await;
    }
    asked
}

/// The model speaks to whoever asks, until all clients have been answered and nothing runs.
async fn speak_until<T>(world: &World, dice: &mut Dice, clients: impl Future<Output = T>) -> T {
    tokio::pin!(clients);
    let over = loop {
        tokio::select! {
            asked = &mut clients => break asked,
            call = world.call_if_any() => answer(world, dice, call).await,
        }
    };
    soon(async {
        while world.app.running_turns() > 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    over
}

async fn answer(world: &World, dice: &mut Dice, call: Call) {
    for word in 0..dice.below(4) {
        call.text(&word.to_string());
        linger(dice).await;
        assert!(call.is_hung_up() || world.nothing_asked().await, "a second question while the first is open");
    }
    match dice.below(5) {
        0 => call.fault(FaultKind::Refused),
        _ => call.done(),
    }
}

async fn linger(dice: &mut Dice) {
    for _ in 0..dice.below(20) {
        tokio::task::yield_now().await;
    }
}

/// How each turn of the session stands, kept or not.
async fn states(seat: &Seat) -> Vec<TurnState> {
    let turns = seat.store.all_turns(&seat.caller.tenant, seat.session, None, 100).await.unwrap();
    turns.into_iter().map(|turn| turn.state).collect()
}

async fn check(seed: u64, seat: &Seat, asked: &[Asked]) {
    let session = seat.look().await;
    let record = seat.record().await;
    let n = u32::try_from(record.len()).unwrap();
    assert_eq!((session.turns, session.running), (n, 0), "seed {seed}");
    let numbers: Vec<_> = record.iter().map(|r| r.turn.number.unwrap()).collect();
    assert_eq!(numbers, (1..=n).collect::<Vec<_>>(), "seed {seed}");
    let parents: Vec<_> = record.iter().map(|r| r.turn.parent).collect();
    let before: Vec<_> = std::iter::once(None).chain(record.iter().map(|r| Some(r.turn.id))).collect();
    assert_eq!(parents, before[..record.len()], "seed {seed}");
    assert_eq!(session.last_turn, record.last().map(|r| r.turn.id), "seed {seed}");
    let items: Vec<_> = record.iter().flat_map(|r| &r.items).map(|item| item.number.unwrap()).collect();
    assert_eq!(items, (1..=session.items).collect::<Vec<_>>(), "seed {seed}");
    for pair in record.windows(2) {
        assert!(pair[0].turn.ended <= pair[1].turn.ended, "seed {seed}");
    }
    for Asked { text, policy, told } in asked {
        match told {
            Ok(turn) => {
                let turn = seat.stored(*turn).await;
                let said = turn
                    .items
                    .iter()
                    .filter(|item| matches!(&item.body, ItemBody::UserMessage { text: t } if t == text));
                // A turn that fails may not have heard yet what was steered into it.
                let failed = matches!(&turn.turn.state, TurnState::Ended { ending } if !ending.is_success());
                let times = said.count();
                assert!(times == 1 || (times == 0 && failed && *policy == WhenBusy::Steer), "seed {seed}: {text}");
            }
            Err(refused) => {
                let allowed = match policy {
                    WhenBusy::Reject => *refused == Conflict::Busy,
                    WhenBusy::Queue => *refused == Conflict::Interrupted,
                    WhenBusy::Interrupt | WhenBusy::Steer => false,
                };
                assert!(allowed, "seed {seed}: {text} {policy:?} was told {refused:?}");
            }
        }
    }
    let interrupts = asked.iter().filter(|asked| asked.policy == WhenBusy::Interrupt).count();
    let states = states(seat).await;
    let superseded = states.iter().filter(|s| matches!(s, TurnState::Ended { ending: Ending::Superseded })).count();
    assert!(superseded == 0 || interrupts > 0, "seed {seed}");
    let started: std::collections::HashSet<_> = asked.iter().filter_map(|asked| asked.told.ok()).collect();
    assert_eq!(states.len(), started.len(), "seed {seed}: no turn that nobody was told of");
}
