//! Slices of lists whose order never changes: which way an index is read, between which places, and how what was read
//! becomes the piece that was asked for.

use std::fmt::Display;

use sederunt_core::clock::Time;
use sederunt_core::page::{Order, Slice, Sliced};
use sederunt_core::session::Owner;

use crate::driver::{Params, params};

/// A place in a list, as its statements bind it.
pub(crate) trait Place: Copy {
    /// Ahead of every place.
    fn first() -> Params;
    /// Behind every place.
    fn last() -> Params;
    /// This place.
    fn bound(self) -> Params;
}

impl<Id: Copy + Display> Place for (Time, Id) {
    fn first() -> Params {
        params![i64::MIN, ""]
    }

    fn last() -> Params {
        // Text that sorts after all hexadecimal digits.
        params![i64::MAX, "~"]
    }

    fn bound(self) -> Params {
        params![self.0.nanos(), self.1.to_string()]
    }
}

impl Place for u32 {
    fn first() -> Params {
        params![-1i64]
    }

    fn last() -> Params {
        params![i64::MAX]
    }

    fn bound(self) -> Params {
        params![self]
    }
}

/// How a slice is read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reading<P> {
    /// Above this place.
    pub(crate) low: Option<P>,
    /// Below this place.
    pub(crate) high: Option<P>,
    /// Whether the greatest place comes first.
    pub(crate) descending: bool,
    /// Whether what is read comes the other way round.
    reversed: bool,
    limit: u32,
}

impl<P: Copy> Reading<P> {
    pub(crate) fn of(slice: &Slice<P>) -> Self {
        let newest_first = slice.order == Order::NewestFirst;
        let (low, high) = if newest_first { (slice.before, slice.after) } else { (slice.after, slice.before) };
        // The last entries ahead of a place are read from there, away from it.
        let reversed = slice.before.is_some() && slice.after.is_none();
        Self { low, high, descending: newest_first != reversed, reversed, limit: slice.limit }
    }

    /// How many entries are read: one more than wanted, to know whether there are more.
    pub(crate) fn wanted(&self) -> u32 {
        self.limit.saturating_add(1)
    }

    /// Of a statement in both directions, ascending first, the one to run.
    pub(crate) fn choose(&self, statements: [&'static str; 2]) -> &'static str {
        let [ascending, descending] = statements;
        if self.descending { descending } else { ascending }
    }

    /// The piece that was asked for, of the entries that were read.
    pub(crate) fn sliced<T>(&self, mut read: Vec<T>) -> Sliced<T> {
        let most = self.limit as usize;
        let more = read.len() > most;
        read.truncate(most);
        if self.reversed {
            read.reverse();
        }
        Sliced { items: read, more }
    }
}

impl<P: Place> Reading<P> {
    /// The lower bound, then the upper one.
    pub(crate) fn bounds(&self) -> Params {
        let mut bounds = self.low.map_or_else(P::first, P::bound);
        bounds.extend(self.high.map_or_else(P::last, P::bound));
        bounds
    }
}

/// Whose rows a statement finds that goes by another index than the owner's: `owned!`'s three parameters.
pub(crate) fn owners(owner: Option<&Owner>) -> Params {
    match owner {
        None => params!["", "", ""],
        Some(Owner { user, end_users: false }) => params![user.as_str(), "", ""],
        // All names that begin with the user's and the mark; '0' is the character after it.
        Some(Owner { user, end_users: true }) => {
            params![user.as_str(), user.behind("").as_str(), format!("{}0", user.as_str())]
        }
    }
}

/// Whether a row is one of [`owners`], whose parameters are named.
macro_rules! owned {
    ($column:literal, $user:literal, $from:literal, $until:literal) => {
        concat!(
            "(",
            $user,
            " = '' or ",
            $column,
            " = ",
            $user,
            " or (",
            $column,
            " > ",
            $from,
            " and ",
            $column,
            " < ",
            $until,
            "))"
        )
    };
}
pub(crate) use owned;

#[cfg(test)]
mod tests {
    use super::*;

    fn slice(order: Order, after: Option<u32>, before: Option<u32>) -> Slice<u32> {
        Slice { order, after, before, limit: 2 }
    }

    #[test]
    fn a_slice_is_read_from_the_end_that_it_hangs_on() {
        use Order::{NewestFirst, OldestFirst};
        for (slice, bounds, descending) in [
            (slice(OldestFirst, Some(3), None), params![3u32, i64::MAX], false),
            (slice(OldestFirst, None, Some(7)), params![-1i64, 7u32], true),
            (slice(NewestFirst, Some(7), None), params![-1i64, 7u32], true),
            (slice(NewestFirst, None, Some(3)), params![3u32, i64::MAX], false),
            (slice(NewestFirst, Some(7), Some(3)), params![3u32, 7u32], true),
        ] {
            let reading = Reading::of(&slice);
            assert_eq!((reading.bounds(), reading.descending), (bounds, descending), "{slice:?}");
        }
    }

    #[test]
    fn what_was_read_backwards_is_turned_round() {
        let ahead_of = Reading::of(&slice(Order::OldestFirst, None, Some(9)));
        assert_eq!(ahead_of.sliced(vec![8, 7, 6]), Sliced { items: vec![7, 8], more: true });
        assert_eq!(ahead_of.sliced(vec![8]), Sliced { items: vec![8], more: false });
    }
}
