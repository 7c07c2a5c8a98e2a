//! Runs stages side by side where they allow it, and reports them one by one in their own order.

use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

use crate::run::Outcome;
use crate::stages::{Beside, Stage};

/// How many stages may run at once: one more than there are cores, since a stage waits for part of its time.
pub fn slots() -> usize {
    thread::available_parallelism().map_or(1, usize::from) + 1
}

/// How far a stage is.
enum State {
    Waiting,
    Running,
    /// Over; with what is still to be reported.
    Over {
        passed: bool,
        unreported: Option<(Outcome, Duration)>,
    },
}

/// Runs every stage by `work`, at most `slots` at once and each after the stages it needs, which stand before it. `report`
/// hears of each with the time that it took, in the order of `stages`. An error only if a stage could not be tried.
pub fn run(
    stages: &[&Stage],
    slots: usize,
    work: impl Fn(&Stage) -> Result<Outcome> + Sync,
    mut report: impl FnMut(&Stage, Outcome, Duration),
) -> Result<()> {
    let (sender, ended) = mpsc::channel();
    let mut states: Vec<State> = stages.iter().map(|_| State::Waiting).collect();
    let mut reported = 0;
    thread::scope(|scope| {
        while reported < stages.len() {
            while let Some(next) = next(stages, &mut states, slots) {
                let (sender, stage, work) = (sender.clone(), stages[next], &work);
                states[next] = State::Running;
                scope.spawn(move || {
                    let began = Instant::now();
                    // The receiver is gone only if another stage ended the run.
                    _ = sender.send((next, work(stage), began.elapsed()));
                });
            }
            while let Some(State::Over { unreported, .. }) = states.get_mut(reported) {
                if let Some((outcome, took)) = unreported.take() {
                    report(stages[reported], outcome, took);
                }
                reported += 1;
            }
            if reported < stages.len() {
                let (index, outcome, took) = ended.recv().context("a stage runs")?;
                let outcome = outcome?;
                states[index] = State::Over { passed: outcome.passed, unreported: Some((outcome, took)) };
            }
        }
        Ok(())
    })
}

/// The next stage that may start. Those that need one that failed are over without having run.
fn next(stages: &[&Stage], states: &mut [State], slots: usize) -> Option<usize> {
    let at = |name: &str| stages.iter().position(|stage| stage.name == name);
    let running: Vec<Beside> = stages
        .iter()
        .zip(&*states)
        .filter(|(_, state)| matches!(state, State::Running))
        .map(|(s, _)| s.beside)
        .collect();
    if running.len() >= slots || running.contains(&Beside::Nothing) {
        return None;
    }
    for (index, stage) in stages.iter().enumerate() {
        if !matches!(states[index], State::Waiting) {
            continue;
        }
        let mut ready = true;
        let mut failed = None;
        for need in stage.needs {
            match at(need).map(|need| &states[need]) {
                Some(State::Over { passed: false, .. }) => failed = Some(need),
                Some(State::Over { .. }) | None => {}
                Some(State::Waiting | State::Running) => ready = false,
            }
        }
        if let Some(need) = failed {
            states[index] = State::Over { passed: false, unreported: Some((Outcome::not_run(need), Duration::ZERO)) };
        } else if ready {
            match stage.beside {
                Beside::All => return Some(index),
                Beside::NoCargo if !running.contains(&Beside::NoCargo) => return Some(index),
                Beside::NoCargo => {}
                // What stands behind it waits too, or it might never be alone.
                Beside::Nothing => return running.is_empty().then_some(index),
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::tally::Tally;

    const fn stage(name: &'static str, needs: &'static [&'static str], beside: Beside) -> Stage {
        Stage { name, about: "", needs, beside, command: &[], env: &[], limit: Duration::ZERO }
    }

    const STAGES: [Stage; 6] = [
        stage("first", &[], Beside::NoCargo),
        stage("second", &[], Beside::NoCargo),
        stage("alone", &["first"], Beside::Nothing),
        stage("broken", &[], Beside::All),
        stage("hopeless", &["broken"], Beside::All),
        stage("last", &["first"], Beside::All),
    ];

    type Name = &'static str;

    /// What was started, each with what ran already.
    type Starts = Vec<(Name, Vec<Name>)>;

    /// Runs them with this many slots: what was reported, and what was started.
    fn run_all(slots: usize) -> (Vec<(Name, bool)>, Starts) {
        let running = Mutex::new(Vec::new());
        let starts = Mutex::new(Vec::new());
        let mut reported = Vec::new();
        let name_of = |stage: &Stage| STAGES.iter().find(|other| other.name == stage.name).unwrap().name;
        let work = |stage: &Stage| {
            let name = name_of(stage);
            {
                let mut running = running.lock().unwrap();
                starts.lock().unwrap().push((name, running.clone()));
                running.push(name);
            }
            thread::yield_now();
            running.lock().unwrap().retain(|other| *other != name);
            let passed = name != "broken";
            Ok(Outcome { passed, tally: Tally::default(), note: String::new(), tail: None })
        };
        let all: Vec<&Stage> = STAGES.iter().collect();
        run(&all, slots, work, |stage, outcome, _| reported.push((name_of(stage), outcome.passed))).unwrap();
        (reported, starts.into_inner().unwrap())
    }

    #[test]
    fn stages_are_reported_in_their_order_and_those_that_need_a_failed_one_do_not_run() {
        for slots in 1..4 {
            let (reported, starts) = run_all(slots);
            let names = ["first", "second", "alone", "broken", "hopeless", "last"];
            assert_eq!(reported, names.map(|name| (name, name != "broken" && name != "hopeless")));
            assert!(starts.iter().all(|(name, _)| *name != "hopeless"));
        }
    }

    #[test]
    fn what_wants_to_be_alone_is_and_cargo_runs_once_at_a_time() {
        for _ in 0..50 {
            let (_, starts) = run_all(3);
            for (name, beside) in starts {
                assert!(beside.len() < 3);
                assert!(name != "alone" || beside.is_empty(), "{beside:?}");
                assert!(!beside.contains(&"alone"));
                assert!(
                    !(["first", "second"].contains(&name) && beside.iter().any(|n| ["first", "second"].contains(n)))
                );
            }
        }
    }
}
