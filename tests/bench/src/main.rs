//! Measures the budgets of the design beside their yardsticks, in one run on one machine, and prints a table.

mod bare;
mod bench;
mod drive;
mod lines;
mod machine;
mod postgres;
mod raw;
mod report;
mod upstream;
mod world;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;
use sederunt_rig::server::binary_beside;

use bench::Bench;

/// Where data goes: beside what is built, since /tmp is memory on many machines.
const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/bench");

/// Measures the budgets beside their yardsticks.
#[derive(Debug, Parser)]
struct Args {
    /// Which lines; all unless named
    #[arg(value_enum)]
    lines: Vec<lines::Which>,
    /// The smallest run that touches everything; its numbers say nothing
    #[arg(long)]
    quick: bool,
    /// The server; the one that lies beside this program unless named
    #[arg(long, value_name = "PATH")]
    binary: Option<PathBuf>,
    /// Where data goes; must be on a disk that counts
    #[arg(long, default_value = FOLDER, value_name = "DIR")]
    folder: PathBuf,
    /// Leave the million sessions in the folder, or use those that are there
    #[arg(long)]
    keep: bool,
    /// Serve these bytes to every GET, and nothing else: the yardstick's process
    #[arg(long, hide = true, value_name = "BODY")]
    bare: Option<String>,
}

fn main() -> ExitCode {
    match run(Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: Args) -> Result<()> {
    if let Some(body) = args.bare {
        return bare::serve(body);
    }
    let binary = args.binary.map_or_else(binary_beside, Ok)?;
    let bench = Bench::new(binary, &args.folder, args.keep, args.quick)?;
    println!("{}\n", machine::describe());
    println!("{}", report::HEAD);
    for which in lines::Which::ALL.into_iter().filter(|which| args.lines.is_empty() || args.lines.contains(which)) {
        for line in which.measure(&bench)? {
            println!("{line}");
        }
    }
    println!("\nload at the end {}", machine::load());
    if args.quick {
        println!("(a quick run: these numbers say nothing)");
    }
    Ok(())
}
