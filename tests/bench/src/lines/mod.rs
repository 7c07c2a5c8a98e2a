//! The lines of the table: a file for each subject.

mod create;
mod filter;
mod first_part;
mod footprint;
mod get;
mod list;
mod postgres;
mod start;
mod streams;
mod turn;

use anyhow::Result;
use clap::ValueEnum;

use crate::bench::Bench;
use crate::report::Line;

/// Which lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Which {
    /// Read a session
    Get,
    /// Make a session
    Create,
    /// A turn
    Turn,
    /// List 100
    List,
    /// List 100 under a condition
    Filter,
    /// The first part of a streamed reply
    FirstPart,
    /// 1,000 streams that run, 10,000 that are held
    Streams,
    /// Start to ready
    Start,
    /// Memory and binary
    Footprint,
    /// Sessions, turns and lists on PostgreSQL, by one node and by three
    Postgres,
}

impl Which {
    /// All, in the order of the table.
    pub const ALL: [Self; 10] = [
        Self::Get,
        Self::Create,
        Self::List,
        Self::Filter,
        Self::Turn,
        Self::FirstPart,
        Self::Streams,
        Self::Start,
        Self::Footprint,
        Self::Postgres,
    ];

    /// Measures it.
    pub fn measure(self, bench: &Bench) -> Result<Vec<Line>> {
        match self {
            Self::Get => get::measure(bench),
            Self::Create => create::measure(bench),
            Self::Turn => turn::measure(bench),
            Self::List => list::measure(bench),
            Self::Filter => filter::measure(bench),
            Self::FirstPart => first_part::measure(bench),
            Self::Streams => streams::measure(bench),
            Self::Start => start::measure(bench),
            Self::Footprint => footprint::measure(bench),
            Self::Postgres => postgres::measure(bench),
        }
    }
}
