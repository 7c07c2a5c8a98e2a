//! The stages of the test command, in order, and the one line that each prints.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Result, bail};

use crate::install;
use crate::run;
use crate::schedule;
use crate::tally::Tally;

/// One step of the test command: a program whose exit code says whether what `about` says is true.
pub struct Stage {
    /// What it is called on the command line.
    pub name: &'static str,
    /// What is true if it passes.
    pub about: &'static str,
    /// Stages without whose success it would say nothing.
    pub needs: &'static [&'static str],
    /// What may run meanwhile.
    pub beside: Beside,
    /// The program and its arguments.
    pub command: &'static [&'static str],
    /// Environment added to ours.
    pub env: &'static [(&'static str, &'static str)],
    /// The longest it may take.
    pub limit: Duration,
}

/// What may run at the same time as a stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beside {
    /// Whatever else may: it mostly waits, and has files and ports of its own.
    All,
    /// All but another of these: it holds cargo's lock.
    NoCargo,
    /// Nothing: it keeps every core busy, or measures time.
    Nothing,
}

const fn minutes(n: u64) -> Duration {
    Duration::from_secs(n * 60)
}

/// This program, for stages that are a function of it.
const XTASK: &str = "xtask";

macro_rules! pytest {
    ($environment:literal, $($argument:literal),+) => {
        &[
            concat!("target/sdk/", $environment, "/bin/python"),
            "-B", "-m", "pytest", "-p", "no:cacheprovider", "-q", "--tb=short", $($argument),+
        ]
    };
}

/// Every stage, in the order in which they run.
pub const ALL: &[Stage] = &[
    Stage {
        name: "fmt",
        about: "the code is formatted",
        needs: &[],
        beside: Beside::NoCargo,
        command: &["cargo", "fmt", "--all", "--check"],
        env: &[],
        limit: minutes(2),
    },
    Stage {
        name: "guard",
        about: "the core knows no vendor; nothing names a machine or a registry host",
        needs: &[],
        beside: Beside::All,
        command: &[XTASK, "guard"],
        env: &[],
        limit: minutes(2),
    },
    // Everything in one call: built by halves, the dependencies would be built again wherever their features differ.
    Stage {
        name: "build",
        about: "the binary, its tests and its tools build",
        needs: &[],
        beside: Beside::NoCargo,
        command: &["cargo", "build", "--workspace", "--all-targets", "--locked"],
        env: &[],
        limit: minutes(25),
    },
    Stage {
        name: "clippy",
        about: "no lint warns",
        needs: &[],
        beside: Beside::NoCargo,
        command: &["cargo", "clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"],
        env: &[],
        limit: minutes(20),
    },
    Stage {
        name: "postgresql",
        about: "PostgreSQL's programs are installed",
        needs: &[],
        beside: Beside::All,
        command: &[XTASK, "install-postgresql"],
        env: &[],
        limit: minutes(10),
    },
    Stage {
        name: "rust",
        about: "the workspace's own tests pass",
        needs: &["build", "postgresql"],
        beside: Beside::Nothing,
        command: &[XTASK, "rust"],
        env: &[],
        limit: minutes(25),
    },
    Stage {
        name: "commands",
        about: "every command that the documentation shows exists",
        needs: &["build"],
        beside: Beside::All,
        command: &[XTASK, "commands"],
        env: &[],
        limit: minutes(2),
    },
    Stage {
        name: "python-sdk",
        about: "foundry-platform-sdk 1.111.0 is installed",
        needs: &[],
        beside: Beside::All,
        command: &[XTASK, "install-python", "palantir", "1.111.0"],
        env: &[],
        limit: minutes(10),
    },
    Stage {
        name: "python-sdk-old",
        about: "foundry-platform-sdk 1.30.0 is installed",
        needs: &[],
        beside: Beside::All,
        command: &[XTASK, "install-python", "palantir", "1.30.0"],
        env: &[],
        limit: minutes(10),
    },
    Stage {
        name: "typescript-sdk",
        about: "the @osdk packages are installed",
        needs: &[],
        beside: Beside::All,
        command: &[XTASK, "install-node", "palantir/typescript"],
        env: &[],
        limit: minutes(10),
    },
    Stage {
        name: "azure-sdk",
        about: "azure-ai-projects 2.10.0 is installed, with openai 3.54.0",
        needs: &[],
        beside: Beside::All,
        command: &[XTASK, "install-python", "azure", "2.10.0"],
        env: &[],
        limit: minutes(10),
    },
    Stage {
        name: "azure-sdk-2-2",
        about: "azure-ai-projects 2.2.0 is installed, with openai 2.54.0",
        needs: &[],
        beside: Beside::All,
        command: &[XTASK, "install-python", "azure", "2.2.0"],
        env: &[],
        limit: minutes(10),
    },
    Stage {
        name: "azure-sdk-2-1",
        about: "azure-ai-projects 2.1.0 is installed, with openai 2.54.0",
        needs: &[],
        beside: Beside::All,
        command: &[XTASK, "install-python", "azure", "2.1.0"],
        env: &[],
        limit: minutes(10),
    },
    Stage {
        name: "azure-container",
        about: "azure-ai-agentserver-responses 2.3.0 is installed, with azure-ai-agentserver-invocations 1.2.0",
        needs: &[],
        beside: Beside::All,
        command: &[XTASK, "install-python", "azure", "container"],
        env: &[],
        limit: minutes(10),
    },
    Stage {
        name: "vectara-sdk",
        about: "vectara 0.4.3 is installed",
        needs: &[],
        beside: Beside::All,
        command: &[XTASK, "install-python", "vectara", "0.4.3"],
        env: &[],
        limit: minutes(10),
    },
    Stage {
        name: "vectara-sdk-0-4-2",
        about: "vectara 0.4.2 is installed",
        needs: &[],
        beside: Beside::All,
        command: &[XTASK, "install-python", "vectara", "0.4.2"],
        env: &[],
        limit: minutes(10),
    },
    Stage {
        name: "cross-sdks",
        about: "the Python SDKs of all vendors are installed together",
        needs: &[],
        beside: Beside::All,
        command: &[XTASK, "install-python", "cross", "sdks"],
        env: &[],
        limit: minutes(10),
    },
    Stage {
        name: "azure-javascript-sdk",
        about: "@azure/ai-projects 2.8.0 is installed, with openai 6.49.0",
        needs: &[],
        beside: Beside::All,
        command: &[XTASK, "install-node", "azure/javascript"],
        env: &[],
        limit: minutes(10),
    },
    Stage {
        name: "palantir-python-http",
        about: "foundry-platform-sdk 1.111.0 works over plain HTTP",
        needs: &["build", "python-sdk"],
        beside: Beside::All,
        command: pytest!("palantir-1.111.0", "tests/conformance/palantir/python"),
        env: &[("CONFORMANCE_SCHEME", "http")],
        limit: minutes(10),
    },
    Stage {
        name: "palantir-python-https",
        about: "foundry-platform-sdk 1.111.0 works over TLS with the server's own root",
        needs: &["build", "python-sdk"],
        beside: Beside::All,
        command: pytest!("palantir-1.111.0", "tests/conformance/palantir/python"),
        env: &[("CONFORMANCE_SCHEME", "https")],
        limit: minutes(10),
    },
    Stage {
        name: "palantir-python-old-http",
        about: "foundry-platform-sdk 1.30.0 works over plain HTTP",
        needs: &["build", "python-sdk-old"],
        beside: Beside::All,
        command: pytest!("palantir-1.30.0", "tests/conformance/palantir/python_old"),
        env: &[("CONFORMANCE_SCHEME", "http")],
        limit: minutes(10),
    },
    Stage {
        name: "palantir-python-old-https",
        about: "foundry-platform-sdk 1.30.0 works over TLS with the server's own root",
        needs: &["build", "python-sdk-old"],
        beside: Beside::All,
        command: pytest!("palantir-1.30.0", "tests/conformance/palantir/python_old"),
        env: &[("CONFORMANCE_SCHEME", "https")],
        limit: minutes(10),
    },
    Stage {
        name: "palantir-oauth-http",
        about: "the OAuth clients of foundry-platform-sdk 1.111.0 work over plain HTTP",
        needs: &["build", "python-sdk"],
        beside: Beside::All,
        command: pytest!("palantir-1.111.0", "tests/conformance/palantir/oauth"),
        env: &[("CONFORMANCE_SCHEME", "http")],
        limit: minutes(10),
    },
    Stage {
        name: "palantir-oauth-https",
        about: "the OAuth clients of foundry-platform-sdk 1.111.0 work over TLS with the server's own root",
        needs: &["build", "python-sdk"],
        beside: Beside::All,
        command: pytest!("palantir-1.111.0", "tests/conformance/palantir/oauth"),
        env: &[("CONFORMANCE_SCHEME", "https")],
        limit: minutes(10),
    },
    Stage {
        name: "palantir-typescript-http",
        about: "@osdk/foundry.aipagents 2.38.0 works over plain HTTP",
        needs: &["build", "typescript-sdk"],
        beside: Beside::All,
        command: &["node", "tests/conformance/palantir/typescript/run.mjs"],
        env: &[("CONFORMANCE_SCHEME", "http")],
        limit: minutes(10),
    },
    Stage {
        name: "palantir-typescript-https",
        about: "@osdk/foundry.aipagents 2.38.0 works over TLS with the server's own root",
        needs: &["build", "typescript-sdk"],
        beside: Beside::All,
        command: &["node", "tests/conformance/palantir/typescript/run.mjs"],
        env: &[("CONFORMANCE_SCHEME", "https")],
        limit: minutes(10),
    },
    Stage {
        name: "azure-python-http",
        about: "azure-ai-projects 2.10.0 works over plain HTTP",
        needs: &["build", "azure-sdk"],
        beside: Beside::All,
        command: pytest!("azure-2.10.0", "tests/conformance/azure/python"),
        env: &[("CONFORMANCE_SCHEME", "http")],
        limit: minutes(10),
    },
    Stage {
        name: "azure-python-https",
        about: "azure-ai-projects 2.10.0 works over TLS with the server's own root",
        needs: &["build", "azure-sdk"],
        beside: Beside::All,
        command: pytest!("azure-2.10.0", "tests/conformance/azure/python"),
        env: &[("CONFORMANCE_SCHEME", "https")],
        limit: minutes(10),
    },
    Stage {
        name: "azure-python-2-2-http",
        about: "azure-ai-projects 2.2.0 works over plain HTTP",
        needs: &["build", "azure-sdk-2-2"],
        beside: Beside::All,
        command: pytest!("azure-2.2.0", "tests/conformance/azure/python_old"),
        env: &[("CONFORMANCE_SCHEME", "http")],
        limit: minutes(10),
    },
    Stage {
        name: "azure-python-2-2-https",
        about: "azure-ai-projects 2.2.0 works over TLS with the server's own root",
        needs: &["build", "azure-sdk-2-2"],
        beside: Beside::All,
        command: pytest!("azure-2.2.0", "tests/conformance/azure/python_old"),
        env: &[("CONFORMANCE_SCHEME", "https")],
        limit: minutes(10),
    },
    Stage {
        name: "azure-python-2-1-http",
        about: "azure-ai-projects 2.1.0 works over plain HTTP",
        needs: &["build", "azure-sdk-2-1"],
        beside: Beside::All,
        command: pytest!("azure-2.1.0", "tests/conformance/azure/python_old"),
        env: &[("CONFORMANCE_SCHEME", "http")],
        limit: minutes(10),
    },
    Stage {
        name: "azure-python-2-1-https",
        about: "azure-ai-projects 2.1.0 works over TLS with the server's own root",
        needs: &["build", "azure-sdk-2-1"],
        beside: Beside::All,
        command: pytest!("azure-2.1.0", "tests/conformance/azure/python_old"),
        env: &[("CONFORMANCE_SCHEME", "https")],
        limit: minutes(10),
    },
    Stage {
        name: "azure-javascript-http",
        about: "@azure/ai-projects 2.8.0 works over plain HTTP",
        needs: &["build", "azure-javascript-sdk"],
        beside: Beside::All,
        command: &["node", "tests/conformance/azure/javascript/run.mjs"],
        env: &[("CONFORMANCE_SCHEME", "http")],
        limit: minutes(10),
    },
    Stage {
        name: "azure-javascript-https",
        about: "@azure/ai-projects 2.8.0 works over TLS with nothing but the server's own root trusted",
        needs: &["build", "azure-javascript-sdk"],
        beside: Beside::All,
        command: &["node", "tests/conformance/azure/javascript/run.mjs"],
        env: &[("CONFORMANCE_SCHEME", "https")],
        limit: minutes(10),
    },
    Stage {
        name: "azure-oracle",
        about: "responses are those of the vendor's container runtime, but for the documented differences",
        needs: &["build", "azure-container"],
        beside: Beside::All,
        command: pytest!(
            "azure-container",
            "--confcutdir=tests/conformance/azure/oracle",
            "--override-ini=pythonpath=harness azure/oracle",
            "tests/conformance/azure/oracle"
        ),
        env: &[("CONFORMANCE_SCHEME", "http")],
        limit: minutes(10),
    },
    Stage {
        name: "azure-hosted",
        about: "agents are served by a container of the vendor's runtime",
        needs: &["build", "azure-container"],
        beside: Beside::All,
        command: pytest!(
            "azure-container",
            "--confcutdir=tests/conformance/azure/hosted",
            "--override-ini=pythonpath=harness azure/oracle",
            "tests/conformance/azure/hosted"
        ),
        env: &[("CONFORMANCE_SCHEME", "http")],
        limit: minutes(10),
    },
    Stage {
        name: "azure-programs",
        about: "the programs of docs/azure.md run as they stand there",
        needs: &["build", "azure-sdk", "azure-javascript-sdk"],
        beside: Beside::All,
        command: pytest!(
            "azure-2.10.0",
            "--confcutdir=tests/conformance/azure/documentation",
            "tests/conformance/azure/documentation"
        ),
        env: &[],
        limit: minutes(5),
    },
    Stage {
        name: "vectara-python-http",
        about: "vectara 0.4.3 works over plain HTTP",
        needs: &["build", "vectara-sdk"],
        beside: Beside::All,
        command: pytest!("vectara-0.4.3", "tests/conformance/vectara/python"),
        env: &[("CONFORMANCE_SCHEME", "http")],
        limit: minutes(10),
    },
    Stage {
        name: "vectara-python-https",
        about: "vectara 0.4.3 works over TLS with the server's own root",
        needs: &["build", "vectara-sdk"],
        beside: Beside::All,
        command: pytest!("vectara-0.4.3", "tests/conformance/vectara/python"),
        env: &[("CONFORMANCE_SCHEME", "https")],
        limit: minutes(10),
    },
    Stage {
        name: "vectara-python-0-4-2-http",
        about: "vectara 0.4.2 works over plain HTTP",
        needs: &["build", "vectara-sdk-0-4-2"],
        beside: Beside::All,
        command: pytest!("vectara-0.4.2", "tests/conformance/vectara/python"),
        env: &[("CONFORMANCE_SCHEME", "http")],
        limit: minutes(10),
    },
    Stage {
        name: "vectara-python-0-4-2-https",
        about: "vectara 0.4.2 works over TLS with the server's own root",
        needs: &["build", "vectara-sdk-0-4-2"],
        beside: Beside::All,
        command: pytest!("vectara-0.4.2", "tests/conformance/vectara/python"),
        env: &[("CONFORMANCE_SCHEME", "https")],
        limit: minutes(10),
    },
    Stage {
        name: "vectara-raw-http",
        about: "Vectara's API is on the wire what its pages say, over plain HTTP",
        needs: &["build", "vectara-sdk"],
        beside: Beside::All,
        command: pytest!("vectara-0.4.3", "tests/conformance/vectara/raw"),
        env: &[("CONFORMANCE_SCHEME", "http")],
        limit: minutes(10),
    },
    Stage {
        name: "vectara-raw-https",
        about: "Vectara's API is on the wire what its pages say, over TLS",
        needs: &["build", "vectara-sdk"],
        beside: Beside::All,
        command: pytest!("vectara-0.4.3", "tests/conformance/vectara/raw"),
        env: &[("CONFORMANCE_SCHEME", "https")],
        limit: minutes(10),
    },
    Stage {
        name: "vectara-programs",
        about: "the programs of docs/vectara.md run as they stand there",
        needs: &["build", "vectara-sdk"],
        beside: Beside::All,
        command: pytest!("vectara-0.4.3", "tests/conformance/vectara/documentation"),
        env: &[],
        limit: minutes(5),
    },
    Stage {
        name: "cross",
        about: "a session made over one API goes on over the others",
        needs: &["build", "cross-sdks"],
        beside: Beside::All,
        command: pytest!("cross-sdks", "tests/conformance/cross"),
        env: &[],
        limit: minutes(5),
    },
    Stage {
        name: "openai-upstream",
        about: "agents answer from an OpenAI-compatible server, and its faults have the vendor's names",
        needs: &["build", "python-sdk"],
        beside: Beside::All,
        command: pytest!("palantir-1.111.0", "tests/conformance/palantir/upstream"),
        env: &[("CONFORMANCE_SCHEME", "http")],
        limit: minutes(10),
    },
    Stage {
        name: "palantir-python-postgres",
        about: "foundry-platform-sdk 1.111.0 works on PostgreSQL",
        needs: &["build", "postgresql", "python-sdk"],
        beside: Beside::All,
        command: pytest!("palantir-1.111.0", "tests/conformance/palantir/python"),
        env: &[("CONFORMANCE_STORE", "postgres")],
        limit: minutes(10),
    },
    Stage {
        name: "palantir-oauth-postgres",
        about: "the OAuth clients of foundry-platform-sdk 1.111.0 work on PostgreSQL",
        needs: &["build", "postgresql", "python-sdk"],
        beside: Beside::All,
        command: pytest!("palantir-1.111.0", "tests/conformance/palantir/oauth"),
        env: &[("CONFORMANCE_STORE", "postgres")],
        limit: minutes(10),
    },
    Stage {
        name: "palantir-typescript-postgres",
        about: "@osdk/foundry.aipagents 2.38.0 works on PostgreSQL",
        needs: &["build", "postgresql", "typescript-sdk"],
        beside: Beside::All,
        command: &["node", "tests/conformance/palantir/typescript/run.mjs"],
        env: &[("CONFORMANCE_STORE", "postgres")],
        limit: minutes(10),
    },
    Stage {
        name: "azure-python-postgres",
        about: "azure-ai-projects 2.10.0 works on PostgreSQL",
        needs: &["build", "postgresql", "azure-sdk"],
        beside: Beside::All,
        command: pytest!("azure-2.10.0", "tests/conformance/azure/python"),
        env: &[("CONFORMANCE_STORE", "postgres")],
        limit: minutes(10),
    },
    Stage {
        name: "azure-javascript-postgres",
        about: "@azure/ai-projects 2.8.0 works on PostgreSQL",
        needs: &["build", "postgresql", "azure-javascript-sdk"],
        beside: Beside::All,
        command: &["node", "tests/conformance/azure/javascript/run.mjs"],
        env: &[("CONFORMANCE_STORE", "postgres")],
        limit: minutes(10),
    },
    Stage {
        name: "vectara-python-postgres",
        about: "vectara 0.4.3 works on PostgreSQL",
        needs: &["build", "postgresql", "vectara-sdk"],
        beside: Beside::All,
        command: pytest!("vectara-0.4.3", "tests/conformance/vectara/python"),
        env: &[("CONFORMANCE_STORE", "postgres")],
        limit: minutes(10),
    },
    Stage {
        name: "vectara-raw-postgres",
        about: "Vectara's API is on the wire what its pages say, on PostgreSQL",
        needs: &["build", "postgresql", "vectara-sdk"],
        beside: Beside::All,
        command: pytest!("vectara-0.4.3", "tests/conformance/vectara/raw"),
        env: &[("CONFORMANCE_STORE", "postgres")],
        limit: minutes(10),
    },
    Stage {
        name: "cross-postgres",
        about: "a session made over one API goes on over the others, on PostgreSQL",
        needs: &["build", "postgresql", "cross-sdks"],
        beside: Beside::All,
        command: pytest!("cross-sdks", "tests/conformance/cross"),
        env: &[("CONFORMANCE_STORE", "postgres")],
        limit: minutes(10),
    },
    Stage {
        name: "cluster",
        about: "three nodes answer random operations of all vendors' SDKs as one node does",
        needs: &["build", "postgresql", "cross-sdks"],
        beside: Beside::Nothing,
        command: pytest!(
            "cross-sdks",
            "--confcutdir=tests/conformance/cluster",
            "--override-ini=pythonpath=harness cluster",
            "tests/conformance/cluster"
        ),
        env: &[],
        limit: minutes(20),
    },
    Stage {
        name: "crash",
        about: "what was acknowledged is there after kill -9, and nothing happened twice",
        needs: &["build"],
        beside: Beside::Nothing,
        // The server is built for debugging here; the half second of a release is for `cargo xtask crash`.
        command: &["target/debug/sederunt-crash", "alone", "--rounds", "3", "--ready-within", "3000"],
        env: &[],
        limit: minutes(10),
    },
    Stage {
        name: "crash-nodes",
        about: "three nodes keep what was acknowledged while nodes and database die, and tell everywhere what runs on one",
        needs: &["build", "postgresql"],
        beside: Beside::Nothing,
        command: &["target/debug/sederunt-crash", "nodes"],
        env: &[],
        limit: minutes(10),
    },
];

/// Runs the named stages and what they need, or all; prints a line for each and the sum. Whether all passed.
pub fn run(chosen: &[String]) -> Result<bool> {
    let wanted = with_needs(chosen)?;
    let stages: Vec<&Stage> = ALL.iter().filter(|stage| wanted.contains(stage.name)).collect();
    let mut failed = Vec::new();
    let mut sum = Tally::default();
    let work = |stage: &Stage| run::program(stage.name, &program(stage.command)?, stage.env, stage.limit);
    schedule::run(&stages, schedule::slots(), work, |stage, outcome, took| {
        if !outcome.passed {
            failed.push(stage.name);
        }
        sum += outcome.tally;
        let result = if outcome.passed { "ok" } else { "FAILED" };
        println!("{:28} {result:6} {:7.1} s  {}", stage.name, took.as_secs_f64(), outcome.note);
        if let Some(tail) = outcome.tail {
            println!("{tail}");
        }
    })?;
    if !failed.is_empty() {
        println!("failed: {}", failed.join(", "));
    }
    println!("{} passed, {} failed", sum.passed, sum.failed);
    Ok(sum.failed == 0)
}

/// The names of the chosen stages (all, if none is chosen) and of those they need, however far.
fn with_needs(chosen: &[String]) -> Result<BTreeSet<&'static str>> {
    let mut open: Vec<&Stage> = Vec::new();
    for name in chosen {
        match ALL.iter().find(|stage| stage.name == name) {
            Some(stage) => open.push(stage),
            None => bail!("there is no stage '{name}'; `cargo xtask stages` lists them"),
        }
    }
    if chosen.is_empty() {
        open.extend(ALL);
    }
    let mut wanted = BTreeSet::new();
    while let Some(stage) = open.pop() {
        if wanted.insert(stage.name) {
            open.extend(ALL.iter().filter(|other| stage.needs.contains(&other.name)));
        }
    }
    Ok(wanted)
}

/// A stage's command with this program's own path, and the Rust tests' runner, filled in.
fn program(command: &[&str]) -> Result<Vec<String>> {
    Ok(match command {
        [XTASK, "rust"] => install::rust_tests(),
        [XTASK, rest @ ..] => {
            let this = std::env::current_exe()?.display().to_string();
            std::iter::once(this).chain(rest.iter().map(|&word| word.to_owned())).collect()
        }
        words => words.iter().map(|&word| word.to_owned()).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_need_is_a_stage_that_runs_before() {
        for (at, stage) in ALL.iter().enumerate() {
            for need in stage.needs {
                assert!(ALL[..at].iter().any(|earlier| earlier.name == *need), "{} needs {need}", stage.name);
            }
        }
    }

    #[test]
    fn a_chosen_stage_brings_what_it_needs() {
        let wanted = with_needs(&["palantir-typescript-http".to_owned()]).unwrap();
        assert_eq!(wanted, ["build", "palantir-typescript-http", "typescript-sdk"].into());
        assert!(with_needs(&["nonsense".to_owned()]).is_err());
    }
}
