//! Where PostgreSQL's programs lie, and as whom they may run.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, bail};

/// Where Debian keeps the programs of each version.
const DEBIAN: &str = "/usr/lib/postgresql";

const MISSING: &str = "\
PostgreSQL's programs are not installed, and these tests start one from them.
Install them: apt-get install postgresql (or another package that has initdb, postgres and psql, with pg_config in PATH).";

/// The programs of one version.
#[derive(Clone, Debug)]
pub struct Installed {
    programs: PathBuf,
    /// The user and group to run them as. None: whoever runs the tests, since PostgreSQL refuses nobody but root.
    pub run_as: Option<(u32, u32)>,
}

impl Installed {
    /// The newest version.
    pub fn find() -> Result<Self> {
        let Some(programs) = newest_of_debian().or_else(of_pg_config) else { bail!(MISSING) };
        let root = fs::metadata("/proc/self")?.uid() == 0;
        Ok(Self { programs, run_as: if root { Some(unprivileged()?) } else { None } })
    }

    /// A program of it, as the user that may run it and with none of our settings for clients.
    pub fn command(&self, program: &str) -> Result<Command> {
        let path = self.path(program);
        // Where the client is a package of its own, it may lie elsewhere.
        let mut command = if path.is_file() { Command::new(path) } else { Command::new(program) };
        self.prepare(&mut command);
        Ok(command)
    }

    /// The folder of its programs.
    pub fn programs(&self) -> &Path {
        &self.programs
    }

    /// The path of a program of it.
    pub fn path(&self, program: &str) -> PathBuf {
        self.programs.join(program)
    }

    /// Makes a command one of the user that may run PostgreSQL.
    pub fn prepare(&self, command: &mut Command) {
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("PG") {
                command.env_remove(name);
            }
        }
        command.env("LC_ALL", "C");
        if let Some((user, group)) = self.run_as {
            command.uid(user).gid(group);
        }
    }
}

fn newest_of_debian() -> Option<PathBuf> {
    let versions = fs::read_dir(DEBIAN).ok()?.filter_map(|entry| {
        let entry = entry.ok()?;
        let version: u32 = entry.file_name().to_str()?.parse().ok()?;
        Some((version, entry.path().join("bin")))
    });
    versions.filter(|(_, programs)| is_complete(programs)).max().map(|(_, programs)| programs)
}

fn of_pg_config() -> Option<PathBuf> {
    let said = Command::new("pg_config").arg("--bindir").output().ok()?;
    let programs = PathBuf::from(String::from_utf8(said.stdout).ok()?.trim());
    is_complete(&programs).then_some(programs)
}

fn is_complete(programs: &Path) -> bool {
    ["initdb", "postgres"].iter().all(|program| programs.join(program).is_file())
}

/// A user without rights: PostgreSQL's own, else nobody.
fn unprivileged() -> Result<(u32, u32)> {
    let users = fs::read_to_string("/etc/passwd")?;
    let find = |name: &str| {
        let fields: Vec<&str> = users
            .lines()
            .map(|line| line.split(':'))
            .find_map(|mut fields| (fields.next() == Some(name)).then(|| fields.collect()))?;
        Some((fields.get(1)?.parse().ok()?, fields.get(2)?.parse().ok()?))
    };
    match find("postgres").or_else(|| find("nobody")) {
        Some(ids) => Ok(ids),
        None => bail!("PostgreSQL refuses to run as root, and this machine has neither a user postgres nor nobody"),
    }
}
