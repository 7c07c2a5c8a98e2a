//! The command line.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::commands::{
    agent, app, backup, chat, check, clock, config, dev, env, key, migrate, moving, restore, serve, sessions, stop,
    tail,
};
use crate::config::{Config, Layers};
use crate::fault::{Exit, Fault};

/// Keeps conversation sessions of AI agents, and speaks the session APIs that code is already written against.
#[derive(Debug, Parser)]
#[command(name = "sederunt", version, after_help = EXIT_CODES)]
pub struct Cli {
    /// Machine-readable output
    #[arg(long, global = true)]
    pub json: bool,
    #[command(flatten)]
    pub settings: Settings,
    #[command(subcommand)]
    pub command: Command,
}

const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  it was tried and failed
  2  the command line, a file it names or the configuration is wrong or unsafe
  3  something needed cannot be had: the store, an address, a running server
  4  the server refused: the token is unknown or may not do this
  5  there is no such thing";

/// What a command does.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve for development: two users, demo agents, its own TLS root, no accounts
    Dev(dev::Args),
    /// Serve
    Serve(serve::Args),
    /// Check the configuration and what it names, without serving
    Check,
    /// Show the configuration
    Config(config::Args),
    /// Bring the store's schema up to this release's
    Migrate(migrate::Args),
    /// Write all that the store holds to an archive, beside running servers
    Backup(backup::Args),
    /// Fill an empty store from an archive
    Restore(restore::Args),
    /// Move all that one store holds to another, empty one: from SQLite to PostgreSQL, or back
    Move(moving::Args),
    /// Make, publish, list and delete agents
    Agent(agent::Args),
    /// Make, list and revoke API keys
    Key(key::Args),
    /// Register, list and remove OAuth2 applications
    App(app::Args),
    /// List, show and delete sessions
    Sessions(sessions::Args),
    /// Talk to an agent
    Chat(chat::Args),
    /// Show and move the clock of a development server
    Clock(clock::Args),
    /// Print what to set for a vendor's SDK
    Env(env::Args),
    /// Ask a server how it is
    Status(stop::Args),
    /// Show requests as a server answers them
    Tail(tail::Args),
    /// Tell a server to end
    Stop(stop::Args),
}

/// Where settings come from.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Settings {
    /// Configuration file [default: ./sederunt.toml, if there is one]
    #[arg(long, global = true, env = "SEDERUNT_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// One setting over all others, such as http.body_size=1MiB; may be repeated
    #[arg(long = "set", global = true, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
}

/// The configuration file that is read if none is named.
const FILE: &str = "sederunt.toml";

impl Settings {
    /// The layers: defaults, file, environment, `--set`.
    pub fn layers(&self) -> Result<Layers, Fault> {
        let mut layers = Layers::defaults()?;
        let present = || Some(PathBuf::from(FILE)).filter(|file| file.exists());
        if let Some(file) = self.config.clone().or_else(present) {
            layers.file(&file)?;
        }
        // A variable that is not Unicode cannot be one of ours: all names and values are.
        layers.environment(
            std::env::vars_os().filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?))),
        )?;
        for pair in &self.set {
            let (key, value) = pair.split_once('=').ok_or_else(|| {
                Fault::config(format!("--set {pair} cannot be read"), "it has no '='", "write --set KEY=VALUE")
            })?;
            layers.flag(key.trim(), value.trim(), "--set")?;
        }
        Ok(layers)
    }

    /// The configuration that the layers come to.
    pub fn config(&self) -> Result<Config, Fault> {
        Config::read(&self.layers()?)
    }
}

/// Runs the command line.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let json = cli.json;
    match run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            let text = if json { fault.json().to_string() } else { fault.to_string() };
            // Nobody is left to be told that nobody can be told.
            _ = writeln!(std::io::stderr(), "{text}");
            fault.exit.into()
        }
    }
}

fn run(cli: Cli) -> Result<(), Fault> {
    match cli.command {
        Command::Config(args) => config::run(&args, &cli.settings, cli.json),
        Command::Check => on_runtime(check::run(cli.settings, cli.json)),
        Command::Migrate(args) => on_runtime(migrate::run(args, cli.settings, cli.json)),
        Command::Backup(args) => on_runtime(backup::run(args, cli.settings, cli.json)),
        Command::Restore(args) => on_runtime(restore::run(args, cli.settings, cli.json)),
        Command::Move(args) => on_runtime(moving::run(args, cli.settings, cli.json)),
        Command::Dev(args) => on_runtime(dev::run(args, cli.settings, cli.json)),
        Command::Serve(args) => on_runtime(serve::run(args, cli.settings, cli.json)),
        Command::Agent(args) => on_runtime(agent::run(args, cli.json)),
        Command::Key(args) => on_runtime(key::run(args, cli.settings, cli.json)),
        Command::App(args) => on_runtime(app::run(args, cli.json)),
        Command::Sessions(args) => on_runtime(sessions::run(args, cli.json)),
        Command::Chat(args) => on_runtime(chat::run(args, cli.json)),
        Command::Clock(args) => on_runtime(clock::run(args, cli.json)),
        Command::Env(args) => env::run(args, cli.json),
        Command::Status(args) => on_runtime(stop::status(args, cli.json)),
        Command::Tail(args) => on_runtime(tail::run(args, cli.json)),
        Command::Stop(args) => on_runtime(stop::stop(args, cli.json)),
    }
}

fn on_runtime(work: impl Future<Output = Result<(), Fault>>) -> Result<(), Fault> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|e| Fault::failed("the runtime cannot start", e, "see whether the system is out of threads"))?;
    runtime.block_on(work)
}

/// Prints a line on standard output. A reader that went away is no reason to fail.
pub fn say(text: impl std::fmt::Display) {
    _ = writeln!(std::io::stdout(), "{text}");
}

impl Fault {
    /// A fault of the machine while doing `what`.
    pub fn io(what: impl Into<String>, error: impl std::fmt::Display) -> Self {
        Self { exit: Exit::Failed, ..Self::failed(what, error, "check the path and its permissions") }
    }
}
