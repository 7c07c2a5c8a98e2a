//! The whole server, in this process, on ports of its own: a module for each story.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on fails")]

mod applications;
mod azure;
mod azure_files;
mod azure_hostile;
mod azure_logs;
mod cli;
mod clock;
mod configuration;
mod control;
mod control_once;
mod data_directory;
mod development;
mod dice;
mod documentation;
mod durability;
mod ending;
mod engine;
mod engine_cancel;
mod engine_chains;
mod engine_compaction;
mod engine_conversations;
mod engine_descriptions;
mod engine_files;
mod engine_forms;
mod engine_journal;
mod engine_lanes;
mod engine_once;
mod engine_passages;
mod engine_recording;
mod engine_schedules;
mod engine_sessions;
mod engine_tools;
mod harness;
mod malformed;
mod nodes_wires;
mod palantir;
mod process;
mod safety;
mod schema;
mod secrets;
mod strands;
mod switches;
mod vectara;
mod world;
