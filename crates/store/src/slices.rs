//! Slices of lists whose order never changes: which way an index is read, between which places, and how what was read
//! becomes the piece that was asked for.

use std::cmp::Ordering;
use std::fmt::Display;

use sederunt_core::clock::Time;
use sederunt_core::conversation::ItemPlace;
use sederunt_core::page::{Order, Slice, Sliced};
use sederunt_core::session::Owner;

use crate::driver::{Params, params};

/// A place in a list, as its statements bind it.
pub(crate) trait Place: Copy + Ord {
    /// Ahead of every place.
    fn first() -> Params;
    /// Behind every place.
    fn last() -> Params;
    /// This place.
    fn bound(self) -> Params;
}

impl<Id: Copy + Ord + Display> Place for (Time, Id) {
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

impl Place for ItemPlace {
    fn first() -> Params {
        params![-1i64, -1i64]
    }

    fn last() -> Params {
        params![i64::MAX, i64::MAX]
    }

    fn bound(self) -> Params {
        params![self.0, self.1]
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

/// How a slice is read: from one place on, a limited number of rows, of which those up to another place are the slice.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reading<P> {
    /// Behind this place.
    near: Option<P>,
    /// Ahead of this one. No bound of a statement: the limit ends it, and two bounds would mislead the choice of an index.
    far: Option<P>,
    /// Whether the greatest place is read first.
    pub(crate) descending: bool,
    /// Whether what is read comes the other way round.
    reversed: bool,
    limit: u32,
}

impl<P: Place> Reading<P> {
    pub(crate) fn of(slice: &Slice<P>) -> Self {
        // The last entries ahead of a place are read from there, away from it.
        let reversed = slice.before.is_some() && slice.after.is_none();
        let (near, far) = if reversed { (slice.before, None) } else { (slice.after, slice.before) };
        let descending = (slice.order == Order::NewestFirst) != reversed;
        Self { near, far, descending, reversed, limit: slice.limit }
    }

    /// Of a statement in both directions, ascending first, the one to run.
    pub(crate) fn choose(&self, statements: [&'static str; 2]) -> &'static str {
        let [ascending, descending] = statements;
        if self.descending { descending } else { ascending }
    }

    /// Where reading begins, as it is bound.
    pub(crate) fn start(&self) -> Params {
        let end = || if self.descending { P::last() } else { P::first() };
        self.near.map_or_else(end, P::bound)
    }

    /// How many rows are read: one more than wanted, to know whether there are more.
    pub(crate) fn wanted(&self) -> u32 {
        self.limit.saturating_add(1)
    }

    /// The order in which places are read.
    pub(crate) fn order(&self, one: &P, other: &P) -> Ordering {
        if self.descending { other.cmp(one) } else { one.cmp(other) }
    }

    /// Where reading begins and ends at the latest.
    pub(crate) fn ends(&self) -> (Option<P>, Option<P>) {
        (self.near, self.far)
    }

    /// Whether a place lies between the two ends.
    pub(crate) fn holds(&self, place: &P) -> bool {
        self.near.is_none_or(|near| self.order(&near, place).is_lt())
            && self.far.is_none_or(|far| self.order(place, &far).is_lt())
    }

    /// The piece that was asked for, of the entries that were read.
    pub(crate) fn sliced<T>(&self, mut read: Vec<T>, place: impl Fn(&T) -> P) -> Sliced<T> {
        read.retain(|entry| self.holds(&place(entry)));
        let most = self.limit as usize;
        let more = read.len() > most;
        read.truncate(most);
        if self.reversed {
            read.reverse();
        }
        Sliced { items: read, more }
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
        for (slice, start, descending) in [
            (slice(OldestFirst, None, None), -1, false),
            (slice(OldestFirst, Some(3), None), 3, false),
            (slice(OldestFirst, None, Some(7)), 7, true),
            (slice(NewestFirst, Some(7), None), 7, true),
            (slice(NewestFirst, None, Some(3)), 3, false),
            (slice(NewestFirst, Some(7), Some(3)), 7, true),
        ] {
            let reading = Reading::of(&slice);
            assert_eq!((reading.start(), reading.descending), (params![i64::from(start)], descending), "{slice:?}");
        }
    }

    #[test]
    fn what_was_read_backwards_is_turned_round() {
        let ahead_of = Reading::of(&slice(Order::OldestFirst, None, Some(9)));
        assert_eq!(ahead_of.sliced(vec![8, 7, 6], |n| *n), Sliced { items: vec![7, 8], more: true });
        assert_eq!(ahead_of.sliced(vec![8], |n| *n), Sliced { items: vec![8], more: false });
    }

    #[test]
    fn what_lies_beyond_the_far_end_is_neither_shown_nor_more() {
        let between = Reading::of(&slice(Order::NewestFirst, Some(9), Some(5)));
        assert_eq!(between.sliced(vec![8, 6, 5], |n| *n), Sliced { items: vec![8, 6], more: false });
        assert_eq!(between.sliced(vec![8, 7, 6], |n| *n), Sliced { items: vec![8, 7], more: true });
    }
}
