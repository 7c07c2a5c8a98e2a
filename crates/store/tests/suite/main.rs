//! One suite for every engine behind the store port: each story runs on each engine.

#![expect(clippy::unwrap_used, clippy::panic, reason = "what goes wrong in a story fails it")]

mod agents;
mod ahead;
mod archive;
mod archive_text;
mod artifacts;
mod blobs;
mod chains;
mod conversations;
mod databases;
mod folders;
mod identity;
mod instructions;
mod items;
mod listing;
mod nodes;
mod open;
mod queues;
mod races;
mod records;
mod rests;
mod sessions;
mod slices;
mod turns;
mod upkeep;
mod walks;
mod walks_beside_writers;
mod world;
mod writing;
