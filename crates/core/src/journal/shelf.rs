//! Where lines are kept: so many a session, so many bytes in all; the session that was least recently written gives way.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};

use tokio::sync::broadcast;

use super::{Following, LogLine};
use crate::id::{AgentId, SessionId, TenantId, TurnId};

/// The most lines of one session.
pub(super) const LINES: usize = 300;
/// The most sessions.
const SESSIONS: usize = 4_096;
/// The most bytes of all lines together, roughly.
const BYTES: usize = 16 << 20;

/// The lines of all sessions.
#[derive(Default)]
pub(super) struct Shelf {
    rings: HashMap<SessionId, Ring>,
    /// Sessions by when they were last written.
    order: BTreeMap<u64, SessionId>,
    clock: u64,
    bytes: usize,
}

/// The lines of one session.
#[derive(Default)]
struct Ring {
    lines: VecDeque<(Option<TurnId>, LogLine)>,
    followers: Option<broadcast::Sender<LogLine>>,
    /// Whose session it is; known once somebody has followed it.
    agent: Option<(TenantId, AgentId)>,
    /// Whether there is nothing before them that could be told again.
    whole: bool,
    written: u64,
}

impl Ring {
    fn is_followed(&self) -> bool {
        self.followers.as_ref().is_some_and(|followers| followers.receiver_count() > 0)
    }
}

impl Shelf {
    pub fn add(&mut self, session: SessionId, turn: Option<TurnId>, line: LogLine) {
        self.bytes += weight(&line);
        let ring = self.touch(session);
        match ring.followers.take() {
            Some(followers) if followers.send(line.clone()).is_ok() => ring.followers = Some(followers),
            // The last of them has gone.
            _ => {}
        }
        ring.lines.push_back((turn, line));
        if ring.lines.len() > LINES {
            let dropped = ring.lines.pop_front();
            self.bytes -= dropped.map_or(0, |(_, line)| weight(&line));
        }
        self.make_room();
    }

    pub fn is_whole(&self, session: SessionId) -> bool {
        self.rings.get(&session).is_some_and(|ring| ring.whole || ring.lines.len() >= LINES)
    }

    /// Puts lines before those there are, but for those of turns that have lines already.
    pub fn complete(&mut self, session: SessionId, before: Vec<(TurnId, LogLine)>) {
        let ring = self.touch(session);
        if ring.whole {
            return;
        }
        ring.whole = true;
        let known: HashSet<_> = ring.lines.iter().filter_map(|(turn, _)| *turn).collect();
        let room = LINES.saturating_sub(ring.lines.len());
        let mut added = 0;
        let missing = before.into_iter().rev().filter(|(turn, _)| !known.contains(turn)).take(room);
        for (turn, line) in missing {
            added += weight(&line);
            ring.lines.push_front((Some(turn), line));
        }
        self.bytes += added;
        self.make_room();
    }

    pub fn follow(
        &mut self,
        session: SessionId,
        agent: (TenantId, AgentId),
        behind: usize,
    ) -> (Vec<LogLine>, Following) {
        let ring = self.touch(session);
        ring.agent = Some(agent);
        let following = ring.followers.get_or_insert_with(|| broadcast::Sender::new(behind)).subscribe();
        (ring.lines.iter().map(|(_, line)| line.clone()).collect(), following)
    }

    pub fn forget(&mut self, session: SessionId) {
        if let Some(ring) = self.rings.remove(&session) {
            self.order.remove(&ring.written);
            self.bytes -= ring.lines.iter().map(|(_, line)| weight(line)).sum::<usize>();
        }
    }

    pub fn forget_agent(&mut self, tenant: &TenantId, agent: AgentId) {
        let is_theirs = |ring: &Ring| ring.agent.as_ref().is_some_and(|(of, id)| of == tenant && *id == agent);
        let theirs: Vec<_> = self.rings.iter().filter(|(_, ring)| is_theirs(ring)).map(|(id, _)| *id).collect();
        theirs.into_iter().for_each(|session| self.forget(session));
    }

    /// The session's ring, which is now the one last written.
    fn touch(&mut self, session: SessionId) -> &mut Ring {
        self.clock += 1;
        let ring = self.rings.entry(session).or_default();
        self.order.remove(&ring.written);
        ring.written = self.clock;
        self.order.insert(self.clock, session);
        ring
    }

    /// Lets sessions go, the least recently written first. One that is followed stays, but for its lines.
    fn make_room(&mut self) {
        let mut looks = self.rings.len();
        while (self.rings.len() > SESSIONS || self.bytes > BYTES) && looks > 1 {
            looks -= 1;
            let Some((_, session)) = self.order.pop_first() else { return };
            if self.rings.get(&session).is_some_and(Ring::is_followed) {
                let ring = self.touch(session);
                let freed = ring.lines.drain(..).map(|(_, line)| weight(&line)).sum::<usize>();
                self.bytes -= freed;
            } else {
                self.forget(session);
            }
        }
    }
}

/// Roughly how many bytes a line holds.
fn weight(line: &LogLine) -> usize {
    size_of::<(Option<TurnId>, LogLine)>() + line.message.len()
}

#[cfg(test)]
mod tests {
    use tokio::sync::broadcast::error::TryRecvError;
    use uuid::Uuid;

    use super::*;
    use crate::clock::Time;
    use crate::journal::Stream;

    fn line(message: &str) -> LogLine {
        LogLine { at: Time::from_nanos(0), stream: Stream::Stdout, turn: None, message: message.into() }
    }

    fn session(n: u128) -> SessionId {
        SessionId(Uuid::from_u128(n))
    }

    fn agent(tenant: &str, n: u128) -> (TenantId, AgentId) {
        (tenant.into(), AgentId(Uuid::from_u128(n)))
    }

    fn messages(shelf: &mut Shelf, of: SessionId) -> Vec<String> {
        shelf.follow(of, agent("a", 1), 1).0.into_iter().map(|line| line.message).collect()
    }

    #[test]
    fn a_session_keeps_its_last_lines_only() {
        let mut shelf = Shelf::default();
        for n in 0..LINES + 5 {
            shelf.add(session(1), None, line(&n.to_string()));
        }
        let kept = messages(&mut shelf, session(1));
        assert_eq!((kept.len(), kept.first().unwrap().as_str()), (LINES, "5"));
    }

    #[test]
    fn the_session_least_recently_written_gives_way_unless_it_is_followed() {
        let mut shelf = Shelf::default();
        for n in 0..SESSIONS as u128 {
            shelf.add(session(n), None, line("x"));
        }
        let (_, mut following) = shelf.follow(session(0), agent("a", 1), 4);
        for n in 0..2 {
            shelf.add(session(SESSIONS as u128 + n), None, line("y"));
        }
        assert_eq!(shelf.rings.len(), SESSIONS);
        assert!(!shelf.rings.contains_key(&session(1)));
        shelf.add(session(0), None, line("still there"));
        assert_eq!(following.try_recv().unwrap().message, "still there");
    }

    #[test]
    fn who_follows_a_deleted_agent_s_session_is_told_that_it_is_over() {
        let mut shelf = Shelf::default();
        let mut followings = [(1, "a", 1), (2, "a", 2), (3, "b", 1)]
            .map(|(n, tenant, of)| shelf.follow(session(n), agent(tenant, of), 1).1);
        shelf.forget_agent(&"a".into(), AgentId(Uuid::from_u128(1)));
        let is_over = followings.each_mut().map(|following| following.try_recv() == Err(TryRecvError::Closed));
        assert_eq!(is_over, [true, false, false]);
    }

    #[test]
    fn bytes_are_bounded_over_all_sessions_and_given_back() {
        let mut shelf = Shelf::default();
        let long = "x".repeat(1_024);
        for n in 0..200 {
            for _ in 0..LINES {
                shelf.add(session(n), None, line(&long));
            }
        }
        assert!(shelf.bytes <= BYTES && shelf.rings.len() < 200);
        for n in 0..200 {
            shelf.forget(session(n));
        }
        assert_eq!((shelf.bytes, shelf.order.len()), (0, 0));
    }

    #[test]
    fn what_the_record_knows_comes_before_and_no_turn_twice() {
        let turn = |n| TurnId(Uuid::from_u128(n));
        let mut shelf = Shelf::default();
        shelf.add(session(1), Some(turn(2)), line("two"));
        assert!(!shelf.is_whole(session(1)));
        shelf.complete(session(1), vec![(turn(1), line("one")), (turn(2), line("two again"))]);
        assert!(shelf.is_whole(session(1)));
        assert_eq!(messages(&mut shelf, session(1)), ["one", "two"]);
    }
}
